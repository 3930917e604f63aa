package store

import (
	"bytes"
	"context"
	_ "crypto/sha256" // digests of these algorithms can be checked
	_ "crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// Blob is an open blob. Its bytes are not yet checked against the digest.
type Blob struct {
	f    File
	size int64
}

// Size is the length in bytes.
func (b *Blob) Size() int64 { return b.size }

// File is the file beneath for those who can do more with one (a kernel copy, a
// map), nil when the store runs on another file system than the real one.
func (b *Blob) File() *os.File {
	f, _ := b.f.(*os.File)
	return f
}

// Read reads on from where the last Read or Seek ended.
func (b *Blob) Read(p []byte) (int, error) { return b.f.Read(p) }

// ReadAt reads from an offset in bytes; several goroutines may call it.
func (b *Blob) ReadAt(p []byte, offset int64) (int, error) { return b.f.ReadAt(p, offset) }

// Seek moves where Read goes on.
func (b *Blob) Seek(offset int64, whence int) (int64, error) { return b.f.Seek(offset, whence) }

// Close closes the file.
func (b *Blob) Close() error { return b.f.Close() }

// blobPath is where content of this digest lives. It fails with Invalid for what
// is not a digest, so that no index can name a path outside the store.
func (s *Store) blobPath(d artifact.Digest) (string, error) {
	if err := d.Validate(); err != nil {
		return "", fault.New(fault.Invalid, fmt.Sprintf("%q", string(d)), "not a digest: %w", err)
	}
	return s.path(blobsDir, d.Algorithm().String(), d.Encoded()), nil
}

// Open opens the blob d names. A size of 0 or less in d means unknown. It fails
// with NotFound, or with Invalid when the size differs. The caller checks the
// digest of what it reads (or uses Verify or Read) and closes the blob.
func (s *Store) Open(ctx context.Context, d artifact.Descriptor) (*Blob, error) {
	if err := canceled(ctx, "opening a blob"); err != nil {
		return nil, err
	}
	path, err := s.blobPath(d.Digest)
	if err != nil {
		return nil, err
	}
	f, err := s.fs.OpenFile(path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notPresent(d.Digest)
	} else if err != nil {
		return nil, diskFault("opening a blob", err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		err = diskFault("opening a blob", err)
	case !info.Mode().IsRegular():
		err = fault.New(fault.Invalid, fmt.Sprintf("%q", path), "not a regular file")
	case d.Size > 0 && info.Size() != d.Size:
		err = damaged(d.Digest, "it has %d bytes instead of %d", info.Size(), d.Size)
	default:
		return &Blob{f, info.Size()}, nil
	}
	_ = f.Close()
	return nil, err
}

// Has reports whether the blob is there with the size d gives (0 or less:
// any). It does not read it.
func (s *Store) Has(ctx context.Context, d artifact.Descriptor) bool {
	info, err := s.statBlob(d)
	return err == nil && info != nil
}

// statBlob is nil without error when the blob is missing or has another size.
func (s *Store) statBlob(d artifact.Descriptor) (fs.FileInfo, error) {
	path, err := s.blobPath(d.Digest)
	if err != nil {
		return nil, err
	}
	info, err := s.fs.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, diskFault("looking for a blob", err)
	case !info.Mode().IsRegular() || d.Size > 0 && info.Size() != d.Size:
		return nil, nil
	}
	return info, nil
}

// Verify reads the whole blob and fails with Invalid when it does not hash to
// its digest.
func (s *Store) Verify(ctx context.Context, d artifact.Descriptor) error {
	b, err := s.Open(ctx, d)
	if err != nil {
		return err
	}
	defer b.Close()
	h := d.Digest.Algorithm().Hash()
	buf := make([]byte, 256<<10)
	for {
		if err := canceled(ctx, "checking a blob"); err != nil {
			return err
		}
		n, err := b.Read(buf)
		h.Write(buf[:n])
		if errors.Is(err, io.EOF) {
			return checkDigest(d.Digest, h)
		}
		if err != nil {
			return diskFault("reading a blob", err)
		}
	}
}

// Read returns the whole blob, checked against its digest: for manifests and
// configs. A blob of more than max bytes is refused with Limit before it is
// read.
func (s *Store) Read(ctx context.Context, d artifact.Descriptor, max int64) ([]byte, error) {
	blob, err := s.Open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	if blob.Size() > max {
		return nil, fault.New(fault.Limit, d.Digest.String(), "has %d bytes, more than the %d allowed here", blob.Size(), max)
	}
	b := make([]byte, blob.Size())
	if _, err := io.ReadFull(blob, b); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, damaged(d.Digest, "it was cut while it was read")
		}
		return nil, diskFault("reading a blob", err)
	}
	h := d.Digest.Algorithm().Hash()
	h.Write(b)
	return b, checkDigest(d.Digest, h)
}

// holds reports whether the blob of this digest has exactly these bytes.
func (s *Store) holds(ctx context.Context, d artifact.Descriptor, b []byte) bool {
	have, err := s.Read(ctx, d, int64(len(b)))
	return err == nil && bytes.Equal(have, b)
}

func checkDigest(want artifact.Digest, h hash.Hash) error {
	if got := digest.NewDigest(want.Algorithm(), h); got != want {
		return damaged(want, "its bytes hash to %s", got)
	}
	return nil
}

func notPresent(d artifact.Digest) error {
	return fault.New(fault.NotFound, d.String(), "not in the local store").
		WithHint("pull or build the image it belongs to again")
}

// ErrDamaged is in every error about bytes that are not what their digest says.
var ErrDamaged = errors.New("damaged")

func damaged(d artifact.Digest, format string, args ...any) error {
	return fault.New(fault.Invalid, d.String(), "%w: "+format, append([]any{ErrDamaged}, args...)...).
		WithHint("policy store repair removes it; then pull or build it again")
}
