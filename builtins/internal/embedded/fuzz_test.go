package embedded_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/embedded"
	"github.com/policyhost/policy/builtins/internal/store"
)

// FuzzRequest: no request makes the registry fail on its side, and a manifest
// that was taken comes back as it was.
func FuzzRequest(f *testing.F) {
	m := `{"schemaVersion":2,"mediaType":"` + artifact.MediaTypeManifest + `"}`
	f.Add("PUT", "/v2/a/manifests/x", artifact.MediaTypeManifest, m)
	f.Add("PUT", "/v2/a/manifests/"+digestOf(m), "", m)
	f.Add("PUT", "/v2/a/manifests/x", "x/y;z=1", `{"subject":{"digest":"`+digestOf("x")+`"},"layers":null}`)
	f.Add("POST", "/v2/a/b/blobs/uploads/?digest="+digestOf("x"), "", "x")
	f.Add("POST", "/v2/a/blobs/uploads/?mount=x&from=y", "", "")
	f.Add("GET", "/v2/_catalog?n=1&last=%ff", "", "")
	f.Add("DELETE", "/v2/a/manifests/"+digestOf("x"), "", "")
	f.Add("GET", "/v2/a/../b/tags/list", "", "")
	f.Add("PATCH", "/v2/a/blobs/uploads/x", "0-0", "x")
	dir := f.TempDir()
	h := embedded.New(store.New(dir, store.Options{}), embedded.Options{})
	f.Fuzz(func(t *testing.T, method, target, contentType, body string) {
		u, err := url.Parse(target)
		if err != nil || u.Path == "" {
			return
		}
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", strings.NewReader(body))
		r.Method, r.URL = method, u
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if method != "PUT" || w.Code != 201 || !strings.Contains(u.Path, "/manifests/") {
			return
		}
		r = httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.URL = u
		w = httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 || w.Body.String() != body {
			t.Fatalf("a manifest came back as %d %q", w.Code, w.Body)
		}
	})
}
