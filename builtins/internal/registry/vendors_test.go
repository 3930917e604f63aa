package registry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policyhost/policy/builtins/internal/registry"
	"github.com/policyhost/policy/runtime/fault"
)

// cloud is a vendor on loopback: an independent registry, and the vendor's own
// API as its documents describe it. The files named *_test.go for a vendor hold
// the API; they were written from the documents.
type cloud struct {
	t      testing.TB
	store  http.Handler // the registry itself
	mux    *http.ServeMux
	host   string
	vendor string
	api    string // path of the API, "" where it is not configured
	cred   registry.Credential

	deletes bool // the registry deletes over the wire
	mu      sync.Mutex
	calls   []string // requests to the API
}

func newCloud(t testing.TB, vendor, api string) *cloud {
	c := &cloud{t: t, store: olaregHandler(t), mux: http.NewServeMux(), vendor: vendor, api: api,
		cred: registry.Credential{Username: user, Password: canary}}
	c.mux.HandleFunc("/v2/{rest...}", c.distribution)
	c.host = serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v2/") || strings.HasPrefix(r.URL.Path, "/v2/namespaces") || strings.HasPrefix(r.URL.Path, "/v2/repositories") || strings.HasPrefix(r.URL.Path, "/v2/auth") {
			c.mu.Lock()
			c.calls = append(c.calls, r.Method+" "+r.URL.RequestURI())
			c.mu.Unlock()
		}
		w.Header().Set("Content-Type", "application/json")
		c.mux.ServeHTTP(w, r)
	}))
	return c
}

func (c *cloud) distribution(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodDelete && !c.deletes {
		problem(w, http.StatusMethodNotAllowed, `{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}`)
		return
	}
	w.Header().Del("Content-Type")
	c.store.ServeHTTP(w, r)
}

func problem(w http.ResponseWriter, code int, body string) {
	w.WriteHeader(code)
	_, _ = fmt.Fprint(w, body)
}

// within asks the registry itself, as the vendor does behind its API.
func (c *cloud) within(method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json")
	c.store.ServeHTTP(w, r)
	return w
}

func (c *cloud) tags(repository string) []string {
	var list struct{ Tags []string }
	_ = json.Unmarshal(c.within(http.MethodGet, "/v2/"+repository+"/tags/list").Body.Bytes(), &list)
	slices.Sort(list.Tags)
	return list.Tags
}

func (c *cloud) client() *registry.Client { return c.clientThat(nil) }

// clientThat may do what allow lets it.
func (c *cloud) clientThat(allow func(method, host, repository string) error) *registry.Client {
	log := &lockedBuffer{}
	c.t.Cleanup(func() {
		if text := log.String(); strings.Contains(text, canary) || strings.Contains(text, "eyJh.short.lived") {
			c.t.Errorf("a secret is in the log: %s", text)
		}
	})
	debug := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return client(c.t, registry.Options{Allow: allow, Timeouts: quick(), Log: debug, Credentials: give(c.cred), Host: func(host string) registry.HostConfig {
		if host != c.host {
			return registry.HostConfig{}
		}
		conf := registry.HostConfig{Vendor: c.vendor}
		if c.api != "" {
			conf.API = "http://" + c.host + strings.TrimSuffix(c.api, "/")
		}
		return conf
	}})
}

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// called gives the requests to the API since the last time.
func (c *cloud) called() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = nil
	return calls
}

// onlyReads is the gate of a dry run.
func onlyReads(method, host, repository string) error {
	if method != http.MethodGet && method != http.MethodHead {
		return fault.New(fault.Denied, host+"/"+repository, "%s in a dry run", method)
	}
	return nil
}

// lists fails the test unless prefix has these repositories, and they can be
// listed by nothing but reading.
func (c *cloud) lists(prefix string, want ...string) {
	c.t.Helper()
	var got []string
	err := c.clientThat(onlyReads).Repositories(c.t.Context(), c.host, prefix, func(page []string) error {
		got = append(got, page...)
		return nil
	})
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) {
		c.t.Errorf("below %q: %q, %v; want %q\n%s", prefix, got, err, want, strings.Join(c.called(), "\n"))
	}
}

