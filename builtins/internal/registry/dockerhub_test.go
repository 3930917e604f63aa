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

// newDockerHub is the API of Docker Hub: tokens and lists as documented at
// https://docs.docker.com/reference/api/hub/latest/, deletes and privacy as
// Docker's own clients use them. Repositories named private… are private.
func newDockerHub(t testing.TB, repositories ...string) *cloud {
	c := newCloud(t, "dockerhub", "/")
	const jwt = "eyJh.short.lived"
	loggedIn := func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+jwt }
	c.mux.HandleFunc("POST /v2/auth/token", func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Identifier, Secret string }
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.Identifier != user || in.Secret != canary {
			problem(w, http.StatusUnauthorized, `{"detail":"Incorrect authentication credentials","message":"Incorrect authentication credentials"}`)
			return
		}
		_, _ = fmt.Fprintf(w, `{"access_token":%q}`, jwt)
	})
	c.mux.HandleFunc("GET /v2/namespaces/{namespace}/repositories", func(w http.ResponseWriter, r *http.Request) {
		size, err := strconv.Atoi(r.URL.Query().Get("page_size"))
		if err != nil {
			size = 10
		}
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		page, size = max(page, 1), min(size, 100)
		results := []any{}
		for _, full := range repositories {
			if name, ok := strings.CutPrefix(full, r.PathValue("namespace")+"/"); ok && (loggedIn(r) || !strings.HasPrefix(name, "private")) {
				results = append(results, map[string]any{"name": name, "namespace": r.PathValue("namespace"), "repository_type": "image", "is_private": false})
			}
		}
		if len(results) == 0 {
			problem(w, http.StatusNotFound, `{"message":"object not found","errinfo":{}}`)
			return
		}
		answer := map[string]any{"count": len(results), "next": nil, "previous": nil}
		end := min(page*size, len(results))
		if end < len(results) {
			answer["next"] = fmt.Sprintf("http://%s%s?page=%d&page_size=%d", r.Host, r.URL.Path, page+1, size)
		}
		answer["results"] = results[min((page-1)*size, end):end]
		_ = json.NewEncoder(w).Encode(answer)
	})
	private := func(next http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			switch {
			case !loggedIn(r):
				problem(w, http.StatusUnauthorized, `{"message":"authentication required"}`)
			case !slices.Contains(repositories, r.PathValue("namespace")+"/"+r.PathValue("name")):
				problem(w, http.StatusNotFound, `{"message":"object not found"}`)
			case r.PathValue("namespace") == "readonly":
				problem(w, http.StatusForbidden, `{"message":"permission denied","errinfo":null}`)
			default:
				next(w, r)
			}
		}
	}
	c.mux.HandleFunc("DELETE /v2/repositories/{namespace}/{name}/tags/{tag}/{$}", private(func(w http.ResponseWriter, r *http.Request) {
		c.within(http.MethodDelete, "/v2/"+r.PathValue("namespace")+"/"+r.PathValue("name")+"/manifests/"+r.PathValue("tag"))
		w.WriteHeader(http.StatusNoContent)
	}))
	c.mux.HandleFunc("DELETE /v2/repositories/{namespace}/{name}/{$}", private(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	c.mux.HandleFunc("POST /v2/repositories/{namespace}/{name}/privacy", private(func(w http.ResponseWriter, r *http.Request) {
		var in map[string]bool
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || len(in) != 1 {
			problem(w, http.StatusBadRequest, `{"message":"bad request"}`)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.calls = append(c.calls, fmt.Sprint("private ", in["is_private"]))
	}))
	return c
}

func TestDockerHub(t *testing.T) {
	t.Parallel()
	many := names("acme/r", 230)
	c := newDockerHub(t, slices.Concat(many, []string{"acme/private", "readonly/x"})...)
	c.lists("acme", append([]string{"acme/private"}, many...)...)
	if calls := c.called(); len(calls) != 4 {
		t.Errorf("one token and three pages: %q", calls)
	}
	c.lists("acme/r0007", "acme/r0007")
	is(t, c.client().Repositories(t.Context(), c.host, "", nil), fault.Usage, "/ORG")
	is(t, c.client().Repositories(t.Context(), c.host, "nobody", nil), fault.NotFound)

	cl, img := c.client(), newImage(t, 10)
	push(t, cl, c.host+"/acme/private:1", img)
	push(t, cl, c.host+"/acme/private:2", img)
	push(t, cl, c.host+"/readonly/x:1", img)
	if err := cl.DeleteTag(t.Context(), name(t, c.host+"/acme/private:1")); err != nil {
		t.Error(err)
	}
	if got := c.tags("acme/private"); !slices.Equal(got, []string{"2"}) {
		t.Errorf("tags %q", got)
	}
	is(t, cl.DeleteTag(t.Context(), name(t, c.host+"/readonly/x:1")), fault.Denied, "permission denied", "Read, Write and Delete")
	c.called()
	for _, public := range []bool{true, false} {
		if err := cl.SetVisibility(t.Context(), name(t, c.host+"/acme/private"), public); err != nil {
			t.Error(err)
		}
		if calls := c.called(); !slices.Contains(calls, fmt.Sprint("private ", !public)) {
			t.Error(calls)
		}
	}
	if done, err := cl.DeleteRepository(t.Context(), name(t, c.host+"/acme/private")); err != nil || !done {
		t.Error(done, err)
	}

	c.cred = registry.Credential{}
	c.lists("acme", many...)
	is(t, c.client().SetVisibility(t.Context(), name(t, c.host+"/acme/private"), true), fault.Denied, "policy login -s "+c.host)
	c.cred = registry.Credential{Username: user, Password: "wrong-word"}
	is(t, c.client().Repositories(t.Context(), c.host, "acme", nil), fault.Denied, "Incorrect authentication")
}
