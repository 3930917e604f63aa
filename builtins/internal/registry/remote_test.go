package registry_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/registry"
	"github.com/policyhost/policy/runtime/fault"
)

func TestCopy(t *testing.T) {
	t.Parallel()
	img := newImage(t, layerSize)
	type result struct {
		transfers map[string]int
		f         *faulty
	}
	run := func(t *testing.T, from, to string, f *faulty) result {
		t.Helper()
		var mu sync.Mutex
		r := result{transfers: map[string]int{}, f: f}
		c := client(t, registry.Options{Timeouts: quick(), Progress: func(_ context.Context, x registry.Transfer) {
			mu.Lock()
			defer mu.Unlock()
			if x.Direction == "copy" && x.State != "progress" {
				r.transfers[x.State]++
			}
		}})
		for i, want := range []bool{false, true} {
			d, unchanged, err := c.Copy(t.Context(), name(t, from), name(t, to))
			if err != nil || unchanged != want || d.Digest != img.desc.Digest {
				t.Fatalf("copy %d: %v, unchanged %v, %v", i, d, unchanged, err)
			}
		}
		got := empty()
		if _, _, err := c.Pull(t.Context(), name(t, to), got, nil); err != nil {
			t.Fatal(err)
		}
		sameImage(t, got, img)
		return r
	}
	setup := func(t *testing.T) (string, *faulty) {
		f := &faulty{next: olaregHandler(t)}
		host := f.stand(t)
		push(t, client(t, registry.Options{}), host+"/dev/authz:1", img)
		return host, f
	}
	t.Run("same repository", func(t *testing.T) {
		t.Parallel()
		host, f := setup(t)
		run(t, host+"/dev/authz:1", host+"/dev/authz:2", f)
	})
	t.Run("same registry mounts", func(t *testing.T) {
		t.Parallel()
		host, f := setup(t)
		f.mu.Lock()
		f.requests = nil
		f.mu.Unlock()
		r := run(t, host+"/dev/authz:1", host+"/prod/authz:1", f)
		for _, q := range f.requests {
			if strings.HasPrefix(q, "PUT") && strings.Contains(q, "/blobs/") {
				t.Errorf("uploaded: %s", q)
			}
		}
		if r.transfers["exists"] != 2 {
			t.Errorf("transfers %v", r.transfers)
		}
	})
	t.Run("two registries", func(t *testing.T) {
		t.Parallel()
		host, f := setup(t)
		r := run(t, host+"/dev/authz@"+img.desc.Digest.String(), serve(t, olaregHandler(t))+"/prod/authz:1", f)
		if r.transfers["done"] != 2 || r.transfers["failed"] != 0 {
			t.Errorf("transfers %v", r.transfers)
		}
	})
	t.Run("source breaks", func(t *testing.T) {
		t.Parallel()
		host, f := setup(t)
		f.match, f.times, f.do = pullsLayer, 1, resetDown(50)
		run(t, host+"/dev/authz:1", serve(t, olaregHandler(t))+"/prod/authz:1", f)
	})
	t.Run("target breaks", func(t *testing.T) {
		t.Parallel()
		host, _ := setup(t)
		f := &faulty{next: olaregHandler(t), match: pushesLayer, times: 2, do: resetUp(50)}
		run(t, host+"/dev/authz:1", f.stand(t)+"/prod/authz:1", f)
	})
	for _, tt := range []struct {
		name string
		do   func(*faulty, http.ResponseWriter, *http.Request)
		want error
	}{
		{"source is wrong", func(f *faulty, w http.ResponseWriter, r *http.Request) { f.next.ServeHTTP(&flipped{w, 9}, r) }, fault.Invalid},
		{"source has it no more", status(404), fault.NotFound},
		{"source is gone", status(503), fault.Unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			host, f := setup(t)
			f.match, f.times, f.do = pullsLayer, -1, tt.do
			c := client(t, registry.Options{Timeouts: quick()})
			to := name(t, serve(t, olaregHandler(t))+"/prod/authz:1")
			_, _, err := c.Copy(t.Context(), name(t, host+"/dev/authz:1"), to)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), host) {
				t.Errorf("got %v, want %v from %s", err, tt.want, host)
			}
			if _, err := c.Resolve(t.Context(), to); !errors.Is(err, fault.NotFound) {
				t.Errorf("the target: %v", err)
			}
		})
	}
}

