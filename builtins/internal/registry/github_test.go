package registry_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/policyhost/policy/runtime/fault"
)

// newGitHub is GitHub Packages as documented at
// https://docs.github.com/rest/packages/packages: acme is an organisation, jo is
// a user. The messages of refusals are as the service words them.
func newGitHub(t testing.TB, packages ...string) *cloud {
	c := newCloud(t, "github", "/api/v3/")
	const badCredentials = `{"message":"Bad credentials","documentation_url":"https://docs.github.com/rest","status":"401"}`
	notFound := func(w http.ResponseWriter) {
		problem(w, http.StatusNotFound, `{"message":"Not Found","documentation_url":"https://docs.github.com/rest/packages/packages","status":"404"}`)
	}
	handle := func(pattern string, next func(w http.ResponseWriter, r *http.Request, owner, name string)) {
		for kind, only := range map[string]string{"orgs": "acme", "users": "jo"} {
			method, path, _ := strings.Cut(pattern, " ")
			c.mux.HandleFunc(method+" /api/v3/"+kind+"/{owner}/packages"+path, needsToken("Authorization", "Bearer "+canary, badCredentials,
				func(w http.ResponseWriter, r *http.Request) {
					owner, name := r.PathValue("owner"), r.PathValue("name")
					if owner != only || r.Header.Get("Accept") != "application/vnd.github+json" || r.Header.Get("X-GitHub-Api-Version") == "" {
						notFound(w)
						return
					}
					if name != "" && !slices.Contains(packages, owner+"/"+name) {
						problem(w, http.StatusNotFound, `{"message":"Package not found.","status":"404"}`)
						return
					}
					next(w, r, owner, name)
				}))
		}
	}
	handle("GET ", func(w http.ResponseWriter, r *http.Request, owner, _ string) {
		if r.URL.Query().Get("package_type") != "container" {
			problem(w, http.StatusBadRequest, `{"message":"package_type is required"}`)
			return
		}
		var items []any
		for _, p := range packages {
			if name, ok := strings.CutPrefix(p, owner+"/"); ok {
				items = append(items, map[string]any{"id": 197, "name": name, "package_type": "container", "version_count": 1, "visibility": "private"})
			}
		}
		linked(w, r, items, "per_page")
	})
	digests := map[string]int64{} // each manifest is a version with a number
	versions := func(repository string) (list []any, tagged map[int64][]string, digest map[int64]string) {
		tagged, digest = map[int64][]string{}, map[int64]string{}
		for _, tag := range c.tags(repository) {
			d := c.within(http.MethodHead, "/v2/"+repository+"/manifests/"+tag).Header().Get("Docker-Content-Digest")
			if digests[d] == 0 {
				digests[d] = int64(800 + len(digests))
			}
			tagged[digests[d]] = append(tagged[digests[d]], tag)
			digest[digests[d]] = d
		}
		for id, tags := range tagged {
			list = append(list, map[string]any{"id": id, "name": digest[id], "metadata": map[string]any{"package_type": "container", "container": map[string]any{"tags": tags}}})
		}
		return list, tagged, digest
	}
	handle("GET /container/{name}/versions", func(w http.ResponseWriter, r *http.Request, owner, name string) {
		list, _, _ := versions(owner + "/" + name)
		linked(w, r, list, "per_page")
	})
	handle("DELETE /container/{name}/versions/{id}", func(w http.ResponseWriter, r *http.Request, owner, name string) {
		id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
		_, tagged, digest := versions(owner + "/" + name)
		switch {
		case len(tagged[id]) == 0:
			problem(w, http.StatusNotFound, `{"message":"Package version not found."}`)
		case len(tagged) == 1:
			problem(w, http.StatusBadRequest, `{"message":"You cannot delete the last tagged version of a package. You must delete the package instead.","status":"400"}`)
		default:
			c.within(http.MethodDelete, "/v2/"+owner+"/"+name+"/manifests/"+digest[id])
			w.WriteHeader(http.StatusNoContent)
		}
	})
	handle("DELETE /container/{name}", func(w http.ResponseWriter, _ *http.Request, owner, name string) {
		_, _, digest := versions(owner + "/" + name)
		for _, d := range digest {
			c.within(http.MethodDelete, "/v2/"+owner+"/"+name+"/manifests/"+d)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return c
}

func TestGitHub(t *testing.T) {
	t.Parallel()
	t.Run("list", func(t *testing.T) {
		t.Parallel()
		many := names("acme/p", 250)
		c := newGitHub(t, slices.Concat(many, []string{"acme/deep/er", "jo/own"})...)
		c.lists("acme", append([]string{"acme/deep/er"}, many...)...)
		if n := len(c.called()); n != 3 {
			t.Errorf("%d requests for 251 packages", n)
		}
		c.lists("acme/deep", "acme/deep/er")
		c.lists("jo", "jo/own")
		err := c.client().Repositories(t.Context(), c.host, "", nil)
		is(t, err, fault.Usage, "policy images --remote "+c.host+"/ORG")
		is(t, c.client().Repositories(t.Context(), c.host, "nobody", nil), fault.NotFound)
		c.cred.Password = "wrong-word"
		is(t, c.client().Repositories(t.Context(), c.host, "acme", nil), fault.Denied, "Bad credentials", "read:packages")
	})
	t.Run("delete", func(t *testing.T) {
		t.Parallel()
		c := newGitHub(t, "acme/team/authz", "jo/own")
		cl := c.client()
		one, two := newImage(t, 10), newImage(t, 20)
		ref := func(s string) string { return c.host + "/acme/team/authz:" + s }
		push(t, cl, ref("1"), one)
		push(t, cl, ref("2"), two)
		push(t, cl, ref("latest"), two)
		is(t, cl.DeleteTag(t.Context(), name(t, ref("9"))), fault.NotFound)
		is(t, cl.DeleteTag(t.Context(), name(t, ref("2"))), fault.Denied, "latest", "policy rm -r -a "+c.host+"/acme/team/authz")
		if got := fmt.Sprint(c.tags("acme/team/authz")); got != "[1 2 latest]" {
			t.Errorf("tags %s", got)
		}
		if err := cl.DeleteTag(t.Context(), name(t, ref("1"))); err != nil {
			t.Error(err)
		}
		if got := fmt.Sprint(c.tags("acme/team/authz")); got != "[2 latest]" {
			t.Errorf("tags %s", got)
		}
		push(t, cl, c.host+"/jo/own:1", one)
		is(t, cl.DeleteTag(t.Context(), name(t, c.host+"/jo/own:1")), fault.Denied, "newest tag cannot go alone", "policy rm -r -a "+c.host+"/jo/own")
		for _, repository := range []string{"acme/team/authz", "jo/own"} {
			if done, err := cl.DeleteRepository(t.Context(), name(t, c.host+"/"+repository)); err != nil || !done {
				t.Error(done, err)
			}
			if got := c.tags(repository); len(got) > 0 {
				t.Errorf("%s: %s", repository, got)
			}
		}
		_, err := cl.DeleteRepository(t.Context(), name(t, c.host+"/acme/none"))
		is(t, err, fault.NotFound)
	})
	t.Run("visibility", func(t *testing.T) {
		t.Parallel()
		c := newGitHub(t)
		err := c.client().SetVisibility(t.Context(), name(t, "ghcr.io/acme/team/authz:1"), true)
		is(t, err, fault.Denied, "GitHub has no API for it", "https://github.com/orgs/acme/packages/container/team%2Fauthz/settings")
		if calls := c.called(); len(calls) > 0 {
			t.Error(calls)
		}
	})
}
