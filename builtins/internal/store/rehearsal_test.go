package store_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// TestRehearse holds that a rehearsal begins as the store is, goes its own way,
// counts what it would free, and leaves every byte of the store as it was.
func TestRehearse(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	world := store.New(dir, store.Options{})
	put := func(s *store.Store, name, content string) artifact.Descriptor {
		t.Helper()
		tx, err := s.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Close()
		d, err := tx.Put(ctx, "text/plain", []byte(content))
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Tag(ctx, store.Entry{Name: name, Descriptor: d}); err != nil {
			t.Fatal(err)
		}
		return d
	}
	old := put(world, "old", "what was there")
	before := files(t, dir)

	here, everything, err := world.Rehearse(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	added := put(here, "new", "what would be new")
	if b, err := here.Read(ctx, old, 100); err != nil || string(b) != "what was there" {
		t.Errorf("the rehearsal reads %q, %v of the store", b, err)
	}
	removed, err := here.Remove(ctx, "old", "new")
	if want := old.Size + added.Size; err != nil || removed.BytesFreed != want {
		t.Errorf("removing frees %d bytes, %v; want %d", removed.BytesFreed, err, want)
	}
	for _, d := range []artifact.Descriptor{old, added} {
		if _, err := here.Open(ctx, d); !errors.Is(err, fault.NotFound) {
			t.Errorf("what was removed opens: %v", err)
		}
		if b, err := everything.Read(ctx, d, 100); err != nil {
			t.Errorf("what was removed cannot be read any more: %q, %v", b, err)
		}
	}
	put(here, "again", "what was there")
	if _, err := here.Read(ctx, old, 100); err != nil {
		t.Errorf("what was removed and put again: %v", err)
	}
	if !maps.Equal(before, files(t, dir)) {
		t.Error("the rehearsal changed the store")
	}

	nothing := filepath.Join(dir, "nothing")
	here, _, err = store.New(nothing, store.Options{}).Rehearse(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	put(here, "first", "x")
	if _, err := os.Stat(nothing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the rehearsal of no store made one: %v", err)
	}
}

func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		all[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
