package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/policyhost/policy/runtime/fault"
)

// A tool that knows no lock may rewrite index.json in place. Reading half of it
// is then a matter of milliseconds, after which it is whole or really damaged.
const (
	readTries  = 5
	readPause  = 10 * time.Millisecond
	writeTries = 50
)

// readIndex reads and cuts the index. A store or an index that is not there is
// empty; anything else that hinders reading is a fault. Others may read the same:
// who changes it takes a clone.
func (s *Store) readIndex(ctx context.Context) (*index, error) {
	ix, _, err := s.readGeneration(ctx)
	return ix, err
}

func (s *Store) readGeneration(ctx context.Context) (*index, fs.FileInfo, error) {
	for try := 1; ; try++ {
		if err := canceled(ctx, "reading the store"); err != nil {
			return nil, nil, err
		}
		if last := s.recall(); last != nil {
			return last.index, last.generation, nil
		}
		b, generation, err := s.readFile(s.path(indexFile))
		switch {
		case err == nil:
			var ix *index
			if ix, err = parseIndex(b); err == nil {
				s.remember(ix, generation)
				return ix, generation, nil
			}
			err = s.invalidIndex(err)
		case errors.Is(err, fs.ErrNotExist):
			return emptyIndex(), nil, nil
		case !errors.Is(err, errChanged):
			return nil, nil, diskFault("reading the index", err)
		default:
			err = fault.New(fault.Unavailable, fmt.Sprintf("%q", s.path(indexFile)), "reading the index: %w", err)
		}
		if try == readTries {
			return nil, nil, err
		}
		pause(ctx, readPause)
	}
}

// update changes the index: alone, on its newest generation, and durable when it
// returns. What it names must be on the disk before it takes its place, but not
// before it is written beside it: durable waits for that. change is called again,
// also after it was written once, when another tool wrote meanwhile: it must then
// find its work done, or do it again.
func (s *Store) update(ctx context.Context, durable func() error, change func(*index) error) error {
	// The lock is polled for, and its holder told after a while: among ourselves
	// one comes after the other.
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return canceled(ctx, "waiting for the store")
	}
	l, err := s.lock(ctx, indexLock, true)
	if err != nil {
		return lockFault(s.path(indexLock), err)
	}
	defer unlock(l)
	if _, err := s.healLayout(); err != nil {
		return err
	}
	for range writeTries {
		ix, generation, err := s.readGeneration(ctx)
		if err != nil {
			return err
		}
		ix = ix.clone()
		if err := change(ix); err != nil {
			return err
		}
		if !ix.dirty {
			// Who wrote this may have been killed before it was durable.
			if err := durable(); err != nil {
				return err
			}
			return diskFault("syncing the store", s.fs.SyncDir(s.dir))
		}
		if err := canceled(ctx, "writing the index"); err != nil {
			return err
		}
		err = s.writeIndex(ix, generation, previousFile, durable)
		if !errors.Is(err, errChanged) {
			return diskFault("writing the index", err)
		}
	}
	return fault.New(fault.Conflict, fmt.Sprintf("%q", s.path(indexFile)),
		"another tool keeps changing it").WithHint("end the other tool, or try again")
}

// alreadyDurable is for changes that name nothing new.
func alreadyDurable() error { return nil }

// writeIndex puts a new index in the place of the given generation (nil: there
// was none) and keeps the old one as backup. It fails with errChanged when
// another generation stands there by now: before, so that the other tool's
// change is not lost, and after, so that ours is not.
func (s *Store) writeIndex(ix *index, generation fs.FileInfo, backup string, durable func() error) error {
	temp, name := s.path(ingestDir, indexFile), s.path(indexFile)
	if err := s.makeDir(s.path(ingestDir)); err != nil {
		return err
	}
	err := s.writeTemp(temp, ix.write)
	var ours fs.FileInfo
	if err == nil {
		ours, err = s.fs.Stat(temp)
	}
	if err == nil && generation != nil {
		err = s.keep(s.path(backup))
	}
	if err == nil {
		err = durable()
	}
	if err == nil {
		err = s.unchanged(generation)
	}
	if err == nil {
		err = s.fs.Rename(temp, name)
	}
	if err != nil {
		_ = s.fs.Remove(temp) // the error that counts is the first
		return err
	}
	if err := s.fs.SyncDir(s.dir); err != nil {
		return err
	}
	// A tool that had read the index before us may have written it since. It is
	// seen while the sync took its time; what comes later no lock can prevent.
	return s.unchanged(ours)
}

// keep gives the index of now a second name. A hard link is enough, since the
// index is never written in place.
func (s *Store) keep(backup string) error {
	if err := s.fs.Remove(backup); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := s.fs.Link(s.path(indexFile), backup)
	if errors.Is(err, fs.ErrNotExist) {
		return errChanged // Linux says so, too, when another is just renaming over it
	}
	if err == nil || !noLinks(err) {
		return err
	}
	b, _, err := s.readFile(s.path(indexFile))
	if err != nil {
		return err
	}
	return s.writeTemp(backup, content(b))
}

func (s *Store) unchanged(generation fs.FileInfo) error {
	now, err := s.fs.Stat(s.path(indexFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if generation != nil {
			return errChanged
		}
		return nil
	case err != nil:
		return err
	case generation == nil || !sameFile(generation, now):
		return errChanged
	}
	return nil
}

const layoutContent = `{"imageLayoutVersion":"1.0.0"}`

// healLayout writes oci-layout where it is missing or cut short, and refuses a
// version we do not know. The index lock must be held. It reports whether it
// wrote.
func (s *Store) healLayout() (bool, error) {
	b, _, err := s.readFile(s.path(layoutFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errChanged) {
		return false, diskFault("reading the layout", err)
	}
	var layout struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err == nil && json.Unmarshal(b, &layout) == nil && layout.Version != "" {
		if layout.Version != "1.0.0" {
			return false, fault.New(fault.Invalid, fmt.Sprintf("%q", s.path(layoutFile)),
				"image layout version %q is not known", layout.Version).WithHint("it needs a newer policy, or another POLICY_FILE_STORE_ROOT")
		}
		return false, nil
	}
	err = s.makeDir(s.path(ingestDir))
	if err == nil {
		err = s.writeFile(s.path(ingestDir, layoutFile), s.path(layoutFile), []byte(layoutContent))
	}
	return err == nil, diskFault("writing the layout", err)
}
