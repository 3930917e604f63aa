package registry_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins/internal/registry"
	"github.com/policyhost/policy/runtime/fault"
)

// newQuay is Quay as documented at
// https://docs.redhat.com/en/documentation/red_hat_quay/3/html/red_hat_quay_api_reference/repository.
// Its registry refuses pages of more than 100 entries. Repositories named
// private… are private.
func newQuay(t testing.TB, repositories ...string) *cloud {
	c := newCloud(t, "quay", "")
	c.cred.Username = "$oauthtoken"
	c.deletes = true
	denied := func(w http.ResponseWriter) {
		problem(w, http.StatusUnauthorized, `{"detail":"Requires authentication","error_message":"Requires authentication","error_type":"invalid_token","title":"invalid_token","status":401}`)
	}
	oauth := func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+canary }
	c.mux.HandleFunc("GET /v2/_catalog", func(w http.ResponseWriter, r *http.Request) {
		if n, _ := strconv.Atoi(r.URL.Query().Get("n")); n > 100 {
			problem(w, http.StatusBadRequest, `{"errors":[{"code":"PAGINATION_NUMBER_INVALID"}]}`)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"repositories": repositories})
	})
	c.mux.HandleFunc("GET /api/v1/repository", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("namespace") == "" && q.Get("public") == "" {
			problem(w, http.StatusBadRequest, `{"detail":"namespace, starred or public are required for this API call"}`)
			return
		}
		found := []any{}
		for _, full := range repositories {
			namespace, name, _ := strings.Cut(full, "/")
			if namespace == q.Get("namespace") && (oauth(r) || !strings.HasPrefix(name, "private")) {
				found = append(found, map[string]any{"namespace": namespace, "name": name, "is_public": true, "kind": "image", "state": "NORMAL"})
			}
		}
		at := 0
		if token := q.Get("next_page"); token != "" { // opaque to clients
			at, _ = strconv.Atoi(strings.TrimPrefix(token, "gAAAA=+/"))
		}
		end := min(at+100, len(found))
		answer := map[string]any{"repositories": found[at:end]}
		if end < len(found) {
			answer["next_page"] = "gAAAA=+/" + strconv.Itoa(end)
		}
		_ = json.NewEncoder(w).Encode(answer)
	})
	c.mux.HandleFunc("DELETE /api/v1/repository/{namespace}/{name...}", func(w http.ResponseWriter, r *http.Request) {
		if !oauth(r) {
			denied(w)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	c.mux.HandleFunc("POST /api/v1/repository/{namespace}/{name}/changevisibility", func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Visibility string }
		switch {
		case !oauth(r):
			denied(w)
		case json.NewDecoder(r.Body).Decode(&in) != nil || in.Visibility != "public" && in.Visibility != "private":
			problem(w, http.StatusBadRequest, `{"detail":"bad request"}`)
		default:
			c.mu.Lock()
			c.calls = append(c.calls, in.Visibility)
			c.mu.Unlock()
			problem(w, http.StatusOK, `{"success":true}`)
		}
	})
	return c
}

func TestQuay(t *testing.T) {
	t.Parallel()
	many := names("acme/r", 230)
	c := newQuay(t, slices.Concat(many, []string{"acme/private", "other/x"})...)
	c.lists("acme", append([]string{"acme/private"}, many...)...)
	if calls := c.called(); len(calls) != 3 {
		t.Errorf("three pages: %q", calls)
	}
	cl, img, ref := c.client(), newImage(t, 10), c.host+"/acme/private"
	push(t, cl, ref+":1", img)
	push(t, cl, ref+":2", img)
	if err := cl.DeleteTag(t.Context(), name(t, ref+":1")); err != nil || !slices.Equal(c.tags("acme/private"), []string{"2"}) {
		t.Error(c.tags("acme/private"), err)
	}
	for public, want := range map[bool]string{true: "public", false: "private"} {
		if err := cl.SetVisibility(t.Context(), name(t, ref), public); err != nil || !slices.Contains(c.called(), want) {
			t.Error(err)
		}
	}
	if done, err := cl.DeleteRepository(t.Context(), name(t, ref)); !done || err != nil {
		t.Error(done, err)
	}

	c.cred = registry.Credential{}
	c.lists("acme", many...) // what is public
	c.cred = registry.Credential{Username: "acme+robot", Password: canary}
	c.called()
	c.lists("other", "other/x") // the catalog knows what a robot may see
	c.lists("", append(append([]string{"acme/private"}, many...), "other/x")...)
	if done, err := c.client().DeleteRepository(t.Context(), name(t, ref)); done || err != nil {
		t.Error(done, err)
	}
	if calls := c.called(); len(calls) != 0 {
		t.Errorf("the API does not take robots: %q", calls)
	}
	is(t, c.client().SetVisibility(t.Context(), name(t, ref), true), fault.Denied, "Requires authentication", "'$oauthtoken'")
}
