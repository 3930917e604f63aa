package embedded_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/embedded"
	"github.com/policyhost/policy/builtins/internal/store"
)

// A manifest that is pushed has a line in the store's index, and is listed.
func Example() {
	dir, err := os.MkdirTemp("", "registry")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	registry := embedded.New(store.New(dir, store.Options{}), embedded.Options{})

	put := httptest.NewRequest("PUT", "/v2/acme/authz/manifests/1.0", strings.NewReader(`{"schemaVersion":2}`))
	put.Header.Set("Content-Type", artifact.MediaTypeManifest)
	w := httptest.NewRecorder()
	registry.ServeHTTP(w, put)
	fmt.Println(w.Code)

	w = httptest.NewRecorder()
	registry.ServeHTTP(w, httptest.NewRequest("GET", "/v2/acme/authz/tags/list", nil))
	fmt.Println(w.Code, w.Body)
	// Output:
	// 201
	// 200 {"name":"acme/authz","tags":["1.0"]}
}
