package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Rehearse returns a store in the empty folder dir that begins as s is now and
// goes its own way from there: what is written or removed in it stays in dir, and
// s is only read. Blobs are not copied; they are read from s until the rehearsal
// has its own. The second store is the same folder seen without the removals, so
// that content can still be read which the rehearsal has let go of. It fails when
// the index of s cannot be read or dir cannot be written.
func (s *Store) Rehearse(dir string) (rehearsal, everything *Store, err error) {
	for _, name := range []string{layoutFile, indexFile, previousFile} {
		b, err := os.ReadFile(s.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			return nil, nil, diskFault("rehearsing in a copy of the index", err)
		}
	}
	over := func(keep bool) *Store {
		o := s.o
		o.FS = &overFS{FS: s.fs, upper: dir, lower: s.dir, keep: keep, gone: map[string]bool{}}
		return New(dir, o)
	}
	return over(false), over(true), nil
}

// overFS is the file system of a rehearsal: blobs that the upper folder lacks are
// read from the lower one, which is never written. Blobs are never deleted, only
// remembered as gone.
type overFS struct {
	FS
	upper, lower string
	keep         bool // nothing is ever gone

	mu   sync.Mutex
	gone map[string]bool
}

// below is where a blob lies in the lower folder, "" for all other files.
func (o *overFS) below(name string) string {
	rest, ok := strings.CutPrefix(name, filepath.Join(o.upper, blobsDir)+string(filepath.Separator))
	if !ok || filepath.Dir(rest) == "." {
		return ""
	}
	return filepath.Join(o.lower, blobsDir, rest)
}

func (o *overFS) isGone(name string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.gone[name] && !o.keep
}

func (o *overFS) setGone(name string, gone bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gone[name] = gone
}

func (o *overFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	below := o.below(name)
	if below == "" || flag != os.O_RDONLY {
		return o.FS.OpenFile(name, flag, perm)
	}
	if o.isGone(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	f, err := o.FS.OpenFile(name, flag, perm)
	if errors.Is(err, fs.ErrNotExist) {
		return o.FS.OpenFile(below, flag, perm)
	}
	return f, err
}

func (o *overFS) Stat(name string) (fs.FileInfo, error) {
	below := o.below(name)
	if below != "" && o.isGone(name) {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	info, err := o.FS.Stat(name)
	if below != "" && errors.Is(err, fs.ErrNotExist) {
		return o.FS.Stat(below)
	}
	return info, err
}

func (o *overFS) Rename(from, to string) error {
	if err := o.FS.Rename(from, to); err != nil {
		return err
	}
	o.setGone(to, false)
	return nil
}

func (o *overFS) Remove(name string) error {
	if o.below(name) == "" {
		return o.FS.Remove(name)
	}
	if _, err := o.Stat(name); err != nil {
		return err
	}
	o.setGone(name, true)
	return nil
}

func (o *overFS) Chtimes(name string, at time.Time) error {
	if o.below(name) != "" {
		return nil // nothing of a rehearsal grows old
	}
	return o.FS.Chtimes(name, at)
}

// SyncDir does nothing: a rehearsal need not survive the machine.
func (o *overFS) SyncDir(string) error { return nil }
