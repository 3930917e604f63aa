package store

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/policyhost/policy/builtins/artifact"
)

// PruneReport is what Prune removed.
type PruneReport struct {
	Entries    []Entry `json:"entries"`  // nameless entries
	Blobs      int     `json:"blobs"`    // number of blobs
	Partials   int     `json:"partials"` // number of ingests that were never finished
	BytesFreed int64   `json:"bytes_freed"`
}

// Prune removes what no name reaches and is older than olderThan: blobs, nameless
// entries (except those that refer to an image that stays, such as signatures),
// and unfinished ingests. It waits until nobody else uses the store.
func (s *Store) Prune(ctx context.Context, olderThan time.Duration) (PruneReport, error) {
	out := PruneReport{Entries: []Entry{}}
	if there, err := s.exists(); err != nil || !there {
		return out, err
	}
	l, err := s.lock(ctx, gcLock, true)
	if err != nil {
		return out, lockFault(s.path(gcLock), err)
	}
	defer unlock(l)
	before := s.o.Now().Add(-olderThan)
	var alive reach
	err = s.update(ctx, alreadyDurable, func(ix *index) error {
		dropped, reached, err := s.dropNameless(ctx, ix, before)
		if len(dropped) > 0 {
			out.Entries = dropped
		}
		alive = reached
		return err
	})
	if err != nil {
		return out, err
	}
	if err := s.pruneBlobs(ctx, alive, before, &out); err != nil {
		return out, err
	}
	return out, s.pruneIngest(before, &out)
}

// dropNameless drops the nameless entries nothing needs and returns them, and
// what the others reach.
func (s *Store) dropNameless(ctx context.Context, ix *index, before time.Time) ([]Entry, reach, error) {
	alive := make(reach, 3*len(ix.entries))
	nameless := make(map[int]Entry)
	for i := range ix.entries {
		e, err := ix.entry(i)
		if err != nil {
			return nil, nil, s.invalidIndex(err)
		}
		if e.Name == "" && s.entryTime(e).Before(before) {
			nameless[i] = e
		} else if err := s.walk(ctx, alive, e.Descriptor); err != nil {
			return nil, nil, err
		}
	}
	if err := s.keepReferrers(ctx, nameless, alive); err != nil {
		return nil, nil, err
	}
	gone := make(map[int]bool, len(nameless))
	var dropped []Entry
	for i := range ix.entries {
		if e, ok := nameless[i]; ok {
			gone[i] = true
			dropped = append(dropped, e)
		}
	}
	ix.drop(gone)
	return dropped, alive, nil
}

// keepReferrers moves from nameless to alive whatever refers to something alive:
// a signature, and the signature of the signature.
func (s *Store) keepReferrers(ctx context.Context, nameless map[int]Entry, alive reach) error {
	for again := true; again; {
		again = false
		for i, e := range nameless {
			l, err := s.links(ctx, e.Descriptor)
			if err != nil || !alive.has(e.Digest) && (l.Subject == nil || !alive.has(l.Subject.Digest)) {
				continue // unreadable: it refers to nothing
			}
			if err := s.walk(ctx, alive, e.Descriptor); err != nil {
				return err
			}
			delete(nameless, i)
			again = true
		}
	}
	return nil
}

// entryTime is when an entry came, as far as it can be known.
func (s *Store) entryTime(e Entry) time.Time {
	stored, err := time.Parse(time.RFC3339, e.Annotations[artifact.AnnotationStored])
	if err != nil {
		stored = time.Time{}
	}
	if info, err := s.statBlob(e.Descriptor); err == nil && info != nil && info.ModTime().After(stored) {
		return info.ModTime()
	}
	return stored
}

func (s *Store) pruneBlobs(ctx context.Context, alive reach, before time.Time, out *PruneReport) error {
	return s.eachBlob(ctx, func(d artifact.Digest, info fs.FileInfo) error {
		if alive.has(d) || !info.ModTime().Before(before) {
			return nil
		}
		n, err := s.removeBlob(d)
		if err == nil {
			out.Blobs++
			out.BytesFreed += n
		}
		return err
	}, func(string) {})
}

// eachBlob visits the blobs by digest, and as paths below the store the files in
// blobs/ that are none.
func (s *Store) eachBlob(ctx context.Context, blob func(artifact.Digest, fs.FileInfo) error, stray func(path string)) error {
	algorithms, err := s.readDir(blobsDir)
	if err != nil {
		return err
	}
	for _, a := range algorithms {
		algorithm := digest.Algorithm(a.Name())
		if !a.IsDir() || !algorithm.Available() {
			stray(blobsDir + "/" + a.Name())
			continue
		}
		files, err := s.readDir(blobsDir, a.Name())
		if err != nil {
			return err
		}
		for _, f := range files {
			if err := canceled(ctx, "going through the blobs"); err != nil {
				return err
			}
			d := digest.NewDigestFromEncoded(algorithm, f.Name())
			if d.Validate() != nil || !f.Type().IsRegular() {
				stray(blobsDir + "/" + a.Name() + "/" + f.Name())
				continue
			}
			info, err := f.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // somebody else removed it
			} else if err != nil {
				return diskFault("going through the blobs", err)
			}
			if err := blob(d, info); err != nil {
				return err
			}
		}
	}
	return nil
}

// readDir lists a folder of the store; one that is not there is empty.
func (s *Store) readDir(parts ...string) ([]fs.DirEntry, error) {
	files, err := s.fs.ReadDir(s.path(parts...))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return files, diskFault("going through the store", err)
}

// pruneIngest removes unfinished files. Nobody writes now, so those that cannot
// be resumed are dead whatever their age.
func (s *Store) pruneIngest(before time.Time, out *PruneReport) error {
	files, err := s.readDir(ingestDir)
	if err != nil {
		return err
	}
	for _, f := range files {
		info, err := f.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return diskFault("going through the store", err)
		}
		resumable := strings.HasSuffix(f.Name(), partSuffix)
		if !info.Mode().IsRegular() || f.Name() == indexFile || f.Name() == layoutFile || resumable && !info.ModTime().Before(before) {
			continue
		}
		if err := s.fs.Remove(s.path(ingestDir, f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return diskFault("removing an unfinished blob", err)
		}
		out.Partials++
		out.BytesFreed += info.Size()
	}
	return nil
}
