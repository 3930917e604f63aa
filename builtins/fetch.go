package builtins

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/registry"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// fetch brings an image from its registry into a store and tags it there last,
// so that a failed pull leaves no tag.
func (e *Env) fetch(ctx context.Context, name artifact.Name, to place) (image *Image, err error) {
	ctx, end := stepOf(ctx).aside(ctx, "pull", name.Tagged())
	defer func() { end(image, err) }()
	tx, err := to.store.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Close()
	sink := &sink{tx: tx}
	d, raw, err := e.Remote.Pull(ctx, name, sink, isPolicy)
	if err != nil {
		return nil, err
	}
	m, err := artifact.ParseManifest(raw)
	if err != nil {
		return nil, err
	}
	if err := isGzip(ctx, to.store, m); err != nil {
		return nil, err
	}
	if _, err := tx.Put(ctx, d.MediaType, raw); err != nil {
		return nil, err
	}
	image = describe(to.name, d.Digest, m)
	before, err := to.store.Get(ctx, to.entry)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return nil, err
	}
	if err == nil && before.Digest == d.Digest && !sink.received() {
		image.Unchanged = true
		stepOf(ctx).changed(to.delta(before, image))
		return image, nil
	}
	entry := newEntry(to.name, bare(d), m)
	entry.Name = to.entry
	if err := tx.Tag(ctx, entry); err != nil {
		return nil, err
	}
	stepOf(ctx).changed(to.delta(before, image))
	return image, nil
}

// isPolicy refuses what is not a policy image before any of it is fetched.
func isPolicy(_ artifact.Descriptor, raw []byte) error {
	m, err := artifact.ParseManifest(raw)
	if err == nil {
		_, err = m.Layer()
	}
	return err
}

// isGzip looks at what a manifest only says: that its layer is a gzipped tar.
// The rest is for whoever opens it.
func isGzip(ctx context.Context, s Store, m *artifact.Manifest) error {
	layer, err := m.Layer()
	if err != nil {
		return err
	}
	r, err := s.Open(ctx, layer)
	if err != nil {
		return err
	}
	defer r.Close()
	var magic [2]byte
	if _, err := io.ReadFull(r, magic[:]); err != nil || magic != [2]byte{0x1f, 0x8b} {
		return fault.New(fault.Invalid, "", "not a policy image: its layer %s is no gzipped tar", layer.Digest)
	}
	return nil
}

// sink lets the wire write into a transaction of the store.
type sink struct {
	tx *store.Tx
	mu sync.Mutex
	n  int // blobs received
}

func (s *sink) received() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n > 0
}

func (s *sink) Has(ctx context.Context, d artifact.Descriptor) bool { return s.tx.Has(ctx, d) }

func (s *sink) Create(ctx context.Context, d artifact.Descriptor) (registry.Writer, error) {
	s.mu.Lock()
	s.n++
	s.mu.Unlock()
	in, err := s.tx.Create(ctx, d)
	if err != nil {
		return nil, err
	}
	return ingest{in}, nil
}

type ingest struct{ *store.Ingest }

func (i ingest) Partial() (io.ReaderAt, int64) { return i.Ingest.Partial(), i.Offset() }

// Verifies says that Commit checks the digest, so that the wire need not.
func (ingest) Verifies() {}

func (i ingest) Commit(ctx context.Context) error {
	_, err := i.Ingest.Commit(ctx)
	if errors.Is(err, fault.Invalid) { // about a blob; the reader knows the image
		return fault.New(fault.Invalid, "", "digest mismatch: %w", err).
			WithHint("pull again; if it stays so, the registry's copy is damaged and must be pushed anew")
	}
	return err
}
