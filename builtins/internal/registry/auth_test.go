package registry_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/policyhost/policy/builtins/internal/registry"
	"github.com/policyhost/policy/runtime/fault"
)

const (
	canary   = "c4n4ry-s3cr3t"
	user     = "jo"
	identity = "1d3nt1ty-c4n4ry"
)

// tokens is a registry that wants tokens, with its token server beside it.
type tokens struct {
	next    http.Handler
	realm   func(host string) string // nil: the registry itself
	expires int
	uses    int // requests a token is good for; 0: any number

	used map[string]int

	mu      sync.Mutex
	valid   map[string][]string // token: scopes
	issued  int
	revoke  func(r *http.Request) bool // forget all tokens before this request, once
	scopes  []string
	noAnon  bool
	barred  bool // nobody gets a token any more
	forms   []url.Values
	queries []url.Values
}

func (s *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		s.issue(w, r)
		return
	}
	s.mu.Lock()
	if s.revoke != nil && s.revoke(r) {
		s.revoke = nil
		clear(s.valid)
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	got, ok := s.valid[token]
	if s.used == nil {
		s.used = map[string]int{}
	}
	if s.used[token]++; s.uses > 0 && s.used[token] > s.uses {
		delete(s.valid, token)
		ok = false
	}
	s.mu.Unlock()
	want := scopeOf(r)
	if ok && (want == "" || slices.ContainsFunc(got, func(s string) bool { return covers(s, want) })) {
		s.next.ServeHTTP(w, r)
		return
	}
	realm := "http://" + r.Host + "/token"
	if s.realm != nil {
		realm = s.realm(r.Host)
	}
	challenge := fmt.Sprintf(`Bearer realm=%q,service="test"`, realm)
	if want != "" {
		challenge += fmt.Sprintf(",scope=%q", want)
	}
	w.Header().Set("WWW-Authenticate", challenge)
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
}

func scopeOf(r *http.Request) string {
	if r.URL.Path == "/v2/_catalog" {
		return "registry:catalog:*"
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/v2/")
	if !ok || rest == "" {
		return ""
	}
	for _, p := range []string{"/manifests/", "/blobs/", "/tags/"} {
		if repo, _, ok := strings.Cut(rest, p); ok {
			action := "pull"
			switch r.Method {
			case http.MethodGet, http.MethodHead:
			case http.MethodDelete:
				action = "delete"
			default:
				action = "push"
			}
			return "repository:" + repo + ":" + action
		}
	}
	return ""
}

func covers(have, want string) bool {
	i := strings.LastIndexByte(want, ':')
	return strings.HasPrefix(have, want[:i+1]) && slices.Contains(strings.Split(have[i+1:], ","), want[i+1:])
}

func (s *tokens) issue(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	s.mu.Lock()
	defer s.mu.Unlock()
	var scopes []string
	u, p, basic := r.BasicAuth()
	if r.Method == http.MethodPost {
		s.forms = append(s.forms, r.PostForm)
		scopes = strings.Fields(r.PostForm.Get("scope"))
		basic, u, p = true, user, map[bool]string{true: canary}[r.PostForm.Get("refresh_token") == identity]
	} else {
		s.queries = append(s.queries, r.URL.Query())
		scopes = r.URL.Query()["scope"]
	}
	if s.barred || basic && (u != user || p != canary) || !basic && s.noAnon {
		w.WriteHeader(http.StatusUnauthorized)
		// A token server that echoes what it was sent.
		_, _ = fmt.Fprintf(w, `{"details":"wrong: %s %s %s"}`, p, r.Header.Get("Authorization"), r.PostForm.Encode())
		return
	}
	s.issued++
	token := fmt.Sprintf("t0k3n-c4n4ry-%d", s.issued)
	if s.valid == nil {
		s.valid = map[string][]string{}
	}
	s.valid[token] = scopes
	s.scopes = append(s.scopes, scopes...)
	_ = json.NewEncoder(w).Encode(map[string]any{"token": token, "expires_in": s.expires})
}

func give(c registry.Credential) func(context.Context, string, string) (registry.Credential, error) {
	return func(context.Context, string, string) (registry.Credential, error) { return c, nil }
}

// logged collects what is logged, for the secrets that must not be there.
func logged(t *testing.T) *slog.Logger {
	t.Helper()
	var mu sync.Mutex
	var b bytes.Buffer
	l := slog.New(slog.NewTextHandler(lockedWriter{&mu, &b}, &slog.HandlerOptions{Level: slog.LevelDebug - 8}))
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		noSecrets(t, "log", b.String())
		if b.Len() == 0 && !t.Failed() {
			t.Error("nothing was logged")
		}
	})
	return l
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func noSecrets(t *testing.T, where, s string) {
	t.Helper()
	for _, secret := range []string{canary, identity, "t0k3n-c4n4ry", base64.StdEncoding.EncodeToString([]byte(user + ":" + canary))} {
		if strings.Contains(s, secret) {
			t.Errorf("%s shows a secret: %s", where, s)
		}
	}
}

