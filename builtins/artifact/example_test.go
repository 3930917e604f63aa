package artifact_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
)

// A policy image is a layer and a manifest around it. The same files give the
// same digest everywhere.
func Example() {
	source := "package authz\n\nallow := true\n"
	files := []artifact.File{{
		Path: "authz/authz.rego",
		Size: int64(len(source)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(source)), nil },
	}}
	var layer bytes.Buffer
	if err := artifact.Pack(&layer, files, artifact.PackOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	// Whoever gets it looks before he opens.
	sum, err := artifact.Scan(&layer, artifact.DefaultLimits, func(h artifact.Header, _ io.Reader) error {
		fmt.Println(h.Name, h.Size)
		return nil
	})
	fmt.Println(sum.Files, sum.Folders, err)
	// Output:
	// authz 0
	// authz/authz.rego 29
	// 1 1 <nil>
}

func ExampleParseName() {
	for _, s := range []string{"foo", "acme/authz:1.0", "localhost:5000/acme/authz"} {
		n, err := artifact.ParseName(s, "ghcr.io")
		fmt.Println(n, err)
	}
	// Output:
	// ghcr.io/library/foo:latest <nil>
	// ghcr.io/acme/authz:1.0 <nil>
	// localhost:5000/acme/authz:latest <nil>
}
