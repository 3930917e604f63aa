package registry_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/policyhost/policy/builtins/internal/registry"
	"github.com/policyhost/policy/runtime/fault"
)

// TestRedirectKeepsTheCredential: content may be elsewhere, the Authorization
// stays with the registry, also on another port of the same host.
func TestRedirectKeepsTheCredential(t *testing.T) {
	t.Parallel()
	next := olaregHandler(t)
	var mu sync.Mutex
	var seen []string
	cdn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Method+" "+r.Header.Get("Authorization")+r.Header.Get("Cookie"))
		mu.Unlock()
		next.ServeHTTP(w, r)
	}))
	t.Cleanup(cdn.Close)
	f := &faulty{times: -1, match: pullsLayer, do: func(_ *faulty, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, cdn.URL+r.URL.Path+"?signature=s1gn4tur3", http.StatusTemporaryRedirect)
	}}
	f.next = next
	ref := serve(t, basicAuth(f)) + "/acme/authz:1"
	c := client(t, registry.Options{Credentials: give(registry.Credential{Username: user, Password: canary}), Log: logged(t)})
	img := newImage(t, layerSize)
	push(t, c, ref, img)
	got := empty()
	if _, _, err := c.Pull(t.Context(), name(t, ref), got, nil); err != nil {
		t.Fatal(err)
	}
	sameImage(t, got, img)
	if len(seen) != 1 || seen[0] != "GET " {
		t.Errorf("the other server saw %q", seen)
	}
}

