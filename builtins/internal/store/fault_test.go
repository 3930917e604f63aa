package store_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// faultFS is the real file system whose k-th operation fails.
type faultFS struct {
	mu    sync.Mutex
	at    int   // which operation fails, from 1; 0: none
	on    bool  // and all after it, as when the process is killed there
	short bool  // a write leaves half of its bytes before it fails
	err   error // how it fails
	n     int
	log   []string
}

// fail counts one operation and returns its error.
func (f *faultFS) fail(format string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	f.log = append(f.log, fmt.Sprintf(format, args...))
	if f.at > 0 && (f.n == f.at || f.on && f.n > f.at) {
		return f.err
	}
	return nil
}

func (f *faultFS) OpenFile(name string, flag int, perm fs.FileMode) (store.File, error) {
	if err := f.fail("open %s", name); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	file, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &faultFile{file, f}, nil
}

func (f *faultFS) Stat(name string) (fs.FileInfo, error) {
	if err := f.fail("stat %s", name); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return os.Stat(name)
}

func (f *faultFS) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := f.fail("readdir %s", name); err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return os.ReadDir(name)
}

func (f *faultFS) Mkdir(name string, perm fs.FileMode) error {
	if err := f.fail("mkdir %s", name); err != nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: err}
	}
	return os.Mkdir(name, perm)
}

func (f *faultFS) Rename(from, to string) error {
	if err := f.fail("rename %s %s", from, to); err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return os.Rename(from, to)
}

func (f *faultFS) Link(from, to string) error {
	if err := f.fail("link %s %s", from, to); err != nil {
		return &os.LinkError{Op: "link", Old: from, New: to, Err: err}
	}
	return os.Link(from, to)
}

func (f *faultFS) Remove(name string) error {
	if err := f.fail("remove %s", name); err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	return os.Remove(name)
}

func (f *faultFS) Chtimes(name string, at time.Time) error {
	if err := f.fail("chtimes %s", name); err != nil {
		return &fs.PathError{Op: "chtimes", Path: name, Err: err}
	}
	return os.Chtimes(name, at, at)
}

func (f *faultFS) SyncDir(name string) error {
	if err := f.fail("syncdir %s", name); err != nil {
		return &fs.PathError{Op: "sync", Path: name, Err: err}
	}
	return nil // what is tested is what becomes of the error
}

type faultFile struct {
	*os.File
	fs *faultFS
}

func (f *faultFile) Read(p []byte) (int, error) {
	if err := f.fs.fail("read %s", f.Name()); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

func (f *faultFile) ReadAt(p []byte, offset int64) (int, error) {
	if err := f.fs.fail("readat %s", f.Name()); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, offset)
}

func (f *faultFile) WriteAt(p []byte, offset int64) (int, error) {
	if err := f.fs.fail("write %s", f.Name()); err != nil {
		if f.fs.short {
			n, _ := f.File.WriteAt(p[:len(p)/2], offset)
			return n, err
		}
		return 0, err
	}
	return f.File.WriteAt(p, offset)
}

func (f *faultFile) Stat() (fs.FileInfo, error) {
	if err := f.fs.fail("fstat %s", f.Name()); err != nil {
		return nil, err
	}
	return f.File.Stat()
}

func (f *faultFile) Truncate(size int64) error {
	if err := f.fs.fail("truncate %s", f.Name()); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *faultFile) Chmod(mode fs.FileMode) error {
	if err := f.fs.fail("chmod %s", f.Name()); err != nil {
		return err
	}
	return f.File.Chmod(mode)
}

func (f *faultFile) Sync() error {
	if err := f.fs.fail("sync %s", f.Name()); err != nil {
		return err
	}
	return nil // nothing is lost without it, as long as the machine runs
}

func (f *faultFile) Close() error {
	err := f.fs.fail("close %s", f.Name())
	return errors.Join(err, f.File.Close()) // a failed close closes
}

// Whatever operation fails, and however, the old image stays, nothing that was
// acknowledged is lost, and the next command needs no cure.
func TestEveryOperationFails(t *testing.T) {
	t.Parallel()
	for _, mode := range []struct {
		name      string
		err       error
		on, short bool
		sparse    bool // every fifth operation is enough, but for the soak
		kind      fault.Kind
	}{
		{"EIO", syscall.EIO, false, false, false, fault.Unavailable},
		{"ENOSPC, short write", syscall.ENOSPC, false, true, false, fault.Unavailable},
		{"EMFILE", syscall.EMFILE, false, false, true, fault.Unavailable},
		{"EACCES", syscall.EACCES, false, false, true, fault.Denied},
		{"killed", syscall.EIO, true, false, true, fault.Unavailable},
		{"killed in a write", syscall.EIO, true, true, false, fault.Unavailable},
	} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			step := 1
			if mode.sparse && !soak() {
				step = 5
			}
			for k := 1; ; k += step {
				ffs := &faultFS{at: k, on: mode.on, short: mode.short, err: mode.err}
				if done := failOnce(t, ffs, mode.kind); done {
					if k < 60 {
						t.Fatalf("only %d operations: the test does not reach the store", k)
					}
					return
				}
			}
		})
	}
}

