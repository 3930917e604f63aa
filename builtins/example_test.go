package builtins_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/runtime/fault"
)

const rego = `package authz

default allow := false

allow if input.user == "ada"
`

// A program builds a policy into a store of its own, asks it for a decision,
// and pushes it to the registry that needs no server.
func Example() {
	if err := ship(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// built docker.io/acme/authz:1.0
	// allow: true
	// pushed registry.localhost/acme/authz:1.0, the same digest: true
	// again, unchanged: true
	// one that nobody built: not found
}

func ship(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "policy")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	sources := filepath.Join(dir, "policies")
	if err := os.Mkdir(sources, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(sources, "authz.rego"), []byte(rego), 0o600); err != nil {
		return err
	}

	// All that the verbs do goes through an Env. This one keeps images, the
	// embedded registry and credentials below one folder.
	env := builtins.NewEnv(builtins.Options{Settings: builtins.Settings{Root: filepath.Join(dir, "root")}})
	defer env.Close()

	short, err := builtins.ParseRef("acme/authz:1.0")
	if err != nil {
		return err
	}
	built, err := builtins.Build(ctx, env, &builtins.BuildArgs{Paths: []string{sources}, Tag: []builtins.Ref{short}})
	if err != nil {
		return err
	}
	fmt.Println("built", built.Ref)

	var request builtins.Document
	if err := request.SetValue(map[string]any{"user": "ada"}); err != nil {
		return err
	}
	decision, err := builtins.Eval(ctx, env, &builtins.EvalArgs{Policy: built.Ref, Query: "data.authz.allow", Input: request})
	if err != nil {
		return err
	}
	fmt.Printf("allow: %s\n", decision.Result)

	full, err := builtins.ParseRef(builtins.EmbeddedHost + "/acme/authz:1.0")
	if err != nil {
		return err
	}
	if _, err := builtins.Tag(ctx, env, &builtins.TagArgs{Source: short, Target: full}); err != nil {
		return err
	}
	for range 2 {
		pushed, err := builtins.Push(ctx, env, &builtins.PushArgs{Refs: []builtins.Ref{full}})
		if err != nil {
			return err
		}
		if pushed[0].Unchanged {
			fmt.Println("again, unchanged:", pushed[0].Unchanged)
			continue
		}
		fmt.Printf("pushed %s, the same digest: %t\n", pushed[0].Ref, pushed[0].Digest == built.Digest)
	}

	// What fails is a fault: its kind is what errors.Is finds.
	_, err = builtins.Eval(ctx, env, &builtins.EvalArgs{Policy: "acme/other:1.0", Query: "data.authz.allow", Pull: "never"})
	fmt.Println("one that nobody built:", fault.Of(err).Kind)
	return nil
}
