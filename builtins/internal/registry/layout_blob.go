package registry

import (
	"context"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// Open opens a blob as a file. It is a [Source]'s.
func (l *Layout) Open(_ context.Context, d artifact.Descriptor) (io.ReadSeekCloser, error) {
	path, err := l.blob(d.Digest)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, layoutFault(l.dir, err)
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() != d.Size {
		_ = f.Close()
		return nil, fault.New(fault.Invalid, l.dir, "the blob %s does not have %d bytes", d.Digest, d.Size)
	}
	return f, nil
}

// Has reports whether a blob of the right size is there. It is a [Sink]'s.
func (l *Layout) Has(_ context.Context, d artifact.Descriptor) bool {
	path, err := l.blob(d.Digest)
	if err != nil {
		return false
	}
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular() && info.Size() == d.Size
}

// Create begins to write a blob. It is a [Sink]'s.
func (l *Layout) Create(_ context.Context, d artifact.Descriptor) (Writer, error) {
	path, err := l.blob(d.Digest)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, layoutFault(l.dir, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return nil, layoutFault(l.dir, err)
	}
	return &layoutWriter{f: f, path: path, d: d, hash: d.Digest.Algorithm().Hash()}, nil
}

func (l *Layout) blob(d artifact.Digest) (string, error) {
	if err := d.Validate(); err != nil {
		return "", fault.New(fault.Invalid, l.dir, "%q is no digest: %w", d, err)
	}
	return filepath.Join(l.dir, "blobs", d.Algorithm().String(), d.Encoded()), nil
}

// layoutWriter writes a blob beside its place and renames it into it.
type layoutWriter struct {
	f    *os.File
	path string
	d    artifact.Descriptor
	hash hash.Hash
	done bool
}

func (w *layoutWriter) Write(p []byte) (int, error) {
	w.hash.Write(p)
	return w.f.Write(p)
}

func (w *layoutWriter) Partial() (io.ReaderAt, int64) { return nil, 0 }

func (w *layoutWriter) Commit(context.Context) error {
	if digest.NewDigest(w.d.Digest.Algorithm(), w.hash) != w.d.Digest {
		return fault.New(fault.Invalid, w.path, "the content does not have this digest")
	}
	if err := finish(w.f, w.path, 0o644); err != nil {
		return layoutFault(w.path, err)
	}
	w.done = true
	return nil
}

func (w *layoutWriter) Close() error {
	if !w.done {
		_ = w.f.Close()
		_ = os.Remove(w.f.Name())
	}
	return nil
}

// finish makes a temporary file the one at path.
func finish(f *os.File, path string, mode fs.FileMode) error {
	err := errors.Join(f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}
