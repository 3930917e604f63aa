package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/engine"
)

func ExampleOpenBundle() {
	const rego = "package authz\n\nallow if input.user in data.admins\n"
	const data = `{"admins": ["alice"]}`
	file := func(name, text string) artifact.File {
		return artifact.File{Path: name, Size: int64(len(text)), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(text)), nil
		}}
	}
	var layer bytes.Buffer
	if err := artifact.Pack(&layer, []artifact.File{file("authz.rego", rego), file("data.json", data)}, artifact.PackOptions{}); err != nil {
		panic(err)
	}
	ctx := context.Background()
	b, err := engine.OpenBundle(ctx, &layer, engine.OpenOptions{Name: "authz"})
	if err != nil {
		panic(err)
	}
	defer func() { _ = b.Close() }()
	for _, user := range []string{"alice", "bob"} {
		d, err := b.Eval(ctx, engine.Query{Query: "data.authz.allow", Input: fmt.Appendf(nil, `{"user": %q}`, user)})
		if err != nil {
			panic(err)
		}
		fmt.Println(user, d.Defined, string(d.Result))
	}
	// Output:
	// alice true true
	// bob false
}