// TestCopyBothWays: copies in opposite directions do not wait for each other.
func TestCopyBothWays(t *testing.T) {
	t.Parallel()
	a, b := serve(t, olaregHandler(t)), serve(t, olaregHandler(t))
	c := client(t, registry.Options{Host: func(string) registry.HostConfig { return registry.HostConfig{Concurrency: 1} }})
	img, other := newImage(t, layerSize), newImage(t, layerSize)
	push(t, c, a+"/x/y:1", img)
	push(t, c, b+"/x/z:1", other)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, _, err := c.Copy(t.Context(), name(t, a+"/x/y:1"), name(t, b+"/x/y:1")); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, _, err := c.Copy(t.Context(), name(t, b+"/x/z:1"), name(t, a+"/x/z:1")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestPushRace: two pushes of one tag; one wins, both manifests are whole.
func TestPushRace(t *testing.T) {
	t.Parallel()
	host := serve(t, olaregHandler(t))
	c := client(t, registry.Options{})
	images := []*image{newImage(t, 1<<20), newImage(t, 1<<20)}
	var wg sync.WaitGroup
	for _, img := range images {
		wg.Go(func() { push(t, c, host+"/a/b:1", img) })
	}
	wg.Wait()
	d, err := c.Resolve(t.Context(), name(t, host+"/a/b:1"))
	if err != nil || d.Digest != images[0].desc.Digest && d.Digest != images[1].desc.Digest {
		t.Fatal(d, err)
	}
	for _, img := range images {
		got := empty()
		if _, _, err := c.Pull(t.Context(), name(t, host+"/a/b@"+img.desc.Digest.String()), got, nil); err != nil {
			t.Fatal(err)
		}
		sameImage(t, got, img)
	}
}

// TestPushAtOnce: tags of one image that are pushed together send its layer once.
func TestPushAtOnce(t *testing.T) {
	t.Parallel()
	next := olaregHandler(t)
	var sent atomic.Int32
	host := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if pushesLayer(r) {
			sent.Add(1)
		}
		next.ServeHTTP(w, r)
	}))
	c := client(t, registry.Options{})
	img := newImage(t, layerSize)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { push(t, c, fmt.Sprintf("%s/a/b:%d", host, i), img) })
	}
	wg.Wait()
	if n := sent.Load(); n != 1 {
		t.Errorf("the layer was sent %d times", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Push(ctx, name(t, host+"/a/c:1"), img.manifest, img.desc, img); !errors.Is(err, fault.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
}

func TestDeleteTag(t *testing.T) {
	t.Parallel()
	deletesTag := func(r *http.Request) bool {
		return r.Method == http.MethodDelete && !strings.Contains(r.URL.Path, "sha256:") && strings.Contains(r.URL.Path, "/manifests/")
	}
	deletesDigest := func(r *http.Request) bool {
		return r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/manifests/sha256:")
	}
	for _, tt := range []struct {
		name  string
		match func(*http.Request) bool
		code  int
		want  error
	}{
		{"by tag", nil, 0, nil},
		{"tag delete unknown, 400", deletesTag, 400, nil},
		{"tag delete unknown, 404", deletesTag, 404, nil},
		{"deletes off", func(r *http.Request) bool { return r.Method == http.MethodDelete }, 405, fault.Denied},
		{"tag delete off", deletesTag, 405, fault.Denied},
		{"not allowed", deletesTag, 403, fault.Denied},
		{"out of order", deletesTag, 500, fault.Unavailable},
		{"half way", func(r *http.Request) bool { return deletesTag(r) || deletesDigest(r) }, 400, fault.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := &faulty{next: olaregHandler(t), times: -1, do: status(tt.code)}
			host := serve(t, f)
			c := client(t, registry.Options{Timeouts: quick()})
			img := newImage(t, 10)
			one, two := name(t, host+"/a/b:1"), name(t, host+"/a/b:2")
			push(t, c, one.String(), img)
			push(t, c, two.String(), img)
			f.match = tt.match
			if err := c.DeleteTag(t.Context(), one); !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			} else if f := fault.Of(err); tt.code == 405 && !strings.Contains(f.Hint, "DELETE_ENABLED") {
				t.Errorf("hint %q", f.Hint)
			}
			d, err := c.Resolve(t.Context(), one)
			if tt.want == nil && !errors.Is(err, fault.NotFound) || tt.want != nil && (err != nil || d.Digest != img.desc.Digest) {
				t.Errorf("the tag after: %v, %v", d, err)
			}
			if d, err := c.Resolve(t.Context(), two); err != nil || d.Digest != img.desc.Digest {
				t.Errorf("the other tag: %v, %v", d, err)
			}
		})
	}
	t.Run("with tokens", func(t *testing.T) {
		t.Parallel()
		host := serve(t, &tokens{next: olaregHandler(t), noAnon: true})
		c := client(t, registry.Options{Credentials: give(registry.Credential{Username: user, Password: canary})})
		push(t, c, host+"/a/b:1", newImage(t, 10))
		if err := c.DeleteTag(t.Context(), name(t, host+"/a/b:1")); err != nil {
			t.Error(err)
		}
		img := newImage(t, 10)
		push(t, c, host+"/a/b:1", img)
		if _, _, err := c.Copy(t.Context(), name(t, host+"/a/b:1"), name(t, host+"/c/d:1")); err != nil {
			t.Error(err)
		}
	})
	t.Run("missing", func(t *testing.T) {
		t.Parallel()
		host := serve(t, olaregHandler(t))
		c := client(t, registry.Options{})
		if err := c.DeleteTag(t.Context(), name(t, host+"/a/b:1")); !errors.Is(err, fault.NotFound) {
			t.Error(err)
		}
		img := newImage(t, 10)
		push(t, c, host+"/a/b:1", img)
		if err := c.DeleteTag(t.Context(), name(t, host+"/a/b@"+img.desc.Digest.String())); !errors.Is(err, fault.Usage) {
			t.Error(err)
		}
		moved := name(t, host+"/a/b:1")
		moved.Digest = newImage(t, 10).desc.Digest
		if err := c.DeleteTag(t.Context(), moved); !errors.Is(err, fault.Conflict) {
			t.Error(err)
		}
	})
}

