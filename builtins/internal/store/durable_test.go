package store_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins/internal/store"
)

// A machine may lose power at any moment, and then keeps of what was not synced
// whatever it likes: so the index must not get its name before the bytes and the
// names of all it leads to are on the disk.
func TestIndexComesAfterWhatItNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, first string
		syncs       int
	}{
		{"a new store", "", 12},                   // its folders, layout and config, too
		{"new layer, config there", "x/old:1", 5}, // layer, manifest, their folder, index, its folder
		{"everything there", "x/new:1", 2},        // the folders: who wrote it may not have got that far
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "root")
			if c.first != "" {
				mustBuild(t, store.New(dir, store.Options{}), c.first, c.first)
			}
			ffs := &faultFS{}
			mustBuild(t, store.New(dir, store.Options{FS: ffs}), "x/new:1", "x/new:1")
			wantDurable(t, ffs.log, dir)
			syncs := 0
			for _, op := range ffs.log {
				if strings.HasPrefix(op, "sync") {
					syncs++
				}
			}
			if syncs != c.syncs {
				t.Errorf("%d syncs, want %d:\n%s", syncs, c.syncs, strings.Join(ffs.log, "\n"))
			}
		})
	}
}

// wantDurable goes through what was done and refuses a name that stands before
// what it promises.
func wantDurable(t *testing.T, log []string, dir string) {
	t.Helper()
	blobs, index := filepath.Join(dir, "blobs", "sha256"), filepath.Join(dir, "index.json")
	synced := map[string]bool{} // files and folders of which all is on the disk
	for _, op := range log {
		words := strings.Fields(op)
		switch words[0] {
		case "write":
			synced[words[1]] = false
		case "sync", "syncdir":
			synced[words[1]] = true
		case "rename":
			from, to := words[1], words[2]
			if !synced[from] {
				t.Errorf("%s gets its name before its bytes are on the disk", filepath.Base(to))
			}
			if to == index && !synced[blobs] {
				t.Error("the index gets its name before the blobs' names are on the disk")
			}
			synced[filepath.Dir(to)] = false
		}
	}
	if !synced[dir] || !synced[blobs] {
		t.Error("acknowledged before the names are on the disk")
	}
}
