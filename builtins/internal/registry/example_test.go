package registry_test

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/policyhost/policy/builtins/internal/registry"
)

// A client that lists the tags of a repository in a registry that answers in
// this process.
func Example() {
	c := registry.New(registry.Options{Embedded: map[string]http.Handler{
		"registry.localhost": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"name":"acme/authz","tags":["1.0.0","latest"]}`)
		}),
	}})
	defer func() { _ = c.Close() }()
	err := c.Tags(context.Background(), "registry.localhost", "acme/authz", func(page []string) error {
		fmt.Println(page)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: [1.0.0 latest]
}