// failOnce runs a command's worth of work over a store whose k-th operation
// fails. It reports true when the work has fewer operations than that.
func failOnce(t *testing.T, ffs *faultFS, kind fault.Kind) (done bool) {
	t.Helper()
	ctx, dir := t.Context(), filepath.Join(t.TempDir(), "root")
	real := store.New(dir, store.Options{FS: &faultFS{}}) // which does not sync: 700 rounds
	old := mustBuild(t, real, "x/old:1", "old layer")
	mustBuild(t, real, "x/gone:1", "this goes")
	s := store.New(dir, store.Options{FS: ffs})
	_, errBuild := build(ctx, s, "x/new:1", []byte(strings.Repeat("new layer", 2000)))
	_, errRemove := s.Remove(ctx, "x/gone:1")
	_, errPrune := s.Prune(ctx, -time.Hour)
	failed := ""
	if ffs.n >= ffs.at {
		failed = strings.ReplaceAll(ffs.log[ffs.at-1], dir, "")
	}

	for _, err := range []error{errBuild, errRemove, errPrune} {
		if err == nil {
			continue
		}
		if f, ok := errors.AsType[*fault.Error](err); !ok || f.Kind != kind {
			t.Fatalf("%s: %v, want kind %v", failed, err, kind)
		}
		if !errors.Is(err, ffs.err) {
			t.Fatalf("%s: the cause is lost in %v", failed, err)
		}
	}
	if strings.HasPrefix(failed, "sync") && errBuild == nil && errRemove == nil && errPrune == nil {
		t.Fatalf("%s: acknowledged, but not durable", failed)
	}
	wantSound(t, real)
	have := make(map[string]bool)
	for _, name := range names(t, real) {
		have[name] = true
	}
	switch {
	case !have["x/old:1"]:
		t.Fatalf("%s: the old image is lost", failed)
	case errBuild == nil && !have["x/new:1"]:
		t.Fatalf("%s: acknowledged and lost", failed)
	case errRemove == nil && have["x/gone:1"]:
		t.Fatalf("%s: acknowledged and still there", failed)
	}
	if err := real.Verify(ctx, old.layer); err != nil {
		t.Fatalf("%s: %v", failed, err)
	}
	mustBuild(t, real, "x/new:1", strings.Repeat("new layer", 2000))
	if _, err := real.Prune(ctx, -time.Hour); err != nil {
		t.Fatalf("%s: prune afterwards: %v", failed, err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "ingest")); err != nil || len(left) > 0 {
		for _, f := range left {
			if f.Name() != "index.json" && f.Name() != "oci-layout" { // written anew each time
				t.Fatalf("%s: left in ingest: %v", failed, f.Name())
			}
		}
	}
	wantSound(t, real)
	return failed == ""
}

// Without room nothing of a try stays behind, resumable or not.
func TestNoSpaceLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "root")
	real := store.New(dir, store.Options{})
	mustBuild(t, real, "x/old:1", "old")
	for k := 1; ; k++ {
		ffs := &faultFS{at: k, err: syscall.ENOSPC, short: true}
		_, err := build(context.Background(), store.New(dir, store.Options{FS: ffs}), "x/new:1", []byte(strings.Repeat("x", 50_000)))
		if err == nil && ffs.n < k {
			break
		}
		left, _ := os.ReadDir(filepath.Join(dir, "ingest"))
		if len(left) > 0 {
			t.Fatalf("%s: left %v", ffs.log[k-1], left[0].Name())
		}
		if err == nil {
			if _, err := real.Remove(t.Context(), "x/new:1"); err != nil {
				t.Fatal(err)
			}
		} else if f := fault.Of(err); f.Hint == "" {
			t.Fatalf("no hint: %v", err)
		}
	}
}

