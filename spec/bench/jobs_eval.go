package main

import (
	"context"
	"path/filepath"
)

// evals compares one decision of a fixture's policy: from an image of the store,
// from the tarball of its bundle, and by opa from the same tarball; more are
// programs to put beside them.
func (b *bench) evals(ctx context.Context, runs int, fixture func() (string, error), query string, more ...program) ([]series, error) {
	const ref = "ghcr.io/acme/authz:1"
	dir, err := fixture()
	if err != nil {
		return nil, err
	}
	store, err := b.folder("store")
	if err != nil {
		return nil, err
	}
	policy, input, tarball := b.tools["policy"].path, filepath.Join(dir, "input.json"), filepath.Join(b.work, "bundle.tar.gz")
	for _, words := range [][]string{
		{policy, "build", filepath.Join(dir, "policy"), "-t", ref},
		{policy, "save", ref, "-f", tarball},
	} {
		if _, err := b.once(ctx, program{store: store}, 0, words); err != nil {
			return nil, err
		}
	}
	settle()
	programs := []program{
		{name: "policy", store: store, want: "true", command: always(policy, "eval", ref, query, "-i", input)},
		{name: "policy, of a tarball", store: store, want: "true", command: always(policy, "eval", tarball, query, "-i", input)},
	}
	if t, ok := b.tools["opa"]; ok {
		programs = append(programs, program{name: "opa", want: "true", command: always(t.path, "eval", "-b", tarball, "-i", input, "-f", "raw", query)})
	}
	return b.alternate(ctx, runs, append(programs, more...)...)
}

func evalSmall(ctx context.Context, b *bench) ([]series, error) {
	return b.evals(ctx, 20, b.small, "data.authz.allow", b.floor())
}

func evalData(ctx context.Context, b *bench) ([]series, error) {
	return b.evals(ctx, 7, b.one, "data.authz.allow")
}

func evalModules(ctx context.Context, b *bench) ([]series, error) {
	return b.evals(ctx, 7, b.modules, "data.bench.m007.allow")
}

func evalAllModules(ctx context.Context, b *bench) ([]series, error) {
	return b.evals(ctx, 7, b.modules, "data.bench.all.allow")
}
