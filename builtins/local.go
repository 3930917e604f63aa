package builtins

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
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
		name := artifact.Name{Digest: entry.Digest} // found by its digest, it may have no other
		if entry.Name != "" {
			if name, err = artifact.ParseName(entry.Name, e.Settings.DefaultDomain); err != nil {
				return nil, err
			}
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
	if isConfig(entry.MediaType) {
		return nil, cutShort(entry.Name)
	}
	if isLayer(entry.MediaType) {
		a := adopt(entry)
		raw, l.descriptor, l.made = a.manifest, a.descriptor, a.blobs
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

// Close lets go of the image.
func (l *local) Close() error { return l.hold.Close() }

// Open opens one of the image's blobs: it makes local a registry.Source.
func (l *local) Open(ctx context.Context, d artifact.Descriptor) (io.ReadSeekCloser, error) {
	if b, ok := l.made[d.Digest]; ok {
		return nopCloser{bytes.NewReader(b)}, nil
	}
	r, err := l.store.Open(ctx, d)
	if errors.Is(err, fault.NotFound) && artifact.IsEmpty(d.Digest) { // opcr policy may leave it out
		return nopCloser{strings.NewReader("{}")}, nil
	}
	return r, err
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
