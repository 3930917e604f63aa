package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// secured stands before a registry and lets in who knows a user's password: by
// Basic, or, when uses is set, by tokens that are good for so many requests. It
// repeats in its refusals what it was sent, as careless servers do.
type secured struct {
	next           http.Handler
	user, password string
	uses           int
	anonymous      bool // may pull, with a token

	mu     sync.Mutex
	tokens map[string]*pass
	issued []string
	public int // requests that nobody in particular made
}

// pass is what a token is good for.
type pass struct {
	left    int
	actions []string
}

func (s *secured) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, basic := r.BasicAuth()
	known := basic && user == s.user && password == s.password
	switch {
	case r.URL.Path == "/token":
		s.issue(w, r, known, basic)
	case s.uses == 0 && known, s.uses > 0 && s.spend(r):
		s.next.ServeHTTP(w, r)
	default:
		challenge := `Basic realm="test"`
		if s.uses > 0 {
			challenge = fmt.Sprintf(`Bearer realm="http://%s/token",service="test"`, r.Host)
			if repository, action := wanted(r); repository != "" {
				challenge += fmt.Sprintf(`,scope="repository:%s:%s"`, repository, action)
			}
		}
		w.Header().Set("WWW-Authenticate", challenge)
		refuse(w, r)
	}
}

func refuse(w http.ResponseWriter, r *http.Request) {
	_, password, _ := r.BasicAuth()
	w.WriteHeader(http.StatusUnauthorized)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]string{
		"code": "UNAUTHORIZED", "message": "not " + password + " nor " + r.Header.Get("Authorization"),
	}}})
}

func (s *secured) issue(w http.ResponseWriter, r *http.Request, known, basic bool) {
	if !known && (basic || !s.anonymous) {
		refuse(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	actions := []string{"pull", ""}
	if known {
		actions = append(actions, "push")
	}
	token := fmt.Sprintf("canary-token-%d", len(s.issued))
	if s.tokens == nil {
		s.tokens = map[string]*pass{}
	}
	s.tokens[token] = &pass{s.uses, actions}
	s.issued = append(s.issued, token)
	if !known {
		s.public++
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"token": token, "expires_in": 300})
}

// spend takes one use off the request's token.
func (s *secured) spend(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	_, action := wanted(r)
	if p == nil || p.left == 0 || !slices.Contains(p.actions, action) {
		return false
	}
	p.left--
	return true
}

// wanted is what a request asks for: a repository, and to pull or to push.
func wanted(r *http.Request) (repository, action string) {
	rest := strings.TrimPrefix(r.URL.Path, "/v2/")
	for _, part := range []string{"/manifests/", "/blobs/", "/tags/"} {
		if repository, _, ok := strings.Cut(rest, part); ok {
			if r.Method == http.MethodGet || r.Method == http.MethodHead {
				return repository, "pull"
			}
			return repository, "push"
		}
	}
	return "", ""
}

// serve answers on a loopback port until the test ends.
func (s *secured) serve(t *testing.T) (host string) {
	t.Helper()
	registry := newRegistry()
	s.next = registry
	server := httptest.NewServer(s)
	t.Cleanup(func() { server.Close(); _ = registry.Close() })
	return strings.TrimPrefix(server.URL, "http://")
}