// is fails the test unless err has the kind, and its text and hint all parts.
func is(t testing.TB, err, kind error, parts ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("got %v, want %v", err, kind)
		return
	}
	text := err.Error() + "\n" + fault.Of(err).Hint
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is not in: %s", p, text)
		}
	}
	if strings.Contains(text, canary) {
		t.Errorf("the secret is in: %s", text)
	}
}

// linked answers with a page of items and the address of the next in Link.
func linked(w http.ResponseWriter, r *http.Request, items []any, size string) {
	per, err := strconv.Atoi(r.URL.Query().Get(size))
	if err != nil {
		per = 30
	}
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	page = max(page, 1)
	at := min((page-1)*per, len(items))
	end := min(at+per, len(items))
	if end < len(items) {
		u := *r.URL
		q := u.Query()
		q.Set("page", strconv.Itoa(page+1))
		u.RawQuery = q.Encode()
		w.Header().Set("Link", fmt.Sprintf(`<http://%s%s>; rel="next", <http://%s%s>; rel="last"`, r.Host, u.RequestURI(), r.Host, u.RequestURI()))
	}
	_ = json.NewEncoder(w).Encode(slices.Concat([]any{}, items[at:end]))
}

// needsToken answers 401 with body unless the request has the header.
func needsToken(header, value, body string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(header) != value {
			problem(w, http.StatusUnauthorized, body)
			return
		}
		next(w, r)
	}
}

// names are n names below a prefix, sorted.
func names(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%s%04d", prefix, i))
	}
	return all
}

func TestVendors(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"docker.io": "dockerhub", "ghcr.io": "github", "registry.gitlab.com": "gitlab", "quay.io": "quay",
		"public.ecr.aws": "ecr-public", "123456789012.dkr.ecr.eu-west-1.amazonaws.com": "ecr", "gcr.io": "google", "eu.gcr.io": "google",
		"europe-docker.pkg.dev": "google", "acme.azurecr.io": "acr", "opcr.io": "aserto", "registry.digitalocean.com": "digitalocean",
		"registry.example.com": "", "notghcr.io": "", "ghcr.io.example.com": "",
	} {
		if got := registry.VendorOf(host); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
	for _, name := range []string{"harbor", "distribution", "zot"} {
		if !slices.Contains(registry.Vendors(), name) {
			t.Errorf("no row %s", name)
		}
	}
}

// TestRateLimits: every documented way to say "not now" leads to one fault that
// says when, without a wait that is sure to be in vain.
func TestRateLimits(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).Unix(), 10) }
	for _, tt := range []struct {
		name    string
		status  int
		headers []string
		says    string
		tries   int
	}{
		{"Docker Hub's registry", 429, []string{"ratelimit-limit", "100;w=21600", "ratelimit-remaining", "0;w=21600", "docker-ratelimit-source", "192.0.2.1"}, "it allows 100 in 6h", 1},
		{"Docker Hub's API", 429, []string{"X-RateLimit-Limit", "180", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", in(time.Hour), "X-Retry-After", in(time.Hour)}, "come back in ", 1},
		{"GitHub", 403, []string{"x-ratelimit-limit", "5000", "x-ratelimit-remaining", "0", "x-ratelimit-reset", in(40 * time.Minute), "x-ratelimit-resource", "core"}, "come back in ", 1},
		{"GitHub, secondary", 403, []string{"retry-after", "1"}, "come back in 1s", 2},
		{"GitLab", 429, []string{"RateLimit-Limit", "60", "RateLimit-Remaining", "0", "RateLimit-Reset", in(time.Hour), "Retry-After", "3600"}, "come back in ", 1},
		{"seconds", 429, []string{"Retry-After", "1"}, "come back in 1s", 2},
		{"nothing", 429, nil, "too many requests", 6},
		{"nonsense", 429, []string{"RateLimit-Remaining", "none", "RateLimit-Limit", "-1;w=x", "X-Retry-After", "soon", "Retry-After", "?"}, "too many requests", 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := &faulty{times: -1, match: func(*http.Request) bool { return true }, do: func(_ *faulty, w http.ResponseWriter, _ *http.Request) {
				for i := 0; i < len(tt.headers); i += 2 {
					w.Header().Set(tt.headers[i], tt.headers[i+1])
				}
				problem(w, tt.status, `{"message":"API rate limit exceeded"}`)
			}}
			host := f.stand(t)
			err := client(t, registry.Options{Timeouts: quick()}).Tags(t.Context(), host, "acme/authz", nil)
			is(t, err, fault.Unavailable, tt.says, "too many requests", "policy login -s "+host)
			if f.hits() != tt.tries {
				t.Errorf("%d tries, want %d", f.hits(), tt.tries)
			}
		})
	}
	t.Run("no right is no limit", func(t *testing.T) {
		t.Parallel()
		host := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-RateLimit-Remaining", "4999")
			w.Header().Set("X-RateLimit-Reset", in(time.Hour))
			w.WriteHeader(http.StatusForbidden)
		}))
		is(t, client(t, registry.Options{}).Tags(t.Context(), host, "acme/authz", nil), fault.Denied)
	})
}