// TestRefusedRedirects: where no registry sends anybody.
func TestRefusedRedirects(t *testing.T) {
	t.Parallel()
	for _, to := range []string{
		"http://169.254.169.254/latest/meta-data/", "http://[::ffff:169.254.169.254]/", "http://[fe80::1]/", "http://0.0.0.0:%s/", "http://[::]:%s/",
		"http://100.100.100.200/", "http://[fd00:ec2::254]/", "ftp://127.0.0.1/", "file:///etc/passwd", "http://user:pw@127.0.0.1:%s/", "http:///x", "://",
	} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			port := canaryServer(t).URL
			port = port[strings.LastIndexByte(port, ':')+1:]
			target := to
			if strings.Contains(to, "%s") {
				target = fmt.Sprintf(to, port)
			}
			f := &faulty{next: olaregHandler(t), times: -1, do: func(_ *faulty, w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", target)
				w.WriteHeader(http.StatusFound)
			}}
			ref := serve(t, f) + "/acme/authz:1"
			c := client(t, registry.Options{Timeouts: quick()})
			push(t, c, ref, newImage(t, 10))
			f.mu.Lock()
			f.match = pullsLayer
			f.mu.Unlock()
			_, _, err := c.Pull(t.Context(), name(t, ref), empty(), nil)
			if !errors.Is(err, fault.Denied) && !errors.Is(err, fault.Invalid) {
				t.Errorf("got %v", err)
			}
			if n := f.hits(); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

func TestEndlessRedirect(t *testing.T) {
	t.Parallel()
	f := &faulty{times: -1, match: any1, do: func(_ *faulty, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
	}}
	c := client(t, registry.Options{})
	_, err := c.Resolve(t.Context(), name(t, serve(t, f)+"/acme/authz:1"))
	if !errors.Is(err, fault.Denied) || f.hits() > 10 {
		t.Errorf("%v after %d", err, f.hits())
	}
}

// TestRealmElsewhere: credentials do not follow a realm to another origin, and
// neither does a request without any.
func TestRealmElsewhere(t *testing.T) {
	t.Parallel()
	for _, cred := range []registry.Credential{{}, {Username: user, Password: canary}, {IdentityToken: identity}} {
		for _, realm := range []string{"", "http://localhost:%s/token", "https://evil.example/token", "https://gitlab.com/jwt/auth", "//evil.example/t", "https://user:pw@127.0.0.1:%s/"} {
			t.Run(realm, func(t *testing.T) {
				t.Parallel()
				evil := canaryServer(t)
				port := evil.URL[strings.LastIndexByte(evil.URL, ':')+1:]
				s := &tokens{next: olaregHandler(t), realm: func(string) string {
					switch {
					case realm == "":
						return evil.URL + "/token"
					case strings.Contains(realm, "%s"):
						return fmt.Sprintf(realm, port)
					}
					return realm
				}}
				c := client(t, registry.Options{Timeouts: quick(), Credentials: give(cred), Log: logged(t)})
				_, err := c.Resolve(t.Context(), name(t, serve(t, s)+"/acme/authz:1"))
				if !errors.Is(err, fault.Denied) {
					t.Fatalf("got %v", err)
				}
				if h := fault.Of(err).Hint; strings.HasPrefix(realm, "https://evil") != strings.Contains(h, "token_hosts: [evil.example]") {
					t.Errorf("hint %q", h)
				}
			})
		}
	}
}

// TestNamedTokenHost: a token server elsewhere that the user named is used.
func TestNamedTokenHost(t *testing.T) {
	t.Parallel()
	s := &tokens{next: olaregHandler(t)}
	server := httptest.NewTLSServer(s)
	t.Cleanup(server.Close)
	s.realm = func(string) string { return server.URL + "/token" }
	host := serve(t, s)
	c := client(t, registry.Options{
		Credentials: give(registry.Credential{Username: user, Password: canary}),
		Host: func(h string) registry.HostConfig {
			return registry.HostConfig{Insecure: h != host, TokenHosts: []string{strings.TrimPrefix(server.URL, "https://")}}
		},
	})
	push(t, c, host+"/acme/authz:1", newImage(t, 10))
}

// TestUploadElsewhere: an upload goes to another host only over https and when
// that host is named, and then without the registry's credentials.
func TestUploadElsewhere(t *testing.T) {
	t.Parallel()
	next := olaregHandler(t)
	moved := func(to string) http.Handler {
		return basicAuth(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost {
				next.ServeHTTP(w, r)
				return
			}
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			for k, v := range rec.Header() {
				w.Header()[k] = v
			}
			u, _ := url.Parse(rec.Header().Get("Location"))
			base, _ := url.Parse(to)
			u.Scheme, u.Host = base.Scheme, base.Host
			w.Header().Set("Location", u.String())
			w.WriteHeader(rec.Code)
		}))
	}
	uploads := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := r.Header.Get("Authorization"); a != "" {
			t.Errorf("Authorization %q", a)
		}
		next.ServeHTTP(w, r)
	}))
	t.Cleanup(uploads.Close)
	plain := canaryServer(t)
	elsewhere := strings.TrimPrefix(uploads.URL, "https://")
	for _, tt := range []struct {
		name  string
		to    string
		named []string
		want  error
	}{
		{"named", uploads.URL, []string{elsewhere}, nil},
		{"not named", canaryServer(t).URL, nil, fault.Denied},
		{"another named", canaryServer(t).URL, []string{elsewhere}, fault.Denied},
		{"plain", plain.URL, []string{strings.TrimPrefix(plain.URL, "http://")}, fault.Denied},
		{"metadata", "https://169.254.169.254", []string{"169.254.169.254"}, fault.Denied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			host := serve(t, moved(tt.to))
			c := client(t, registry.Options{
				Timeouts: quick(), Credentials: give(registry.Credential{Username: user, Password: canary}),
				Host: func(h string) registry.HostConfig {
					return registry.HostConfig{Insecure: h == elsewhere, UploadHosts: tt.named}
				},
			})
			img := newImage(t, 5000)
			_, err := c.Push(t.Context(), name(t, host+"/acme/authz:1"), img.manifest, img.desc, img)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// TestListElsewhere: the next page of a list is the registry's own.
func TestListElsewhere(t *testing.T) {
	t.Parallel()
	evil := canaryServer(t)
	host := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "<"+evil.URL+"/v2/a/b/tags/list?last=x>; rel=\"next\"")
		_, _ = w.Write([]byte(`{"name":"a/b","tags":["x"],"repositories":["x"]}`))
	}))
	c := client(t, registry.Options{})
	yield := func([]string) error { return nil }
	if err := c.Tags(t.Context(), host, "a/b", yield); !errors.Is(err, fault.Denied) {
		t.Errorf("tags: %v", err)
	}
	if err := c.Repositories(t.Context(), host, "", yield); !errors.Is(err, fault.Denied) {
		t.Errorf("repositories: %v", err)
	}
}