// The index is rewritten in place by a tool that knows no lock, just before our
// rename: its change and ours must both be there.
func TestForeignWriterBetween(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "root")
	real := store.New(dir, store.Options{})
	img := mustBuild(t, real, "x/old:1", "old")
	path := filepath.Join(dir, "index.json")
	foreign := &foreignFS{FS: &faultFS{}, write: func() {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		line := fmt.Sprintf(`{"digest":%q,"size":%d,"annotations":{"org.opencontainers.image.ref.name":"x/foreign:1"}},`, img.manifest.Digest, img.manifest.Size)
		if err := os.WriteFile(path, []byte(strings.Replace(string(b), `[`, `[`+line, 1)), 0o644); err != nil {
			t.Error(err)
		}
	}}
	s := store.New(dir, store.Options{FS: foreign})
	tx, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	if err := tx.Tag(t.Context(), store.Entry{Name: "x/new:1", Descriptor: img.manifest}); err != nil {
		t.Fatal(err)
	}
	wantNames(t, real, "x/foreign:1", "x/old:1", "x/new:1")
}

// A tool that read the index before us writes it after us, while we make it
// durable: our change is not acknowledged before it is there again.
func TestForeignWriterAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		work func(ctx context.Context, s *store.Store, img image) error
		want []string
	}{
		{"build", func(ctx context.Context, s *store.Store, _ image) error {
			_, err := build(ctx, s, "x/new:1", []byte("new"))
			return err
		}, []string{"x/a:1", "x/b:1", "x/new:1"}},
		{"no clobber", func(ctx context.Context, s *store.Store, img image) error {
			tx, err := s.Begin(ctx)
			if err != nil {
				return err
			}
			defer tx.Close()
			return tx.TagIf(ctx, store.Entry{Name: "x/new:1", Descriptor: img.manifest}, func(old *store.Entry) error {
				if old != nil {
					return fault.New(fault.Conflict, "x/new:1", "exists")
				}
				return nil
			})
		}, []string{"x/a:1", "x/b:1", "x/new:1"}},
		{"remove", func(ctx context.Context, s *store.Store, _ image) error {
			got, err := s.Remove(ctx, "x/b:1")
			if err == nil && len(got.Entries) != 1 {
				return fmt.Errorf("removed %d", len(got.Entries))
			}
			return err
		}, []string{"x/a:1"}},
	} {
		for _, again := range []bool{false, true} { // or it only writes what we wrote
			t.Run(fmt.Sprint(c.name, again), func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "root")
				real := store.New(dir, store.Options{})
				img := mustBuild(t, real, "x/a:1", "a")
				mustBuild(t, real, "x/b:1", "b")
				path := filepath.Join(dir, "index.json")
				stale, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				foreign := &foreignFS{FS: &faultFS{}, after: func() {
					b := stale
					if again {
						if b, err = os.ReadFile(path); err != nil {
							t.Error(err)
						}
					}
					if err := errors.Join(os.WriteFile(path+".new", b, 0o644), os.Rename(path+".new", path)); err != nil {
						t.Error(err)
					}
				}}
				if err := c.work(t.Context(), store.New(dir, store.Options{FS: foreign}), img); err != nil {
					t.Fatal(err)
				}
				if foreign.after != nil {
					t.Fatal("the other tool was not at work")
				}
				wantNames(t, real, c.want...)
				wantSound(t, real)
			})
		}
	}
}

// A file system without hard links has a previous generation, too; and a link
// that another tool's rename spoils is made again.
func TestIndexWithoutLinks(t *testing.T) {
	t.Parallel()
	for _, no := range []error{syscall.EPERM, syscall.ENOTSUP, syscall.EMLINK, syscall.ENOENT} {
		dir := filepath.Join(t.TempDir(), "root")
		mustBuild(t, store.New(dir, store.Options{}), "x/a:1", "a")
		path := filepath.Join(dir, "index.json")
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s := store.New(dir, store.Options{FS: &foreignFS{FS: &faultFS{}, noLink: no}})
		mustBuild(t, s, "x/b:1", "b")
		wantNames(t, s, "x/a:1", "x/b:1")
		if b, err := os.ReadFile(path + ".previous"); err != nil || string(b) != string(before) {
			t.Errorf("%v: previous generation: %s, %v", no, b, err)
		}
	}
}

// foreignFS lets another tool write once: when the new index is ready, or when
// it has just got its name.
type foreignFS struct {
	store.FS
	write, after func()
	noLink       error // how the first Link fails
}

func (f *foreignFS) Link(from, to string) error {
	if f.noLink != nil {
		err := f.noLink
		f.noLink = nil
		return &os.LinkError{Op: "link", Old: from, New: to, Err: err}
	}
	err := f.FS.Link(from, to)
	if f.write != nil {
		f.write()
		f.write = nil
	}
	return err
}

func (f *foreignFS) Rename(from, to string) error {
	err := f.FS.Rename(from, to)
	if f.after != nil && filepath.Base(to) == "index.json" {
		f.after()
		f.after = nil
	}
	return err
}
