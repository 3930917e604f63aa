package registry_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins/internal/registry"
	"github.com/policyhost/policy/runtime/fault"
)

// newGitLab is GitLab as documented at
// https://docs.gitlab.com/api/container_registry/: projects and their
// repositories, in the group acme and with the user jo.
func newGitLab(t testing.TB, projects []string, repositories ...string) *cloud {
	c := newCloud(t, "gitlab", "/api/v4/")
	number := func(project string) int { return slices.Index(projects, project) + 1 }
	projectOf := func(repository string) string {
		for path := repository; ; {
			if number(path) > 0 {
				return path
			}
			path = path[:strings.LastIndexByte(path, '/')]
		}
	}
	handle := func(pattern string, next http.HandlerFunc) {
		method, path, _ := strings.Cut(pattern, " ")
		c.mux.HandleFunc(method+" /api/v4"+path, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+canary && r.Header.Get("JOB-TOKEN") != canary {
				problem(w, http.StatusUnauthorized, `{"message":"401 Unauthorized"}`)
				return
			}
			next(w, r)
		})
	}
	list := func(w http.ResponseWriter, r *http.Request, in func(repository string) bool) {
		items := []any{}
		for i, path := range repositories {
			if in(path) {
				project := projectOf(path)
				items = append(items, map[string]any{"id": 100 + i, "name": strings.TrimPrefix(strings.TrimPrefix(path, project), "/"),
					"path": path, "project_id": number(project), "location": "registry.example.com/" + path})
			}
		}
		linked(w, r, items, "per_page")
	}
	handle("GET /groups/{id}/registry/repositories", func(w http.ResponseWriter, r *http.Request) {
		if id := r.PathValue("id"); id != "acme" && id != "acme/sub" {
			problem(w, http.StatusNotFound, `{"message":"404 Group Not Found"}`)
			return
		}
		list(w, r, func(path string) bool { return strings.HasPrefix(path, r.PathValue("id")+"/") })
	})
	project := func(r *http.Request) string {
		id := r.PathValue("id")
		if n, err := strconv.Atoi(id); err == nil && 0 < n && n <= len(projects) {
			return projects[n-1]
		}
		return id
	}
	handle("GET /projects/{id}/registry/repositories", func(w http.ResponseWriter, r *http.Request) {
		if number(project(r)) == 0 {
			problem(w, http.StatusNotFound, `{"message":"404 Project Not Found"}`)
			return
		}
		list(w, r, func(path string) bool { return projectOf(path) == project(r) })
	})
	handle("GET /users/{id}/projects", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("id") != "jo" {
			problem(w, http.StatusNotFound, `{"message":"404 User Not Found"}`)
			return
		}
		var items []any
		for i, p := range projects {
			if strings.HasPrefix(p, "jo/") {
				items = append(items, map[string]any{"id": i + 1, "path_with_namespace": p})
			}
		}
		linked(w, r, items, "per_page")
	})
	repository := func(w http.ResponseWriter, r *http.Request) string {
		id, _ := strconv.Atoi(r.PathValue("repository"))
		if id -= 100; id < 0 || id >= len(repositories) || projectOf(repositories[id]) != project(r) {
			problem(w, http.StatusNotFound, `{"message":"404 Not Found"}`)
			return ""
		}
		return repositories[id]
	}
	handle("DELETE /projects/{id}/registry/repositories/{repository}", func(w http.ResponseWriter, r *http.Request) {
		if repository(w, r) != "" {
			w.WriteHeader(http.StatusAccepted)
		}
	})
	handle("DELETE /projects/{id}/registry/repositories/{repository}/tags/{tag}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("tag") == "protected" {
			problem(w, http.StatusForbidden, `{"message":"403 Forbidden - The tag is protected"}`)
		} else if path := repository(w, r); path != "" {
			c.within(http.MethodDelete, "/v2/"+path+"/manifests/"+r.PathValue("tag"))
		}
	})
	visibility := func(r *http.Request) string {
		if strings.Contains(project(r), "private") {
			return "private"
		}
		return "public"
	}
	handle("GET /projects/{id}", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"id": number(project(r)), "path_with_namespace": project(r), "visibility": visibility(r)})
	})
	handle("PUT /projects/{id}", func(w http.ResponseWriter, r *http.Request) {
		var in map[string]string
		_ = json.NewDecoder(r.Body).Decode(&in)
		c.mu.Lock()
		c.calls = append(c.calls, fmt.Sprint(in))
		c.mu.Unlock()
		_ = json.NewEncoder(w).Encode(map[string]any{"id": number(project(r))})
	})
	return c
}

func TestGitLab(t *testing.T) {
	t.Parallel()
	many := names("acme/app/r", 130)
	c := newGitLab(t, []string{"acme/app", "acme/sub/app", "jo/own", "jo/private", "acme/private"},
		slices.Concat(many, []string{"acme/app", "acme/sub/app/deep/er", "jo/own", "jo/private/x", "acme/private"})...)
	c.lists("acme", slices.Concat([]string{"acme/app"}, many, []string{"acme/private", "acme/sub/app/deep/er"})...)
	c.lists("acme/sub", "acme/sub/app/deep/er")
	c.lists("acme/app", append([]string{"acme/app"}, many...)...)
	c.lists("acme/sub/app/deep", "acme/sub/app/deep/er")
	c.lists("jo", "jo/own", "jo/private/x")
	is(t, c.client().Repositories(t.Context(), c.host, "", nil), fault.Usage, "/ORG")
	is(t, c.client().Repositories(t.Context(), c.host, "nobody", nil), fault.NotFound, "404 User Not Found")
	is(t, c.client().Repositories(t.Context(), c.host, "no/body", nil), fault.NotFound)

	cl, img, ref := c.client(), newImage(t, 10), c.host+"/acme/sub/app/deep/er"
	for _, tag := range []string{":1", ":2", ":protected"} {
		push(t, cl, ref+tag, img)
	}
	push(t, cl, c.host+"/acme/sub/unknown:1", img)
	if err := cl.DeleteTag(t.Context(), name(t, ref+":1")); err != nil || !slices.Equal(c.tags("acme/sub/app/deep/er"), []string{"2", "protected"}) {
		t.Error(c.tags("acme/sub/app/deep/er"), err)
	}
	is(t, cl.DeleteTag(t.Context(), name(t, ref+":protected")), fault.Denied, "protected")
	is(t, cl.DeleteTag(t.Context(), name(t, c.host+"/acme/sub/unknown:1")), fault.NotFound, "policy images --remote "+c.host)
	if done, err := cl.DeleteRepository(t.Context(), name(t, ref)); !done || err != nil {
		t.Error(done, err)
	}
	c.called()
	if unit := cl.VisibilityUnit(name(t, ref)); !strings.Contains(unit, "project") {
		t.Errorf("unit %q", unit)
	}
	for public, want := range map[bool]string{true: "enabled", false: "private"} {
		if err := cl.SetVisibility(t.Context(), name(t, ref), public); err != nil || !slices.Contains(c.called(), "map[container_registry_access_level:"+want+"]") {
			t.Error(public, err)
		}
	}
	is(t, cl.SetVisibility(t.Context(), name(t, c.host+"/acme/private"), true), fault.Denied, "acme/private is private itself")

	c.cred = registry.Credential{Username: "gitlab-ci-token", Password: canary}
	c.lists("jo", "jo/own", "jo/private/x")
	c.cred.Password = "wrong-word"
	is(t, c.client().Repositories(t.Context(), c.host, "acme", nil), fault.Denied, "401 Unauthorized", "the scope api")
}