// TestListsThatAreNone: what a list is called does not matter, what it is does.
func TestListsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ contentType, body, says string }{
		{"text/plain", `{"repositories":["a/b"],"tags":["a"]}`, ""},
		{"", `{"repositories":["a/b"],"tags":["a"]}`, ""},
		{"text/html", "\n<!doctype html><title>Sign in</title>", "a web page in place of its list of "},
		{"application/json", "", "nothing in place of its list of "},
		{"application/json", `{"repositories":{},"tags":7}`, "is not what it should be"},
		{"application/json", `{"repositories":["a"`, "is not what it should be"},
	} {
		t.Run(tt.contentType+tt.body, func(t *testing.T) {
			t.Parallel()
			host := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{tt.contentType}
				_, _ = fmt.Fprint(w, tt.body)
			}))
			c := client(t, registry.Options{})
			n := 0
			yield := func(page []string) error { n += len(page); return nil }
			for what, err := range map[string]error{
				"tags":         c.Tags(t.Context(), host, "a/b", yield),
				"repositories": c.Repositories(t.Context(), host, "", yield),
			} {
				if tt.says == "" && err != nil {
					t.Error(what, err)
				} else if tt.says != "" {
					is(t, err, fault.Invalid, tt.says)
				}
			}
			if tt.says == "" && n != 2 {
				t.Errorf("%d entries", n)
			}
		})
	}
}

// TestAPIStaysPut: an API does not send credentials, or us, anywhere else.
func TestAPIStaysPut(t *testing.T) {
	t.Parallel()
	var leaked []string
	elsewhere := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { leaked = append(leaked, r.URL.Path) }))
	for name, answer := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+elsewhere+"/steal", http.StatusTemporaryRedirect)
		},
		"link": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", `<http://`+elsewhere+`/steal>; rel="next"`)
			_, _ = fmt.Fprint(w, `[]`)
		},
	} {
		for _, vendor := range []string{"github", "gitlab", "harbor"} {
			c := newCloud(t, vendor, "/api/")
			c.mux.HandleFunc("/api/", answer)
			err := c.client().Repositories(t.Context(), c.host, "acme", func([]string) error { return nil })
			if is(t, err, fault.Denied, "asked for something unsafe"); len(leaked) > 0 {
				t.Errorf("%s, %s: %q", name, vendor, leaked)
			}
		}
	}
}

func TestAPIUnknown(t *testing.T) {
	t.Parallel()
	c := client(t, registry.Options{Host: func(string) registry.HostConfig { return registry.HostConfig{Vendor: "gitlab"} }})
	err := c.Repositories(t.Context(), "registry.example.com", "acme", nil)
	is(t, err, fault.Usage, "address of its API", `registries: {"registry.example.com": {vendor: gitlab, api: https://`)
}

// FuzzQuota: whatever a server says of its limits, no wait is negative.
func FuzzQuota(f *testing.F) {
	f.Add("100;w=21600", "0;w=21600", "", "")
	f.Add("5000", "0", "1790000000", "1790000000")
	f.Add("-1", "0", "99999999999999999999", "-5")
	now := time.Unix(1780000000, 0)
	f.Fuzz(func(t *testing.T, limit, remaining, reset, after string) {
		h := http.Header{}
		for name, value := range map[string]string{"RateLimit-Limit": limit, "X-RateLimit-Remaining": remaining, "RateLimit-Reset": reset, "X-Retry-After": after} {
			h.Set(name, value)
		}
		if r, w, _ := registry.Quota(h, now); r < 0 || w < 0 {
			t.Errorf("reset %v, window %v", r, w)
		}
	})
}
