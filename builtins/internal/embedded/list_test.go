package embedded_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/embedded"
)

// next is the path of the next page, "" on the last one.
func (a answer) next(t *testing.T) string {
	t.Helper()
	link := a.header.Get("Link")
	if link == "" {
		return ""
	}
	path, ok := strings.CutSuffix(link, `>; rel="next"`)
	if !ok || path[0] != '<' {
		t.Fatalf("Link: %q", link)
	}
	return path[1:]
}

func TestPages(t *testing.T) {
	t.Parallel()
	g := newRegistry(t, embedded.Options{})
	m := g.image("a/b", "layer", "")
	tags := []string{"1.0", "1.10", "1.9", "A", "_x", "b", "latest"}
	for _, tag := range slices.Backward(tags) {
		g.want(g.put("a/b", tag, m), 201, "")
	}
	repositories := []string{"a", "a/b", "a/b/c", "b"}
	for _, name := range []string{"b", "a/b/c", "a"} {
		g.want(g.put(name, digestOf(m), m), 201, "")
	}
	for _, c := range []struct {
		path, member string
		all          []string
	}{
		{"/v2/a/b/tags/list", "tags", tags},
		{"/v2/_catalog", "repositories", repositories},
	} {
		for _, n := range []int{1, 2, 3, len(c.all), len(c.all) + 1} {
			var got []string
			pages := 0
			for path := fmt.Sprintf("%s?n=%d", c.path, n); path != ""; pages++ {
				a := g.want(g.do("GET", path, ""), 200, "")
				var body map[string]any
				if err := json.Unmarshal([]byte(a.body), &body); err != nil {
					t.Fatal(err)
				}
				for _, item := range body[c.member].([]any) {
					got = append(got, item.(string))
				}
				path = a.next(t)
			}
			if !slices.Equal(got, c.all) || pages != (len(c.all)+n-1)/n {
				t.Errorf("%s by %d: %q in %d pages", c.path, n, got, pages)
			}
		}
		a := g.want(g.do("GET", c.path+"?n=0", ""), 200, "")
		if !strings.Contains(a.body, `:[]`) || a.next(t) != "" {
			t.Errorf("n=0: %s, %s", a.body, a.next(t))
		}
		g.want(g.do("GET", c.path+"?n=-1", ""), 400, "PAGINATION_NUMBER_INVALID")
		g.want(g.do("GET", c.path+"?n=many", ""), 400, "PAGINATION_NUMBER_INVALID")
		a = g.want(g.do("GET", c.path+"?last=zzz", ""), 200, "")
		if !strings.Contains(a.body, `:[]`) {
			t.Errorf("after the last: %s", a.body)
		}
	}
	if a := g.want(g.do("GET", "/v2/a/b/tags/list?n=2&last=1.10", ""), 200, ""); a.body != `{"name":"a/b","tags":["1.9","A"]}` {
		t.Errorf("got %s", a.body)
	}
}

func TestEmptyCatalog(t *testing.T) {
	t.Parallel()
	g := newRegistry(t, embedded.Options{})
	if a := g.want(g.do("GET", "/v2/_catalog", ""), 200, ""); a.body != `{"repositories":[]}` {
		t.Errorf("got %s", a.body)
	}
}

func TestReferrers(t *testing.T) {
	t.Parallel()
	g := newRegistry(t, embedded.Options{})
	m := g.image("a", "layer", "")
	subject := fmt.Sprintf(`,"subject":%s`, descriptorJSON(artifact.MediaTypeManifest, m))
	list := func(path string) (types []string, a answer) {
		t.Helper()
		a = g.want(g.do("GET", path, ""), 200, "")
		var index struct {
			SchemaVersion int
			MediaType     string
			Manifests     []artifact.Descriptor
		}
		if err := json.Unmarshal([]byte(a.body), &index); err != nil {
			t.Fatal(err)
		}
		if a.header.Get("Content-Type") != artifact.MediaTypeIndex || index.MediaType != artifact.MediaTypeIndex || index.SchemaVersion != 2 || index.Manifests == nil {
			t.Fatalf("not an index: %v %s", a.header, a.body)
		}
		for _, d := range index.Manifests {
			types = append(types, d.ArtifactType+d.Annotations["k"])
			if d.MediaType != artifact.MediaTypeManifest || d.Size == 0 {
				t.Errorf("descriptor %+v", d)
			}
		}
		slices.Sort(types)
		return types, a
	}
	path := "/v2/a/referrers/" + digestOf(m)
	if got, _ := list(path); got != nil {
		t.Errorf("before: %q", got)
	}

	// The subject may come after what refers to it.
	signature := g.image("a", "signature", subject+`,"artifactType":"x/signature","annotations":{"k":"v"}`)
	a := g.want(g.put("a", digestOf(signature), signature), 201, "")
	if a.header.Get("OCI-Subject") != digestOf(m) {
		t.Errorf("OCI-Subject is %q", a.header.Get("OCI-Subject"))
	}
	g.want(g.put("a", "1.0", m), 201, "")
	plain := g.image("a", "plain", subject)
	g.want(g.put("a", "tagged", plain), 201, "")
	g.want(g.put("b", digestOf(plain), plain), 201, "") // of another repository

	want := []string{artifact.MediaTypeConfig, "x/signaturev"}
	if got, a := list(path); !slices.Equal(got, want) || a.header.Get("OCI-Filters-Applied") != "" {
		t.Errorf("got %q, want %q, %v", got, want, a.header)
	}
	got, a := list(path + "?artifactType=x/signature")
	if !slices.Equal(got, want[1:]) || a.header.Get("OCI-Filters-Applied") != "artifactType" {
		t.Errorf("filtered: %q, %v", got, a.header)
	}
	if got, _ := list(path + "?artifactType=none"); got != nil {
		t.Errorf("filtered for none: %q", got)
	}
	if got, _ := list("/v2/unknown/referrers/" + digestOf(m)); got != nil {
		t.Errorf("unknown repository: %q", got)
	}
	g.want(g.do("DELETE", "/v2/a/manifests/tagged", ""), 202, "")
	if got, _ := list(path); len(got) != 2 {
		t.Errorf("without its tag: %q", got)
	}
	g.want(g.do("DELETE", "/v2/a/manifests/"+digestOf(plain), ""), 202, "")
	if got, _ := list(path); !slices.Equal(got, want[1:]) {
		t.Errorf("after delete: %q", got)
	}
}

// An answer stays below what clients take for an index.
func TestManyReferrers(t *testing.T) {
	t.Parallel()
	g := newRegistry(t, embedded.Options{})
	note := strings.Repeat("x", 1<<20)
	want := 0
	for i := range 5 {
		m := fmt.Sprintf(`{"schemaVersion":2,"subject":%s,"annotations":{"n":"%d","x":%q}}`, descriptorJSON("x/y", "subject"), i, note)
		g.want(g.put("a", digestOf(m), m), 201, "")
		want++
	}
	got, pages := 0, 0
	for path := "/v2/a/referrers/" + digestOf("subject"); path != ""; pages++ {
		a := g.want(g.do("GET", path, ""), 200, "")
		if len(a.body) > 4<<20 {
			t.Fatalf("%d bytes", len(a.body))
		}
		got += strings.Count(a.body, `"digest"`)
		path = a.next(t)
	}
	if got != want || pages < 2 {
		t.Errorf("%d of %d in %d pages", got, want, pages)
	}
}
