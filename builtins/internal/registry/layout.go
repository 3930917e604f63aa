package registry

import (
	"context"
	"io"
	"sync"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// Layout is a plain OCI image layout in a folder, as other tools write and read
// it (ocidir:///path:tag): its entries are named by a tag alone. It is a [Source]
// and a [Sink], so that Push and Pull move images between it and registries.
// Writers of one process may share a Layout; several processes should not write
// one layout at once. The local store is something else: it is safe for that.
type Layout struct {
	dir string
	mu  sync.Mutex // of the index
}

// NewLayout names the layout in dir. It touches nothing; the first write makes it.
func NewLayout(dir string) *Layout { return &Layout{dir: dir} }

// Resolve finds the manifest tagged tag, or the only one for "". It fails with
// NotFound, and Invalid for a folder that is no layout.
func (l *Layout) Resolve(_ context.Context, tag string) (artifact.Descriptor, error) {
	entries, _, err := l.index()
	if err != nil {
		return artifact.Descriptor{}, err
	}
	var found []artifact.Descriptor
	for _, e := range entries {
		if name := e.Annotations[v1.AnnotationRefName]; tag == "" || name == tag {
			found = append(found, e.Descriptor)
		}
	}
	switch {
	case len(found) == 1, len(found) > 1 && tag != "": // the last one written wins
		d := found[len(found)-1]
		d.Annotations = nil
		return d, nil
	case tag == "" && len(found) > 1:
		return artifact.Descriptor{}, fault.New(fault.Usage, l.dir, "the layout holds %d images", len(found)).
			WithHint("name one: ocidir://%s:TAG", l.dir)
	}
	return artifact.Descriptor{}, fault.New(fault.NotFound, l.dir, "the layout holds no image %q", tag)
}

// Manifest returns the manifest tagged tag and its bytes, verified, at most 4 MiB.
func (l *Layout) Manifest(ctx context.Context, tag string) (artifact.Descriptor, []byte, error) {
	d, err := l.Resolve(ctx, tag)
	if err != nil {
		return d, nil, err
	}
	if d.Size > maxManifest {
		return d, nil, fault.New(fault.Limit, l.dir, "the manifest has %d bytes, the limit is %d", d.Size, maxManifest)
	}
	f, err := l.Open(ctx, d)
	if err != nil {
		return d, nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, d.Size+1))
	switch {
	case err != nil:
		return d, nil, layoutFault(l.dir, err)
	case d.Digest != d.Digest.Algorithm().FromBytes(b):
		return d, nil, fault.New(fault.Invalid, l.dir, "the manifest does not have the digest %s", d.Digest)
	}
	return d, b, nil
}

// Tag makes tag name the manifest d, whose bytes are stored with it. The blobs
// it names must be there. Other entries stay as they are. unchanged is true if
// the tag named it already.
func (l *Layout) Tag(ctx context.Context, tag string, d artifact.Descriptor, manifest []byte) (unchanged bool, err error) {
	all, err := blobs(manifest)
	if err != nil {
		return false, toFault(ctx, artifact.Name{Registry: l.dir}, err)
	}
	for _, b := range all {
		if !l.Has(ctx, b) {
			return false, fault.New(fault.NotFound, l.dir, "the layout lacks the blob %s", b.Digest)
		}
	}
	if now, err := l.Resolve(ctx, tag); tag != "" && err == nil && now.Digest == d.Digest && l.Has(ctx, d) {
		return true, nil
	}
	w, err := l.Create(ctx, d)
	if err != nil {
		return false, err
	}
	defer func() { _ = w.Close() }()
	if _, err := w.Write(manifest); err != nil {
		return false, layoutFault(l.dir, err)
	}
	if err := w.Commit(ctx); err != nil {
		return false, err
	}
	return false, l.update(tag, d)
}

func layoutFault(subject string, err error) error {
	if f := localFault(err); f != nil {
		f.Subject = subject
		return f
	}
	return err
}
