package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// save writes an image of 210 MB to a file. The raw rate is that of cp.
func save(ctx context.Context, b *bench) ([]series, error) {
	const ref = "ghcr.io/acme/authz:1"
	single, err := b.single(210_000_000)
	if err != nil {
		return nil, err
	}
	image, err := theImage(single)
	if err != nil {
		return nil, err
	}
	layer, err := layerOf(single, image)
	if err != nil {
		return nil, err
	}
	store, err := b.folder("store")
	if err != nil {
		return nil, err
	}
	if err := adopt(single, store, ref); err != nil {
		return nil, err
	}
	w := &wire{bench: b, single: single, layer: layer}
	out := filepath.Join(b.work, "saved.tar.gz")
	empty := func(int) error { return b.afresh(out) }
	return b.alternate(ctx, 7, append([]program{
		{name: "policy", store: store, before: empty, command: always(b.tools["policy"].path, "save", ref, "-f", out)},
		{name: "cp", before: empty, command: always("cp", w.blob(), out)},
		{name: "cp + sync -d", before: empty, command: always("sh", "-c", `cp "$1" "$2" && sync -d "$2"`, "cp", w.blob(), out)},
	}, b.yardstick()...)...)
}

// full is a store of this run with n images.
func (b *bench) full(n int) (store string, restore func(int) error, err error) {
	fixture, err := b.crowd(n)
	if err != nil {
		return "", nil, err
	}
	store, err = b.folder("store")
	if err != nil {
		return "", nil, err
	}
	from, to := filepath.Join(fixture, "policies-root"), filepath.Join(store, "policies-root")
	if err := b.freshStore(store); err != nil {
		return "", nil, err
	}
	if err := linkBlobs(from, to); err != nil {
		return "", nil, err
	}
	// A copy: what changes in the store must not change in the fixture.
	restore = func(int) error {
		for _, name := range []string{"oci-layout", "index.json"} {
			if err := copyFile(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
				return err
			}
		}
		settle()
		return nil
	}
	return store, restore, restore(0)
}

func copyFile(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return create(to, func(w io.Writer) error {
		_, err := io.Copy(w, f)
		return err
	})
}

// tag gives an image in the middle of the store a name that is new.
func tag(n int) func(context.Context, *bench) ([]series, error) {
	return func(ctx context.Context, b *bench) ([]series, error) {
		store, restore, err := b.full(n)
		if err != nil {
			return nil, err
		}
		source := fmt.Sprintf("ghcr.io/acme/policy-%d:1.%d", n/2%50, n/2)
		return b.alternate(ctx, 20, append([]program{{
			name: "policy", store: store, before: restore, want: "ghcr.io/acme/stable:1@sha256:",
			command: always(b.tools["policy"].path, "tag", source, "ghcr.io/acme/stable:1"),
		}, b.start()}, b.yardstick()...)...)
	}
}

func images(n int) func(context.Context, *bench) ([]series, error) {
	return func(ctx context.Context, b *bench) ([]series, error) {
		store, _, err := b.full(n)
		if err != nil {
			return nil, err
		}
		return b.alternate(ctx, 20, append([]program{{
			name: "policy", store: store, want: fmt.Sprintf("1.%d\t", n-1),
			command: always(b.tools["policy"].path, "images"),
		}, b.start()}, b.yardstick()...)...)
	}
}

// start is what no command of ours can be faster than.
func (b *bench) start() program {
	return program{name: "start", command: always(b.tools["policy"].path, "version")}
}