func TestMayIssueTokens(t *testing.T) {
	t.Parallel()
	named := registry.HostConfig{TokenHosts: []string{"auth.example.com", "sso.example.com:8443"}}
	for _, tt := range []struct {
		registry, realm string
		conf            registry.HostConfig
		want            bool
	}{
		{"docker.io", "https://auth.docker.io/token", registry.HostConfig{}, true},
		{"docker.io", "https://registry-1.docker.io/token", registry.HostConfig{}, true},
		{"docker.io", "http://auth.docker.io/token", registry.HostConfig{}, false},
		{"docker.io", "https://auth.docker.io:8443/token", registry.HostConfig{}, false},
		{"docker.io", "https://auth.docker.io.evil.example/token", registry.HostConfig{}, false},
		{"registry.gitlab.com", "https://gitlab.com/jwt/auth", registry.HostConfig{}, true},
		{"ghcr.io", "https://ghcr.io/token", registry.HostConfig{}, true},
		{"ghcr.io", "https://GHCR.io:443/token", registry.HostConfig{}, true},
		{"ghcr.io", "http://ghcr.io/token", registry.HostConfig{}, false},
		{"ghcr.io", "https://jo:pw@ghcr.io/token", registry.HostConfig{}, false},
		{"gitlab.example.com:5050", "https://gitlab.example.com/jwt/auth", registry.HostConfig{}, true},
		{"registry.example.com", "https://gitlab.example.com/jwt/auth", registry.HostConfig{}, false},
		{"registry.example.com", "https://auth.example.com/token", named, true},
		{"registry.example.com", "https://sso.example.com:8443/token", named, true},
		{"registry.example.com", "https://sso.example.com/token", named, false},
		{"registry.example.com", "http://auth.example.com/token", named, false},
		{"10.0.0.1:5000", "https://10.0.0.1:5001/token", registry.HostConfig{}, false},
		{"127.0.0.1:5000", "http://127.0.0.1:5001/token", registry.HostConfig{}, false},
		{"127.0.0.1:5000", "http://127.0.0.1:5000/token", registry.HostConfig{}, true},
		{"127.0.0.1:5000", "http://localhost:5000/token", registry.HostConfig{}, false},
	} {
		if got := registry.MayIssueTokens(tt.registry, tt.realm, tt.conf); got != tt.want {
			t.Errorf("%s to %s: %v", tt.registry, tt.realm, got)
		}
	}
}

func TestMayGo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		registry, from, to string
		want               bool
	}{
		{"ghcr.io", "https://ghcr.io/x", "https://cdn.example/y", true},
		{"ghcr.io", "https://ghcr.io/x", "https://10.0.0.7/y", true}, // object stores beside a registry
		{"ghcr.io", "https://ghcr.io/x", "http://cdn.example/y", false},
		{"ghcr.io", "https://ghcr.io/x", "https://127.0.0.1/y", false},
		{"ghcr.io", "https://ghcr.io/x", "https://[::1]/y", false},
		{"ghcr.io", "https://ghcr.io/x", "https://[::ffff:127.0.0.1]/y", false},
		{"ghcr.io", "https://ghcr.io/x", "https://localhost/y", false},
		{"ghcr.io", "https://ghcr.io/x", "https://registry.localhost/y", false},
		{"ghcr.io", "https://ghcr.io/x", "https://169.254.169.254/y", false},
		{"ghcr.io", "https://ghcr.io/x", "https://0.0.0.0/y", false},
		{"127.0.0.1:5000", "http://127.0.0.1:5000/x", "http://127.0.0.1:6000/y", true},
		{"127.0.0.1:5000", "http://127.0.0.1:5000/x", "http://169.254.169.254/y", false},
	} {
		if err := registry.MayGo(tt.registry, tt.from, tt.to); (err == nil) != tt.want {
			t.Errorf("%s: %s to %s: %v", tt.registry, tt.from, tt.to, err)
		}
	}
	for address, want := range map[string]bool{
		"127.0.0.1:443": false, "[::1]:443": false, "169.254.169.254:80": false, "[fe80::1%eth0]:80": false, "0.0.0.0:80": false,
		"[::ffff:169.254.169.254]:80": false, "[fd00:ec2::254]:80": false, "93.184.216.34:443": true, "10.1.2.3:443": true, "nonsense": false,
	} {
		if err := registry.MayDial(address); (err == nil) != want {
			t.Errorf("dial %s: %v", address, err)
		}
	}
}