// pagesOf is a registry whose lists are cut into pages by a token of its own.
func pagesOf(field string, all []string, n int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var at int
		_, _ = fmt.Sscan(r.URL.Query().Get("next_page"), &at)
		end := min(at+n, len(all))
		if end < len(all) {
			w.Header().Set("Link", fmt.Sprintf(`<%s?next_page=%d>; rel="next"`, r.URL.Path, end))
		}
		_, _ = fmt.Fprintf(w, `{"name":"a/b",%q:["%s"]}`, field, strings.Join(all[at:end], `","`))
	})
}

func TestTags(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 2500 {
		many = append(many, fmt.Sprintf("v%04d", i))
	}
	circle := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", fmt.Sprintf(`<%s?last=x>; rel="next"`, r.URL.Path))
		_, _ = fmt.Fprint(w, `{"tags":["x"]}`)
	})
	var n int
	var mu sync.Mutex
	endless := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n++
		w.Header().Set("Link", fmt.Sprintf(`<%s?last=%d>; rel="next"`, r.URL.Path, n))
		mu.Unlock()
		_, _ = fmt.Fprint(w, `{"tags":["x"]}`)
	})
	million := []byte(`{"tags":["` + strings.Repeat(strings.Repeat("x", 40)+`","`, 1_000_000) + `x"]}`)
	big := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(million) })
	for _, tt := range []struct {
		name    string
		handler http.Handler
		tags    []string
		want    error
	}{
		{"one page", pagesOf("tags", many[:5], 10), many[:5], nil},
		{"many pages", pagesOf("tags", many, 100), many, nil},
		{"null", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"tags":null}`) }), nil, nil},
		{"hostile names", pagesOf("tags", []string{"ok", "../x", `\u001b[31m`, "a b", "", strings.Repeat("x", 129), "-x"}, 10), []string{"ok"}, nil},
		{"circle", circle, nil, fault.Invalid},
		{"endless", endless, nil, fault.Limit},
		{"a million in one page", big, nil, fault.Limit},
		{"not JSON", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `<html>`) }), nil, fault.Invalid},
		{"missing", http.NotFoundHandler(), nil, fault.NotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := client(t, registry.Options{Timeouts: quick()})
			var tags []string
			err := c.Tags(t.Context(), serve(t, tt.handler), "a/b", func(page []string) error {
				tags = append(tags, page...)
				return nil
			})
			if !errors.Is(err, tt.want) || tt.want == nil && !slices.Equal(tags, tt.tags) {
				t.Errorf("got %d tags, %v; want %d, %v", len(tags), err, len(tt.tags), tt.want)
			}
		})
	}
	stop := errors.New("enough")
	c := client(t, registry.Options{})
	pages := 0
	if err := c.Tags(t.Context(), serve(t, pagesOf("tags", many, 100)), "a/b", func([]string) error {
		if pages++; pages == 3 {
			return fault.New(fault.Limit, "", "%w", stop)
		}
		return nil
	}); !errors.Is(err, stop) || pages != 3 {
		t.Errorf("%v after %d pages", err, pages)
	}
}

func TestRepositories(t *testing.T) {
	t.Parallel()
	all := []string{"acme", "acme/authz", "acme/deep/er", "acmeish/x", "other/y", "../z", "UPPER"}
	good := all[:5]
	for _, tt := range []struct {
		name    string
		handler http.Handler
		prefix  string
		repos   []string
		want    error
	}{
		{"all", pagesOf("repositories", all, 2), "", good, nil},
		{"below", pagesOf("repositories", all, 3), "acme", all[:3], nil},
		{"below, slash", pagesOf("repositories", all, 3), "acme/", all[:3], nil},
		{"tokens", &tokens{next: pagesOf("repositories", all, 100), noAnon: true}, "", good, nil},
		{"404", http.NotFoundHandler(), "", nil, fault.Usage},
		{"405", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(405) }), "", nil, fault.Usage},
		{"501", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(501) }), "", nil, fault.Usage},
		{"403", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }), "", nil, fault.Denied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := client(t, registry.Options{Timeouts: quick(), Credentials: give(registry.Credential{Username: user, Password: canary})})
			host := serve(t, tt.handler)
			var repos []string
			err := c.Repositories(t.Context(), host, tt.prefix, func(page []string) error {
				repos = append(repos, page...)
				return nil
			})
			if !errors.Is(err, tt.want) || tt.want == nil && !slices.Equal(repos, tt.repos) {
				t.Errorf("got %q, %v; want %q, %v", repos, err, tt.repos, tt.want)
			}
			if errors.Is(tt.want, fault.Usage) && !strings.Contains(fault.Of(err).Hint, "policy tags "+host+"/ORG/NAME") {
				t.Errorf("hint %q", fault.Of(err).Hint)
			}
		})
	}
	c := client(t, registry.Options{})
	if err := c.Repositories(t.Context(), "public.ecr.aws", "acme", nil); !errors.Is(err, fault.Usage) {
		t.Errorf("public.ecr.aws: %v", err)
	}
}

// TestAllow: the gate sees each request, by the names of the reference, and
// what it refuses is not sent.
func TestAllow(t *testing.T) {
	t.Parallel()
	host := serve(t, olaregHandler(t))
	img := newImage(t, 10)
	push(t, client(t, registry.Options{}), host+"/dev/authz:1", img)
	refused := fault.New(fault.Denied, "", "not granted")
	var mu sync.Mutex
	seen := map[string]bool{}
	c := client(t, registry.Options{Allow: func(method, h, repository string) error {
		mu.Lock()
		defer mu.Unlock()
		if h != host {
			t.Errorf("asked about %s", h)
		}
		seen[method+" "+repository] = true
		if repository == "dev/authz" && method != http.MethodGet && method != http.MethodHead {
			return refused
		}
		return nil
	}})
	if _, _, err := c.Copy(t.Context(), name(t, host+"/dev/authz:1"), name(t, host+"/prod/authz:1")); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteTag(t.Context(), name(t, host+"/dev/authz:1")); !errors.Is(err, fault.Denied) {
		t.Fatal(err)
	}
	other := newImage(t, 11)
	if _, err := c.Push(t.Context(), name(t, host+"/dev/authz:1"), other.manifest, other.desc, other); !errors.Is(err, fault.Denied) || !errors.Is(err, refused.Err) {
		t.Fatal(err)
	}
	if d, err := c.Resolve(t.Context(), name(t, host+"/dev/authz:1")); err != nil || d.Digest != img.desc.Digest {
		t.Error(d, err)
	}
	for _, want := range []string{"GET dev/authz", "HEAD prod/authz", "POST prod/authz", "PUT prod/authz", "DELETE dev/authz"} {
		if !seen[want] {
			t.Errorf("%s was not asked; %v", want, seen)
		}
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	ref := serve(t, olaregHandler(t)) + "/a/b:1"
	img := newImage(t, layerSize)
	var mu sync.Mutex
	states := map[string][]string{}
	last := map[artifact.Digest]int64{}
	c := client(t, registry.Options{Progress: func(_ context.Context, x registry.Transfer) {
		mu.Lock()
		defer mu.Unlock()
		if x.Name != name(t, ref) || x.Done > x.Total || x.Done < last[x.Digest] {
			t.Errorf("%+v after %d", x, last[x.Digest])
		}
		last[x.Digest] = x.Done
		if x.Digest == img.layer.Digest && (x.State != "progress" || !slices.Contains(states[x.Direction], "progress")) {
			states[x.Direction] = append(states[x.Direction], x.State)
		}
	}})
	push(t, c, ref, img)
	clear(last)
	got := empty()
	if _, _, err := c.Pull(t.Context(), name(t, ref), got, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Pull(t.Context(), name(t, ref), got, nil); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"push": {"start", "progress", "done"}, "pull": {"start", "progress", "done", "exists"}}
	for k, v := range want {
		if !slices.Equal(states[k], v) {
			t.Errorf("%s: %q, want %q", k, states[k], v)
		}
	}
}

// TestMirror: reads go to the mirror and fall back, writes do not.
func TestMirror(t *testing.T) {
	t.Parallel()
	home, mirror := &faulty{next: olaregHandler(t)}, &faulty{next: olaregHandler(t)}
	homeHost, mirrorHost := serve(t, home), serve(t, mirror)
	c := client(t, registry.Options{Timeouts: quick(), Host: func(h string) registry.HostConfig {
		if h == homeHost {
			return registry.HostConfig{Mirror: mirrorHost}
		}
		return registry.HostConfig{}
	}})
	img := newImage(t, layerSize)
	ref := homeHost + "/a/b:1"
	push(t, c, ref, img)
	if len(mirror.requests) != 0 {
		t.Errorf("a push asked the mirror: %q", mirror.requests)
	}
	pull := func() {
		t.Helper()
		got := empty()
		if _, _, err := c.Pull(t.Context(), name(t, ref), got, nil); err != nil {
			t.Fatal(err)
		}
		sameImage(t, got, img)
	}
	pull() // the mirror lacks it
	push(t, client(t, registry.Options{}), mirrorHost+"/a/b:1", img)
	home.mu.Lock()
	home.requests = nil
	home.mu.Unlock()
	pull()
	if len(home.requests) != 0 {
		t.Errorf("with a mirror the registry was asked: %q", home.requests)
	}
	mirror.mu.Lock()
	mirror.match, mirror.times, mirror.do = any1, -1, status(503)
	mirror.mu.Unlock()
	pull() // the mirror is out of order
}
