package registry_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/policyhost/policy/builtins/internal/registry"
)

func TestChallenges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		headers []string
		want    []map[string]string
	}{
		{[]string{`Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"`},
			[]map[string]string{{"": "bearer", "realm": "https://auth.docker.io/token", "service": "registry.docker.io", "scope": "repository:a/b:pull,push"}}},
		{[]string{`Basic realm="a \"quoted\" one", charset="UTF-8"`}, []map[string]string{{"": "basic", "realm": `a "quoted" one`, "charset": "UTF-8"}}},
		{[]string{`Negotiate, Basic realm=x , Bearer realm = "y"`}, []map[string]string{{"": "negotiate"}, {"": "basic", "realm": "x"}, {"": "bearer", "realm": "y"}}},
		{[]string{`BASIC realm="x"`, `bearer REALM=https://h/t?a=b,service=s`}, []map[string]string{{"": "basic", "realm": "x"}, {"": "bearer", "realm": "https://h/t?a=b", "service": "s"}}},
		{[]string{`Bearer realm="first",realm="second"`}, []map[string]string{{"": "bearer", "realm": "first"}}},
		{[]string{`Bearer realm="open`}, []map[string]string{{"": "bearer", "realm": "open"}}},
		{[]string{``, `,,`, `="="`, "\x00"}, nil},
	} {
		if got := registry.Challenges(tt.headers); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q: got %v, want %v", tt.headers, got, tt.want)
		}
	}
}

func TestMergeScopes(t *testing.T) {
	t.Parallel()
	got := registry.MergeScopes("repository:a/b:pull", "repository:a/b:push,pull repository:c:pull", "", "registry:catalog:*", "odd")
	want := []string{"odd", "registry:catalog:*", "repository:a/b:pull,push", "repository:c:pull"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNextLink(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", `</v2/_catalog?n=1&last=a>; rel="next"`: "/v2/_catalog?n=1&last=a", `<a>; rel=next`: "a", `<a>; REL = "Next"`: "a",
		`<a>; rel="prev", <b>; title="x"; rel="next"`: "b", `<a>`: "", `<a`: "", `<a>; rel="last"`: "",
	} {
		if got := registry.NextLink(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, "-5": 0, "86400": 24 * time.Hour, "9999999999999999999": 0, "soon": 0,
		"Sun, 22 Nov 2026 06:01:00 GMT": time.Minute, "Sun, 22 Nov 2026 05:00:00 GMT": 0,
	} {
		if got := registry.RetryAfter(in, now); got != want {
			t.Errorf("%q: got %v, want %v", in, got, want)
		}
	}
}

func TestErrorBody(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ body, code, message string }{
		{`{"errors":[{"code":"DENIED","message":"no\nway\t!"}]}`, "DENIED", "no way !"},
		{`{"details":"incorrect username or password"}`, "", "incorrect username or password"},
		{`{"error":"invalid_grant","error_description":"expired"}`, "", "expired"},
		{`{"errors":"odd"}`, "", `{"errors":"odd"}`},
		{`plain text`, "", "plain text"},
		{`<html>no</html>`, "", ""},
		{`{"message":"my s3cret"}`, "", "my ***"},
		{strings.Repeat("x", 500), "", ""},
		{"\xff\xfe", "", ""},
		{"", "", ""},
	} {
		code, message := registry.ErrorBody([]byte(tt.body), []string{"s3cret", "", "m"})
		if code != tt.code || message != tt.message {
			t.Errorf("%q: got %q %q, want %q %q", tt.body, code, message, tt.code, tt.message)
		}
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ method, path, repo string }{
		{"GET", "/v2/", ""}, {"GET", "/v2/_catalog", ""}, {"GET", "/v2/a/b/c/manifests/1", "a/b/c"}, {"HEAD", "/v2/a/blobs/sha256:x", "a"},
		{"POST", "/v2/a/blobs/uploads/", "a"}, {"PUT", "/v2/a/blobs/uploads/x/y", "a"}, {"GET", "/v2/blobs/manifests/manifests/x", "blobs/manifests"},
		{"GET", "/v2/a/tags/list", "a"}, {"PUT", "/elsewhere", ""},
	} {
		if repo, _ := registry.Classify(tt.method, tt.path); repo != tt.repo {
			t.Errorf("%s %s: got %q", tt.method, tt.path, repo)
		}
	}
}

func FuzzChallenges(f *testing.F) {
	f.Add(`Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"`)
	f.Add(`Negotiate abc==, Basic realm=x , Bearer realm = "y\"z`)
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range registry.Challenges([]string{s}) {
			if c[""] == "" || c[""] != strings.ToLower(c[""]) {
				t.Errorf("%q: scheme %q", s, c[""])
			}
			registry.MergeScopes(c["scope"])
		}
	})
}

func FuzzErrorBody(f *testing.F) {
	f.Add([]byte(`{"errors":[{"code":"DENIED","message":"s3cret"}]}`))
	f.Add([]byte("plain s3cret \xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		code, message := registry.ErrorBody(b, []string{"s3cret"})
		for _, s := range []string{code, message} {
			if strings.Contains(s, "s3cret") || strings.ContainsAny(s, "\r\n") || !utf8.ValidString(s) || len(s) > 310 {
				t.Errorf("%q: %q", b, s)
			}
		}
	})
}

func FuzzBlobs(f *testing.F) {
	f.Add([]byte(`{"config":{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := registry.Blobs(b)
		if err != nil {
			return
		}
		if len(all) == 0 || len(all) > 1000 {
			t.Errorf("%d blobs", len(all))
		}
		for _, d := range all {
			if d.Size < 0 || d.Digest.Validate() != nil {
				t.Errorf("%v", d)
			}
		}
	})
}

func FuzzToken(f *testing.F) {
	f.Add([]byte(`{"token":"t","expires_in":300}`))
	f.Add([]byte(`{"access_token":"t\r\nX: y","expires_in":-1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		value, life, err := registry.ParseToken(b)
		if err == nil && (value == "" || strings.ContainsAny(value, " \r\n") || life < 50*time.Second || life > 24*time.Hour) {
			t.Errorf("%q: %q %v", b, value, life)
		}
	})
}

func FuzzNextLink(f *testing.F) {
	f.Add(`<a>; rel="prev", <b>; rel="next"`)
	f.Fuzz(func(t *testing.T, s string) {
		if l := registry.NextLink(s); !strings.Contains(s, l) {
			t.Errorf("%q: %q", s, l)
		}
	})
}
