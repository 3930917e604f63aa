package registry_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/policyhost/policy/runtime/fault"
)

// newGoogle lists as Google's registries do: what is below a name is in "child",
// https://github.com/google/go-containerregistry/blob/main/pkg/v1/google/list.go.
func newGoogle(t testing.TB, repositories ...string) *cloud {
	c := newCloud(t, "google", "")
	c.mux.HandleFunc("GET /v2/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		path, list := strings.CutSuffix(r.PathValue("rest"), "/tags/list")
		if !list {
			c.distribution(w, r)
			return
		}
		children, manifests := []string{}, map[string]any{}
		for _, name := range repositories {
			if name == path {
				manifests["sha256:0"] = map[string]any{"imageSizeBytes": "10", "tag": []string{"1"}}
			}
			if below, ok := strings.CutPrefix(name, path+"/"); ok {
				child, _, _ := strings.Cut(below, "/")
				if !slices.Contains(children, child) {
					children = append(children, child)
				}
			}
		}
		if len(children)+len(manifests) == 0 {
			problem(w, http.StatusNotFound, `{"errors":[{"code":"NAME_UNKNOWN","message":"Requested entity was not found."}]}`)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"child": children, "manifest": manifests, "name": path, "tags": []string{}})
	})
	return c
}

func TestGoogle(t *testing.T) {
	t.Parallel()
	c := newGoogle(t, "project/authz", "project/team/a", "project/team", "project/deep/er/still", "other/x")
	c.lists("project", "project/authz", "project/deep/er/still", "project/team", "project/team/a")
	c.lists("project/team", "project/team", "project/team/a")
	is(t, c.client().Repositories(t.Context(), c.host, "nobody", func([]string) error { return nil }), fault.NotFound)
	is(t, c.client().SetVisibility(t.Context(), name(t, "gcr.io/project/authz"), true), fault.Denied, "gcloud")

	hostile := newCloud(t, "google", "")
	hostile.mux.HandleFunc("GET /v2/acme/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("rest") != "tags/list" {
			t.Errorf("asked for %s", r.URL)
		}
		_, _ = fmt.Fprint(w, `{"child":["../../x","a?b","",".."],"manifest":{},"tags":["1"]}`)
	})
	hostile.lists("acme", "acme")
}

// TestAzure: https://learn.microsoft.com/rest/api/containerregistry/ deletes with
// the registry's own tokens, whose scope the challenge names.
func TestAzure(t *testing.T) {
	t.Parallel()
	c := newCloud(t, "acr", "")
	c.host = serve(t, &tokens{next: c.mux, noAnon: true})
	c.mux.HandleFunc("DELETE /acr/v1/acme/authz/_tags/{tag}", func(w http.ResponseWriter, r *http.Request) {
		c.within(http.MethodDelete, "/v2/acme/authz/manifests/"+r.PathValue("tag"))
		w.WriteHeader(http.StatusAccepted)
	})
	c.mux.HandleFunc("DELETE /acr/v1/acme/authz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	cl, img, ref := c.client(), newImage(t, 10), c.host+"/acme/authz"
	push(t, cl, ref+":1", img)
	push(t, cl, ref+":2", img)
	if err := cl.DeleteTag(t.Context(), name(t, ref+":1")); err != nil || !slices.Equal(c.tags("acme/authz"), []string{"2"}) {
		t.Error(c.tags("acme/authz"), err)
	}
	if done, err := cl.DeleteRepository(t.Context(), name(t, ref)); !done || err != nil {
		t.Error(done, err)
	}
}
