package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// builds compares builds of a fixture into a store that has no image of it.
// The revision differs from run to run, as it does for those who build: nothing
// of an earlier build can be the answer.
func (b *bench) builds(ctx context.Context, runs int, fixture func() (string, error), peers func(sources string) []program, flags ...string) ([]series, error) {
	dir, err := fixture()
	if err != nil {
		return nil, err
	}
	sources := filepath.Join(dir, "policy")
	store := filepath.Join(b.work, "store")
	words := append([]string{b.tools["policy"].path, "build", sources, "-t", "ghcr.io/acme/authz:1"}, flags...)
	ours := program{
		name:    "policy",
		store:   store,
		before:  func(int) error { return b.freshStore(store) },
		command: func(run int) []string { return append(words[:len(words):len(words)], "-r", fmt.Sprintf("r%d", run)) },
		want:    "ghcr.io/acme/authz:1@sha256:",
	}
	return b.alternate(ctx, runs, append([]program{ours}, peers(sources)...)...)
}

// afresh empties a folder, and waits until the disk has nothing to do for others.
func (b *bench) afresh(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	settle()
	return nil
}

// freshStore makes a store without images: what the first use of a machine makes
// is not measured with each run.
func (b *bench) freshStore(root string) error {
	if err := os.RemoveAll(root); err != nil {
		return err
	}
	l, err := newLayout(filepath.Join(root, "policies-root"))
	if err != nil {
		return err
	}
	err = l.close()
	settle()
	return err
}

func (b *bench) opaBuild(sources string) []program {
	t, ok := b.tools["opa"]
	if !ok {
		return nil
	}
	out := filepath.Join(b.work, "opa.tar.gz")
	return []program{{
		name:   "opa",
		before: func(int) error { return b.afresh(out) },
		command: func(run int) []string {
			return []string{t.path, "build", "-b", sources, "-o", out, "-r", fmt.Sprintf("r%d", run)}
		},
	}}
}

// opaBuildDurable is opa's build and the same with a sync: an image of policy is
// on the disk when the build ends, and for a small one that is much of the work.
func (b *bench) opaBuildDurable(sources string) []program {
	programs := b.opaBuild(sources)
	if len(programs) == 0 {
		return nil
	}
	durable := programs[0]
	durable.name = "opa + sync -d"
	durable.command = func(run int) []string {
		words := programs[0].command(run)
		return append([]string{"sh", "-c", `out=$6; "$@" && sync -d "$out"`, "opa"}, words...)
	}
	return append(programs, durable)
}

func buildSmall(ctx context.Context, b *bench) ([]series, error) {
	return b.builds(ctx, 20, b.small, func(sources string) []program {
		return append(b.opaBuildDurable(sources), b.floor())
	})
}

func buildModules(ctx context.Context, b *bench) ([]series, error) {
	return b.builds(ctx, 5, b.modules, b.opaBuild, "--no-cache")
}

func buildData(ctx context.Context, b *bench) ([]series, error) {
	return b.builds(ctx, 7, b.one, b.opaBuild, "--no-cache")
}

func buildHuge(ctx context.Context, b *bench) ([]series, error) {
	return b.builds(ctx, 2, b.huge, b.opaBuild, "--no-cache")
}

func buildAgain(ctx context.Context, b *bench) ([]series, error) {
	dir, err := b.modules()
	if err != nil {
		return nil, err
	}
	sources := filepath.Join(dir, "policy")
	store, err := b.folder("store")
	if err != nil {
		return nil, err
	}
	ours := program{
		name:    "policy",
		store:   store,
		command: always(b.tools["policy"].path, "build", sources, "-t", "ghcr.io/acme/authz:1"),
		want:    "ghcr.io/acme/authz:1@sha256:",
	}
	return b.alternate(ctx, 5, append([]program{ours}, b.opaBuild(sources)...)...)
}
