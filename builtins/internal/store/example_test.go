package store_test

import (
	"context"
	"fmt"
	"os"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
)

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	s := store.New(dir, store.Options{})

	// Write: blobs first, then the name, durable when Tag returns.
	tx, err := s.Begin(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := tx.Put(ctx, artifact.MediaTypeManifest, []byte(`{"schemaVersion":2}`))
	if err == nil {
		err = tx.Tag(ctx, store.Entry{Name: "ghcr.io/acme/authz:1.0", Descriptor: d})
	}
	if err := tx.Close(); err != nil {
		fmt.Println(err)
	}
	if err != nil {
		fmt.Println(err)
		return
	}

	// Read: from the name to the last byte nothing vanishes.
	hold, err := s.Hold(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := s.Get(ctx, "ghcr.io/acme/authz:1.0")
	if err == nil {
		var manifest []byte
		manifest, err = s.Read(ctx, e.Descriptor, 4<<20)
		fmt.Println(string(manifest), err)
	}
	if err := hold.Close(); err != nil {
		fmt.Println(err)
	}
	// Output: {"schemaVersion":2} <nil>
}
