package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/olareg/olareg"
	"github.com/olareg/olareg/config"
	"github.com/rogpeppe/go-internal/testscript"
)

// startGitHub is the command
//
//	github NAME
//
// a registry that deletes nothing over the wire, with the API of GitHub Packages
// at /api/v3, as https://docs.github.com/rest/packages/packages describes it. Its
// host:port is in $NAME. acme is an organisation, everybody else a user; the
// token is s3cret-token.
func startGitHub(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: github NAME")
	}
	enabled := true
	store := olareg.New(config.Config{
		Storage: config.ConfigStorage{StoreType: config.StoreMem},
		API:     config.ConfigAPI{DeleteEnabled: &enabled},
	})
	g := &gitHub{store: store}
	server := httptest.NewServer(g.handler())
	ts.Defer(func() { server.Close(); _ = store.Close() })
	ts.Setenv(args[0], strings.TrimPrefix(server.URL, "http://"))
}

type gitHub struct {
	store  http.Handler
	mu     sync.Mutex
	pushed []string // repositories
}

func (g *gitHub) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/v2/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			http.Error(w, `{"errors":[{"code":"UNSUPPORTED"}]}`, http.StatusMethodNotAllowed)
			return
		}
		if r.URL.Path == "/v2/_catalog" {
			http.Error(w, `{"errors":[{"code":"DENIED"}]}`, http.StatusForbidden)
			return
		}
		if repository, _, ok := strings.Cut(r.PathValue("rest"), "/manifests/"); ok && r.Method == http.MethodPut {
			g.mu.Lock()
			g.pushed = append(g.pushed, repository)
			g.mu.Unlock()
		}
		g.store.ServeHTTP(w, r)
	})
	for _, kind := range []string{"orgs", "users"} {
		handle := func(method, path string, next func(w http.ResponseWriter, r *http.Request, repository string)) {
			mux.HandleFunc(method+" /api/v3/"+kind+"/{owner}/packages"+path, func(w http.ResponseWriter, r *http.Request) {
				owner := r.PathValue("owner")
				switch {
				case r.Header.Get("Authorization") != "Bearer s3cret-token":
					http.Error(w, `{"message":"Bad credentials"}`, http.StatusUnauthorized)
				case (owner == "acme") != (kind == "orgs") || len(g.packages(owner)) == 0:
					http.Error(w, `{"message":"Not Found"}`, http.StatusNotFound)
				default:
					next(w, r, owner+"/"+r.PathValue("name"))
				}
			})
		}
		handle("GET", "", func(w http.ResponseWriter, r *http.Request, _ string) {
			var list []any
			for _, name := range g.packages(r.PathValue("owner")) {
				list = append(list, map[string]any{"name": name, "package_type": "container"})
			}
			_ = json.NewEncoder(w).Encode(list)
		})
		handle("GET", "/container/{name}/versions", func(w http.ResponseWriter, _ *http.Request, repository string) {
			var list []any
			for id, tags := range g.versions(repository) {
				list = append(list, map[string]any{"id": id, "metadata": map[string]any{"container": map[string]any{"tags": tags}}})
			}
			_ = json.NewEncoder(w).Encode(list)
		})
		handle("DELETE", "/container/{name}/versions/{id}", func(w http.ResponseWriter, r *http.Request, repository string) {
			versions := g.versions(repository)
			id, _ := strconv.ParseUint(r.PathValue("id"), 10, 64)
			if len(versions) == 1 {
				http.Error(w, `{"message":"You cannot delete the last tagged version of a package. You must delete the package instead."}`, http.StatusBadRequest)
				return
			}
			g.remove(repository, versions[id])
			w.WriteHeader(http.StatusNoContent)
		})
		handle("DELETE", "/container/{name}", func(w http.ResponseWriter, _ *http.Request, repository string) {
			for _, tags := range g.versions(repository) {
				g.remove(repository, tags)
			}
			w.WriteHeader(http.StatusNoContent)
		})
	}
	return mux
}

// ask asks the registry behind the API.
func (g *gitHub) ask(method, path string, into any) http.Header {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json")
	g.store.ServeHTTP(w, r)
	if into != nil {
		_ = json.Unmarshal(w.Body.Bytes(), into)
	}
	_, _ = io.Copy(io.Discard, w.Body)
	return w.Header()
}

func (g *gitHub) packages(owner string) (names []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	slices.Sort(g.pushed)
	g.pushed = slices.Compact(g.pushed)
	for _, r := range g.pushed {
		if name, ok := strings.CutPrefix(r, owner+"/"); ok && len(g.versions(r)) > 0 {
			names = append(names, name)
		}
	}
	return names
}

// versions are the manifests of a repository, by number, each with its tags.
func (g *gitHub) versions(repository string) map[uint64][]string {
	var list struct{ Tags []string }
	g.ask(http.MethodGet, "/v2/"+repository+"/tags/list", &list)
	versions := map[uint64][]string{}
	for _, tag := range list.Tags {
		digest := g.ask(http.MethodHead, fmt.Sprintf("/v2/%s/manifests/%s", repository, tag), nil).Get("Docker-Content-Digest")
		id, _ := strconv.ParseUint(strings.TrimPrefix(digest, "sha256:")[:12], 16, 64)
		versions[id] = append(versions[id], tag)
	}
	return versions
}

func (g *gitHub) remove(repository string, tags []string) {
	for _, tag := range tags {
		g.ask(http.MethodDelete, "/v2/"+repository+"/manifests/"+tag, nil)
	}
}
