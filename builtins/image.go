package builtins

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/registry"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// maxManifest is the size above which nothing is taken for a manifest.
const maxManifest = 4 << 20

// local is an image of the local store. Nothing of it vanishes until Close.
type local struct {
	name       artifact.Name
	descriptor artifact.Descriptor // of the manifest
	manifest   *artifact.Manifest
	store      Store
	hold       *store.Hold
	made       map[artifact.Digest][]byte // blobs that an image of opcr policy v0.1 lacks
}

// open finds the local image that r means and reads its manifest. Fewer digits
// than prefixDigits are not taken for a digest.
func (e *Env) open(ctx context.Context, r Ref, prefixDigits int) (*local, error) {
	return held(ctx, e.Store, func() (*local, error) {
		entry, err := e.entry(ctx, r, prefixDigits)
		if err != nil {
			return nil, err
		}
		name, err := artifact.ParseName(entry.Name, e.Settings.DefaultDomain)
		if err != nil {
			return nil, err
		}
		return openEntry(ctx, e.Store, entry, name)
	})
}

// held opens an image of a store so that nothing of it vanishes meanwhile.
func held(ctx context.Context, s Store, open func() (*local, error)) (*local, error) {
	hold, err := s.Hold(ctx)
	if err != nil {
		return nil, err
	}
	l, err := open()
	if err != nil {
		_ = hold.Close() // only read under it
		return nil, err
	}
	l.hold = hold
	return l, nil
}

// openEntry reads the manifest of an entry of a store and calls it name.
func openEntry(ctx context.Context, s Store, entry store.Entry, name artifact.Name) (*local, error) {
	l := &local{name: name, descriptor: bare(entry.Descriptor), store: s}
	var raw []byte
	var err error
	if isLayer(entry.MediaType) {
		raw = l.adopt(entry)
	} else if raw, err = s.Read(ctx, entry.Descriptor, maxManifest); err != nil {
		return nil, err
	}
	if l.manifest, err = artifact.ParseManifest(raw); err != nil {
		return nil, fault.In("", entry.Name, err)
	}
	return l, nil
}

// bare is a descriptor without the annotations of the entry it came from.
func bare(d artifact.Descriptor) artifact.Descriptor {
	return artifact.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
}

func isLayer(mediaType string) bool { return strings.Contains(mediaType, ".layer.") }

// adopt makes the manifest and the config that opcr policy v0.1 never wrote: its
// index entries point at the layer.
func (l *local) adopt(entry store.Entry) []byte {
	raw, descriptor, config, configDescriptor := artifact.NewManifest(
		artifact.Descriptor{MediaType: artifact.MediaTypeLayer, Digest: entry.Digest, Size: entry.Size},
		map[string]string{artifact.AnnotationType: "policy"})
	l.descriptor = descriptor
	l.made = map[artifact.Digest][]byte{descriptor.Digest: raw, configDescriptor.Digest: config}
	return raw
}

// Close lets go of the image.
func (l *local) Close() error { return l.hold.Close() }

