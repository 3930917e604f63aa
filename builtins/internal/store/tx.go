package store

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// Tx is a writer. From Begin to Close nothing is pruned, so what it found or put
// is still there when it tags. Several goroutines may put at once.
type Tx struct {
	s      *Store
	hold   *Hold
	closed atomic.Bool

	mu    sync.Mutex
	named map[string]bool // folders with names that may not be durable yet
}

// Begin starts writing and makes the store's folders where they are missing. It
// fails with Denied where we may not, with Conflict when the lock did not come
// within the lock timeout. Close must be called.
func (s *Store) Begin(ctx context.Context) (*Tx, error) {
	for _, dir := range []string{ingestDir, blobsDir + "/" + string(digest.Canonical)} {
		if err := s.makeDir(s.path(filepath.FromSlash(dir))); err != nil {
			return nil, diskFault("making the store", err)
		}
	}
	l, err := s.lock(ctx, gcLock, false)
	if err != nil {
		return nil, lockFault(s.path(gcLock), err)
	}
	return &Tx{s: s, hold: &Hold{l}, named: map[string]bool{}}, nil
}

// Close ends the transaction. What was tagged stays; blobs without a tag are
// left to prune. A second Close does nothing.
func (t *Tx) Close() error {
	if t.closed.Swap(true) {
		return nil
	}
	return t.hold.Close()
}

func (t *Tx) open() error {
	if t.closed.Load() {
		return fault.New(fault.Internal, t.s.dir, "the transaction is closed")
	}
	return nil
}

// Has reports whether the blob is there with the size d gives (0 or less: any),
// and keeps it young: prune spares it for another day even without a tag.
func (t *Tx) Has(ctx context.Context, d artifact.Descriptor) bool {
	info, err := t.s.statBlob(d)
	if err != nil || info == nil {
		return false
	}
	t.reuse(d.Digest, info)
	return true
}

// reuse takes a blob that is there already. Who wrote it may have been killed
// before its name was durable, and prune shall take it for a young one; it may
// belong to somebody else, so failing at that is no error.
func (t *Tx) reuse(d artifact.Digest, info fs.FileInfo) {
	t.names(d)
	now := t.s.o.Now()
	if now.Sub(info.ModTime()) < time.Hour {
		return
	}
	if path, err := t.s.blobPath(d); err == nil {
		_ = t.s.fs.Chtimes(path, now)
	}
}

// names remembers that the name of a blob must be made durable.
func (t *Tx) names(d artifact.Digest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.named[d.Algorithm().String()] = true
}

// Sync makes everything durable that was put or found so far. Tag does so by
// itself; who acknowledges a blob before it has a name in the index calls it.
func (t *Tx) Sync() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for algorithm := range t.named {
		if err := t.s.fs.SyncDir(t.s.path(blobsDir, algorithm)); err != nil {
			return diskFault("syncing the blobs", err)
		}
		delete(t.named, algorithm)
	}
	return nil
}

// syncing is Sync on its own goroutine; the function it returns waits for it.
func (t *Tx) syncing() func() error {
	done := make(chan error, 1)
	go func() { done <- t.Sync() }()
	return sync.OnceValue(func() error { return <-done })
}

// Put stores b and returns its descriptor. What is there already is kept; a
// damaged copy is replaced. It is durable after Tag or Sync.
func (t *Tx) Put(ctx context.Context, mediaType string, b []byte) (artifact.Descriptor, error) {
	d := artifact.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}
	if err := t.open(); err != nil {
		return d, err
	}
	if t.s.holds(ctx, d, b) && t.Has(ctx, d) {
		return d, nil
	}
	in, err := t.Create(ctx, artifact.Descriptor{MediaType: mediaType})
	if err != nil {
		return d, err
	}
	defer in.Close()
	in.replace = true
	if _, err := in.Write(b); err != nil {
		return d, err
	}
	return in.Commit(ctx)
}

// Tag adds the entries, each in place of the one of its name (a nameless one in
// place of the nameless one of its digest), in one change of the index: all or
// none. Every other entry stays as it is, byte for byte. Their blobs must be
// there, else it fails with NotFound. When it returns nil it is durable.
//
// An entry without the annotation [artifact.AnnotationStored] gets it, unless
// the same content stood under the name before.
func (t *Tx) Tag(ctx context.Context, entries ...Entry) error {
	if err := t.present(ctx, entries...); err != nil {
		return err
	}
	durable := t.syncing()
	defer func() { _ = durable() }() // update has its error; here it only must not outlive the transaction
	return t.s.update(ctx, durable, func(ix *index) error {
		if len(entries) > 4 {
			if err := ix.prepare(); err != nil {
				return t.s.invalidIndex(err)
			}
		}
		for _, e := range entries {
			if err := ix.set(e, t.s.o.Now()); err != nil {
				return t.s.invalidIndex(err)
			}
		}
		return nil
	})
}

// TagIf is Tag for one entry with a condition: check sees the entry of that name
// as it is now (nil: none) while the index is locked, and its error ends it with
// nothing changed. check may be called more than once.
func (t *Tx) TagIf(ctx context.Context, e Entry, check func(old *Entry) error) error {
	if err := t.present(ctx, e); err != nil {
		return err
	}
	set := false
	durable := t.syncing()
	defer func() { _ = durable() }() // update has its error; here it only must not outlive the transaction
	return t.s.update(ctx, durable, func(ix *index) error {
		i, err := ix.place(e)
		if err != nil {
			return t.s.invalidIndex(err)
		}
		var old *Entry
		if i >= 0 {
			found, err := ix.entry(i)
			if err != nil {
				return t.s.invalidIndex(err)
			}
			old = &found
		}
		if ours := set && old != nil && old.Digest == e.Digest; !ours {
			if err := check(old); err != nil {
				return err
			}
		}
		set = true
		if err := ix.setAt(i, e, t.s.o.Now()); err != nil {
			return t.s.invalidIndex(err)
		}
		return nil
	})
}

// present makes sure that a tag never points at nothing.
func (t *Tx) present(ctx context.Context, entries ...Entry) error {
	if err := t.open(); err != nil {
		return err
	}
	for _, e := range entries {
		if err := t.s.permits(Writing, e.Name); err != nil {
			return err
		}
		switch info, err := t.s.statBlob(e.Descriptor); {
		case err != nil:
			return err
		case info == nil:
			err := notPresent(e.Digest)
			if e.Name == "" {
				return err
			}
			return fault.New(fault.NotFound, e.Name, "%w", errors.Unwrap(err)).WithHint("%s", fault.Of(err).Hint)
		}
	}
	return nil
}
