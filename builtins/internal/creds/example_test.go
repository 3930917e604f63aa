package creds_test

import (
	"context"
	"fmt"
	"os"

	"github.com/policyhost/policy/builtins/internal/creds"
)

// A login is kept in config.json of the store root, and found for every
// repository of its host.
func Example() {
	root, err := os.MkdirTemp("", "policy")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(root)
	ctx := context.Background()
	keyring := creds.New(creds.Options{Root: root, Getenv: func(string) string { return "" }})

	where, err := keyring.Put(ctx, "ghcr.io", creds.Credential{Username: "joe", Password: "secret"})
	fmt.Println(where, err)
	c, err := keyring.Get(ctx, "ghcr.io", "acme/authz")
	fmt.Println(c.Username, c, err)
	_, err = keyring.Erase(ctx, "quay.io")
	fmt.Println(err)
	// Output:
	// file <nil>
	// joe *** <nil>
	// quay.io: not logged in
}