// Open opens one of the image's blobs: it makes local a registry.Source.
func (l *local) Open(ctx context.Context, d artifact.Descriptor) (io.ReadSeekCloser, error) {
	if b, ok := l.made[d.Digest]; ok {
		return nopCloser{bytes.NewReader(b)}, nil
	}
	return l.store.Open(ctx, d)
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

// bundle opens the image's layer, the policy itself.
func (l *local) bundle(ctx context.Context) (artifact.Descriptor, io.ReadSeekCloser, error) {
	layer, err := l.manifest.Layer()
	if err != nil {
		return layer, nil, fault.In("", l.name.Tagged(), err)
	}
	r, err := l.Open(ctx, layer)
	return layer, r, err
}

// image describes the local image under the name it was found by.
func (l *local) image() *Image { return describe(l.name, l.descriptor.Digest, l.manifest) }

// describe makes the answer for an image whose manifest is known.
func describe(name artifact.Name, digest artifact.Digest, m *artifact.Manifest) *Image {
	image := named(name, digest)
	if layer, err := m.Layer(); err == nil {
		image.Size = &layer.Size
	}
	image.annotate(m.Annotations)
	return image
}

// named makes the answer for an image of which only the name is known.
func named(name artifact.Name, digest artifact.Digest) *Image {
	return &Image{
		Ref:         name.Tagged(),
		Repository:  name.Familiar(),
		Tag:         name.Tag,
		Digest:      digest.String(),
		Annotations: map[string]string{},
	}
}

func (i *Image) annotate(annotations map[string]string) {
	maps.Copy(i.Annotations, annotations)
	if t, err := time.Parse(time.RFC3339, annotations[artifact.AnnotationCreated]); err == nil {
		i.Created = &t
	}
}

// listed describes an entry of the store from the index alone.
func (e *Env) listed(entry store.Entry) *Image {
	name, err := artifact.ParseName(entry.Name, e.Settings.DefaultDomain)
	if err != nil { // written by a tool with other rules: shown as it is
		name = artifact.Name{Repository: entry.Name}
	}
	image := named(name, entry.Digest)
	if err != nil {
		image.Ref, image.Repository = entry.Name, entry.Name
	}
	image.annotate(entry.Annotations)
	delete(image.Annotations, artifact.AnnotationBundleSize)
	delete(image.Annotations, artifact.AnnotationStored)
	if size, err := strconv.ParseInt(entry.Annotations[artifact.AnnotationBundleSize], 10, 64); err == nil {
		image.Size = &size
	}
	if isLayer(entry.MediaType) {
		image.Size = &entry.Size
	}
	if t, err := time.Parse(time.RFC3339, entry.Annotations[artifact.AnnotationStored]); err == nil && image.Created == nil {
		image.Created = &t
	}
	return image
}

// newEntry is the index entry of an image: what a listing shows is in it.
func (e *Env) newEntry(name artifact.Name, d artifact.Descriptor, m *artifact.Manifest) store.Entry {
	d.Annotations = maps.Clone(m.Annotations)
	if d.Annotations == nil {
		d.Annotations = map[string]string{}
	}
	delete(d.Annotations, artifact.AnnotationRefName)
	d.Annotations[artifact.AnnotationStored] = e.Now().UTC().Format(time.RFC3339)
	if layer, err := m.Layer(); err == nil {
		d.Annotations[artifact.AnnotationBundleSize] = strconv.FormatInt(layer.Size, 10)
	}
	return store.Entry{Name: name.Tagged(), Descriptor: d}
}

// fetch brings an image from its registry into a store and tags it there last,
// so that a failed pull leaves no tag.
func (e *Env) fetch(ctx context.Context, name artifact.Name, to place) (*Image, error) {
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
	if _, err := tx.Put(ctx, d.MediaType, raw); err != nil {
		return nil, err
	}
	image := describe(to.name, d.Digest, m)
	before, err := to.store.Get(ctx, to.entry)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return nil, err
	}
	if err == nil && before.Digest == d.Digest && !sink.received() {
		image.Unchanged = true
		return image, nil
	}
	entry := e.newEntry(to.name, bare(d), m)
	entry.Name = to.entry
	return image, tx.Tag(ctx, entry)
}

// isPolicy refuses what is not a policy image before any of it is fetched.
func isPolicy(_ artifact.Descriptor, raw []byte) error {
	m, err := artifact.ParseManifest(raw)
	if err == nil {
		_, err = m.Layer()
	}
	return err
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
	return err
}

// subject is what several of a verb can work on at once.
type subject interface{ Ref | string }

// each runs fn for every subject, some at once. One failure does not stop the
// others: the results are those that succeeded, in order, the error joins those
// that did not.
func each[S subject, T any](ctx context.Context, e *Env, subjects []S, fn func(context.Context, S) (T, error)) ([]T, error) {
	results := make([]T, len(subjects))
	errs := make([]error, len(subjects))
	slots := make(chan struct{}, e.Settings.Concurrency)
	var wg sync.WaitGroup
	for i, s := range subjects {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			results[i], errs[i] = fn(ctx, s)
			errs[i] = fault.In("", fmt.Sprint(s), errs[i])
		})
	}
	wg.Wait()
	done := results[:0]
	for i, result := range results {
		if errs[i] == nil {
			done = append(done, result)
		}
	}
	return done, fault.Join(errs...)
}
