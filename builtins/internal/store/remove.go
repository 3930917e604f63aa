package store

import (
	"context"
	"errors"
	"io/fs"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// Removed is what Remove did.
type Removed struct {
	Entries    []Entry `json:"entries"`
	BytesFreed int64   `json:"bytes_freed"` // 0 when others were at work: prune frees it later
}

// Remove takes the names out of the index, all or none: a name that is not there
// fails with NotFound. Blobs that nothing needs any more are freed at once only
// when nobody else uses the store; else prune does it.
func (s *Store) Remove(ctx context.Context, names ...string) (Removed, error) {
	out := Removed{Entries: []Entry{}}
	if err := s.permits(Removing, names...); err != nil {
		return out, err
	}
	if there, err := s.exists(); err != nil {
		return out, err
	} else if !there {
		return out, missing(names)
	}
	removed := false
	err := s.update(ctx, alreadyDurable, func(ix *index) error {
		gone := make(map[int]bool, len(names))
		wanted := make(map[string]bool, len(names))
		for _, name := range names {
			wanted[name] = true
		}
		found := make(map[string]bool, len(names))
		entries := []Entry{}
		for i := range ix.entries {
			e, err := ix.entry(i)
			if err != nil {
				return s.invalidIndex(err)
			}
			if e.Name == "" || !wanted[e.Name] {
				continue
			}
			gone[i] = true // another tool may have written a name twice
			found[e.Name] = true
			entries = append(entries, e)
		}
		var absent []string
		for _, name := range names {
			if !found[name] {
				absent = append(absent, name)
			}
		}
		if len(absent) > 0 && !removed {
			return missing(absent)
		}
		if !removed {
			out.Entries, removed = entries, true
		}
		ix.drop(gone)
		return nil
	})
	if err != nil {
		return Removed{}, err
	}
	out.BytesFreed = s.free(ctx, out.Entries)
	return out, nil
}

func missing(names []string) error {
	var errs []error
	for _, name := range names {
		errs = append(errs, notStored(name))
	}
	return fault.Join(errs...)
}

// free deletes what only the removed entries reached and returns the bytes. The
// tags are gone durably by now, so that whatever hinders it is left to prune and
// is no error.
func (s *Store) free(ctx context.Context, removed []Entry) int64 {
	l := newLock(s.path(gcLock))
	if ok, err := l.TryLock(); err != nil || !ok {
		return 0
	}
	defer unlock(l)
	signLock(s.path(gcLock))
	garbage := make(reach)
	for _, e := range removed {
		if err := s.walk(ctx, garbage, e.Descriptor); err != nil {
			return 0
		}
	}
	ix, err := s.readIndex(ctx)
	if err != nil {
		return 0
	}
	if s.spare(ctx, ix, garbage) != nil {
		return 0
	}
	var freed int64
	for d := range garbage {
		if d.Validate() != nil {
			continue // a manifest may say anything
		}
		n, err := s.removeBlob(d)
		if err != nil {
			return freed
		}
		freed += n
	}
	return freed
}

// spare takes out of garbage what the index still reaches, and stops as soon as
// nothing is left.
func (s *Store) spare(ctx context.Context, ix *index, garbage reach) error {
	kept := make(reach, 3*len(ix.entries))
	for i := 0; i < len(ix.entries) && len(garbage) > 0; i++ {
		e, err := ix.entry(i)
		if err != nil {
			return err
		}
		if err := s.walk(ctx, kept, e.Descriptor); err != nil {
			return err
		}
		for d := range garbage {
			if kept.has(d) {
				delete(garbage, d)
			}
		}
	}
	return nil
}

// removeBlob returns the bytes it freed, 0 for a blob that is not there.
func (s *Store) removeBlob(d artifact.Digest) (int64, error) {
	path, err := s.blobPath(d)
	if err != nil {
		return 0, err
	}
	info, err := s.fs.Stat(path)
	if err == nil {
		err = s.fs.Remove(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, diskFault("removing a blob", err)
	}
	return info.Size(), nil
}
