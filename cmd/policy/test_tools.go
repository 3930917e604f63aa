package main

import (
	"context"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/runtime"
)

// testTools are the members of t besides its checks.
func testTools(w *builtins.TestWorld, g *goldens) []runtime.Tool {
	return []runtime.Tool{
		tool("golden", func(_ context.Context, args *goldenArgs) (any, error) { return nil, g.check(args) }),
		tool("rego", w.Rego),
		tool("file", w.File),
		tool("registry.image", w.Image),
		tool("registry.fail", func(ctx context.Context, args *builtins.TestRegistryFailure) (any, error) {
			return nil, w.FailRegistry(ctx, args)
		}),
		{Attribute: true, Builtin: runtime.Builtin{
			Name: "registry.writes", Pure: true,
			Call: func(context.Context, runtime.Call) (any, error) { return w.Writes(), nil },
		}},
	}
}

// tool offers a function of one argument struct.
func tool[Args, Result any](name string, fn func(context.Context, *Args) (Result, error)) runtime.Tool {
	return runtime.Tool{Builtin: runtime.Builtin{
		Name: name,
		Args: func() any { return new(Args) },
		Call: func(ctx context.Context, c runtime.Call) (any, error) { return fn(ctx, c.Args.(*Args)) },
	}}
}
