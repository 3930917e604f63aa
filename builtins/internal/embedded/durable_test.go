package embedded_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policyhost/policy/builtins/internal/embedded"
	"github.com/policyhost/policy/builtins/internal/store"
)

// A blob that is answered with 201 has a durable name: the client may forget it.
func TestCreatedIsDurable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	syncs := &blobSyncs{}
	g := &registry{t, dir, embedded.New(store.New(dir, store.Options{FS: syncs}), embedded.Options{})}
	for i, content := range []string{"new", "another", "new"} { // the last is there already
		g.pushBlob("a", "text/plain", content)
		if n := int(syncs.n.Load()); n != i+1 {
			t.Errorf("%q: %d syncs of the blobs' folder after %d pushes", content, n, i+1)
		}
	}
}

// blobSyncs is the real file system, which counts the syncs of blobs/sha256.
type blobSyncs struct{ n atomic.Int32 }

func (s *blobSyncs) SyncDir(name string) error {
	if filepath.Base(name) == "sha256" {
		s.n.Add(1)
	}
	return nil
}

func (*blobSyncs) OpenFile(name string, flag int, perm fs.FileMode) (store.File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (*blobSyncs) Stat(name string) (fs.FileInfo, error)      { return os.Stat(name) }
func (*blobSyncs) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }
func (*blobSyncs) Mkdir(name string, perm fs.FileMode) error  { return os.Mkdir(name, perm) }
func (*blobSyncs) Rename(from, to string) error               { return os.Rename(from, to) }
func (*blobSyncs) Link(from, to string) error                 { return os.Link(from, to) }
func (*blobSyncs) Remove(name string) error                   { return os.Remove(name) }
func (*blobSyncs) Chtimes(name string, at time.Time) error    { return os.Chtimes(name, at, at) }