func basicAuth(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != user || p != canary {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = fmt.Fprintf(w, `{"errors":[{"code":"UNAUTHORIZED","message":"not %s"}]}`, r.Header.Get("Authorization"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	password := registry.Credential{Username: user, Password: canary}
	wrong := registry.Credential{Username: user, Password: canary + "x"}
	for _, tt := range []struct {
		name    string
		handler func(next http.Handler) http.Handler
		cred    registry.Credential
		want    error
	}{
		{"basic", basicAuth, password, nil},
		{"basic, wrong", basicAuth, wrong, fault.Denied},
		{"basic, none", basicAuth, registry.Credential{}, fault.Denied},
		{"basic, identity token only", basicAuth, registry.Credential{IdentityToken: identity}, fault.Denied},
		{"bearer", func(h http.Handler) http.Handler { return &tokens{next: h} }, password, nil},
		{"bearer, short-lived", func(h http.Handler) http.Handler { return &tokens{next: h, expires: 1} }, password, nil},
		{"bearer, wrong", func(h http.Handler) http.Handler { return &tokens{next: h} }, wrong, fault.Denied},
		{"bearer, anonymous", func(h http.Handler) http.Handler { return &tokens{next: h} }, registry.Credential{}, nil},
		{"bearer, anonymous not allowed", func(h http.Handler) http.Handler { return &tokens{next: h, noAnon: true} }, registry.Credential{}, fault.Denied},
		{"bearer, identity token", func(h http.Handler) http.Handler { return &tokens{next: h} }, registry.Credential{IdentityToken: identity}, nil},
		{"bearer, wrong identity token", func(h http.Handler) http.Handler { return &tokens{next: h} }, registry.Credential{IdentityToken: identity + "x"}, fault.Denied},
		{"registry token", func(h http.Handler) http.Handler {
			return &tokens{next: h, valid: map[string][]string{"t0k3n-c4n4ry-mine": {"repository:acme/authz:pull,push"}}}
		}, registry.Credential{RegistryToken: "t0k3n-c4n4ry-mine"}, nil},
		{"registry token, wrong", func(h http.Handler) http.Handler { return &tokens{next: h} }, registry.Credential{RegistryToken: "t0k3n-c4n4ry-none"}, fault.Denied},
		{"revoked at the layer", func(h http.Handler) http.Handler { return &tokens{next: h, revoke: pushesLayer} }, password, nil},
		{"revoked at the manifest", func(h http.Handler) http.Handler { return &tokens{next: h, revoke: pushesManifest} }, password, nil},
		{"revoked at the download", func(h http.Handler) http.Handler { return &tokens{next: h, revoke: pullsLayer} }, password, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ref := serve(t, tt.handler(olaregHandler(t))) + "/acme/authz:1"
			var asked sync.Map
			c := client(t, registry.Options{
				Timeouts: quick(), Log: logged(t),
				Credentials: func(_ context.Context, host, repository string) (registry.Credential, error) {
					if n, again := asked.LoadOrStore(host+" "+repository, 1); again {
						t.Errorf("asked %v again", n)
					}
					if repository != "acme/authz" || !strings.HasPrefix(ref, host+"/") {
						t.Errorf("asked for %q %q", host, repository)
					}
					return tt.cred, nil
				},
			})
			img := newImage(t, layerSize)
			_, err := c.Push(t.Context(), name(t, ref), img.manifest, img.desc, img)
			got := empty()
			if err == nil {
				_, _, err = c.Pull(t.Context(), name(t, ref), got, nil)
			}
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err != nil {
				noSecrets(t, "error", err.Error())
				f := fault.Of(err)
				if host := strings.Split(ref, "/")[0]; f.Hint != "policy login -s "+host+" -u USER" {
					t.Errorf("hint %q", f.Hint)
				}
				return
			}
			sameImage(t, got, img)
		})
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	good := registry.Credential{Username: user, Password: canary}
	for _, tt := range []struct {
		name    string
		handler http.Handler
		cred    registry.Credential
		want    error
	}{
		{"open registry", olaregHandler(t), good, nil},
		{"basic", basicAuth(olaregHandler(t)), good, nil},
		{"basic, wrong", basicAuth(olaregHandler(t)), registry.Credential{Username: user, Password: canary + "x"}, fault.Denied},
		{"bearer", &tokens{next: olaregHandler(t)}, good, nil},
		{"bearer, wrong", &tokens{next: olaregHandler(t)}, registry.Credential{Username: "ann", Password: canary}, fault.Denied},
		{"bearer, identity token", &tokens{next: olaregHandler(t)}, registry.Credential{IdentityToken: identity}, nil},
		{"broken", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }), good, fault.Unavailable},
		{"no registry", http.NotFoundHandler(), good, fault.NotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			host := serve(t, tt.handler)
			c := client(t, registry.Options{Timeouts: quick(), Log: logged(t)})
			err := c.Login(t.Context(), host, tt.cred)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err != nil {
				noSecrets(t, "error", err.Error())
				if !strings.Contains(err.Error(), host) {
					t.Errorf("%v does not name %s", err, host)
				}
			}
		})
	}
}

