package registry_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/policyhost/policy/runtime/fault"
)

// newHarbor is Harbor as documented at
// https://github.com/goharbor/harbor/blob/main/api/v2.0/swagger.yaml.
func newHarbor(t testing.TB, repositories ...string) *cloud {
	c := newCloud(t, "harbor", "")
	handle := func(pattern string, next http.HandlerFunc) {
		c.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if u, p, _ := r.BasicAuth(); u != user || p != canary {
				problem(w, http.StatusUnauthorized, `{"errors":[{"code":"UNAUTHORIZED","message":"unauthorized"}]}`)
				return
			}
			next(w, r)
		})
	}
	list := func(w http.ResponseWriter, r *http.Request) {
		var items []any
		for _, name := range repositories {
			if project := r.PathValue("project"); project == "" || strings.HasPrefix(name, project+"/") {
				items = append(items, map[string]any{"id": 7, "name": name, "artifact_count": 1})
			}
		}
		if items == nil {
			problem(w, http.StatusForbidden, `{"errors":[{"code":"FORBIDDEN","message":"forbidden"}]}`)
			return
		}
		linked(w, r, items, "page_size")
	}
	// repository_name: "If it contains slash, encode it twice over with URL encoding."
	repository := func(r *http.Request) string {
		return r.PathValue("project") + "/" + strings.ReplaceAll(r.PathValue("name"), "%2F", "/")
	}
	handle("GET /api/v2.0/repositories", list)
	handle("GET /api/v2.0/projects/{project}/repositories", list)
	handle("DELETE /api/v2.0/projects/{project}/repositories/{name}", func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(repositories, repository(r)) {
			problem(w, http.StatusNotFound, `{"errors":[{"code":"NOT_FOUND","message":"repository not found"}]}`)
		}
	})
	handle("DELETE /api/v2.0/projects/{project}/repositories/{name}/artifacts/{reference}/tags/{tag}", func(_ http.ResponseWriter, r *http.Request) {
		c.within(http.MethodDelete, "/v2/"+repository(r)+"/manifests/"+r.PathValue("tag"))
	})
	return c
}

func TestHarbor(t *testing.T) {
	t.Parallel()
	many := names("acme/r", 130)
	c := newHarbor(t, slices.Concat(many, []string{"acme/team/x", "other/x"})...)
	c.lists("acme", append(many, "acme/team/x")...)
	c.lists("acme/team", "acme/team/x")
	c.lists("", append(slices.Clone(many), "acme/team/x", "other/x")...)
	is(t, c.client().Repositories(t.Context(), c.host, "nobody", nil), fault.Denied, "forbidden")

	cl, img, ref := c.client(), newImage(t, 10), c.host+"/acme/team/x"
	push(t, cl, ref+":1", img)
	push(t, cl, ref+":2", img)
	if err := cl.DeleteTag(t.Context(), name(t, ref+":1")); err != nil || !slices.Equal(c.tags("acme/team/x"), []string{"2"}) {
		t.Error(c.tags("acme/team/x"), err)
	}
	if done, err := cl.DeleteRepository(t.Context(), name(t, ref)); !done || err != nil {
		t.Error(done, err)
	}
	_, err := cl.DeleteRepository(t.Context(), name(t, c.host+"/acme/none"))
	is(t, err, fault.NotFound, "repository not found")
	is(t, cl.SetVisibility(t.Context(), name(t, ref), true), fault.Denied, "https://"+c.host+"/harbor/projects")
	c.cred.Password = "wrong-word"
	is(t, c.client().Repositories(t.Context(), c.host, "acme", nil), fault.Denied, "unauthorized")
}