// TestHints: what a user can type next, at the registries users know.
func TestHints(t *testing.T) {
	t.Parallel()
	password := registry.Credential{Username: user, Password: canary}
	const ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
	for _, tt := range []struct {
		host string
		code int
		cred registry.Credential
		kind fault.Kind
		hint string
	}{
		{"ghcr.io", 403, password, fault.Denied, "the token needs the scopes read:packages write:packages delete:packages: policy login -s ghcr.io -u USER"},
		{"ghcr.io", 401, registry.Credential{}, fault.Denied, "policy login -s ghcr.io -u USER"},
		{ecr, 404, password, fault.NotFound, "aws ecr create-repository --repository-name acme/authz"},
		{ecr, 403, password, fault.Denied, "aws ecr get-login-password | policy login -s " + ecr + " -u AWS --password-stdin"},
		{"docker.io", 429, registry.Credential{}, fault.Unavailable, "registries allow more to those who log in: policy login -s docker.io -u USER"},
		{"docker.io", 403, password, fault.Denied, "policy login -s docker.io -u USER"},
		{"registry.example.com", 404, password, fault.NotFound, "create the repository there first, or see which there are: policy images --remote registry.example.com"},
		{"registry.example.com", 405, password, fault.Denied, "copy to a registry that does: policy copy IMAGE HOST/NAME:TAG"},
		{"registry.example.com", 413, password, fault.Limit, "the limit is set at registry.example.com, or at a proxy before it"},
		{"registry.example.com", 500, password, fault.Unavailable, "try again; to see what registry.example.com was asked and what it answered, add -vvv"},
		{"registry.example.com", 400, password, fault.Invalid, "to see what registry.example.com was asked and what it answered, add -vvv"},
	} {
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if tt.cred.Username != "" && r.Header.Get("Authorization") == "" {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			w.WriteHeader(tt.code)
		})
		c := client(t, registry.Options{Timeouts: quick(), Credentials: give(tt.cred), Embedded: map[string]http.Handler{tt.host: h}})
		img := newImage(t, 10)
		_, err := c.Push(t.Context(), name(t, tt.host+"/acme/authz:1"), img.manifest, img.desc, img)
		if f := fault.Of(err); f == nil || f.Kind != tt.kind || f.Hint != tt.hint {
			t.Errorf("%s %d: got %v, hint %q", tt.host, tt.code, err, f.Hint)
		}
	}
}

// TestOneToken: a push asks for one token that may push, a pull for none more.
func TestOneToken(t *testing.T) {
	t.Parallel()
	s := &tokens{next: olaregHandler(t)}
	ref := serve(t, s) + "/acme/authz:1"
	c := client(t, registry.Options{Credentials: give(registry.Credential{Username: user, Password: canary})})
	push(t, c, ref, newImage(t, 100))
	if s.issued != 1 || !slices.Equal(s.scopes, []string{"repository:acme/authz:pull,push"}) {
		t.Errorf("%d tokens for %q", s.issued, s.scopes)
	}
	if q := s.queries[0]; q.Get("service") != "test" || q.Get("account") != user {
		t.Errorf("asked %v", q)
	}
}

func TestCredentialIsNeverPrinted(t *testing.T) {
	t.Parallel()
	c := registry.Credential{Username: user, Password: canary, IdentityToken: identity, RegistryToken: "t0k3n-c4n4ry"}
	b, err := json.Marshal(map[string]any{"c": c})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "c", c, "p", &c)
	for _, s := range []string{
		fmt.Sprint(c), fmt.Sprintf("%v %+v %#v %s %q %x %d", c, c, c, c, c, c, c), fmt.Sprintf("%+v", &c),
		fmt.Sprintf("%v", []registry.Credential{c}), fmt.Sprintf("%#v", struct{ C registry.Credential }{c}), string(b), log.String(),
	} {
		noSecrets(t, "print", s)
		if !strings.Contains(s, "***") {
			t.Errorf("%q", s)
		}
	}
}

// canaryServer must never be asked for anything.
func canaryServer(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the canary was asked: %s %s", r.Method, r.URL)
	}))
	t.Cleanup(s.Close)
	return s
}

// TestMissingHints: a repository that is not there has no tags to look at.
func TestMissingHints(t *testing.T) {
	t.Parallel()
	for code, hint := range map[string]string{
		"MANIFEST_UNKNOWN": "see what is there: policy tags registry.example.com/acme/authz",
		"NAME_UNKNOWN":     "see what is there: policy images --remote registry.example.com",
	} {
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			problem(w, http.StatusNotFound, `{"errors":[{"code":"`+code+`","message":"unknown"}]}`)
		})
		c := client(t, registry.Options{Timeouts: quick(), Embedded: map[string]http.Handler{"registry.example.com": h}})
		_, _, err := c.Pull(t.Context(), name(t, "registry.example.com/acme/authz:1"), nil, nil)
		if f := fault.Of(err); f == nil || f.Kind != fault.NotFound || f.Hint != hint {
			t.Errorf("%s: got %v, hint %q", code, err, f.Hint)
		}
	}
}
