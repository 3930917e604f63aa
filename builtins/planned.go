package builtins

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// plannedContent is the folder of the cache with the content of plans, by its
// digest. It may be deleted at any time: then the plan must be made again.
type plannedContent struct{ dir string }

func (s Settings) planned() string { return filepath.Join(s.cache(), "planned") }

func (p plannedContent) file(d artifact.Digest) string {
	return filepath.Join(p.dir, d.Algorithm().String(), d.Encoded())
}

// put keeps content that is not kept yet.
func (p plannedContent) put(ctx context.Context, d artifact.Descriptor, open func() (io.ReadCloser, error)) error {
	file := p.file(d.Digest)
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	in, err := open()
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fault.File(file, err)
	}
	out, err := create(file, file)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return fault.File(file, err)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return out.Commit()
}

// open opens kept content, whole and unaltered. It fails with NotFound.
func (p plannedContent) open(d artifact.Descriptor) (io.ReadSeekCloser, error) {
	f, err := os.Open(p.file(d.Digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, lost(d.Digest)
	}
	if err != nil {
		return nil, fault.File(p.file(d.Digest), err)
	}
	h := d.Digest.Algorithm().Hash()
	_, err = io.Copy(h, f)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if got := fmt.Sprintf("%x", h.Sum(nil)); err == nil && got != d.Digest.Encoded() {
		err = lost(d.Digest)
	}
	if err != nil {
		_ = f.Close()
		return nil, fault.File(p.file(d.Digest), err)
	}
	return f, nil
}

func lost(d artifact.Digest) error {
	return fault.New(fault.NotFound, d.String(), "content of the plan is gone from the local store and the cache").
		WithHint("make the plan again: policy run --dry-run --plan FILE …")
}

// fileDigest is the digest and size of a file, "" for none.
func fileDigest(name string) (artifact.Digest, int64, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", 0, nil
	}
	if err != nil {
		return "", 0, fault.File(name, err)
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return artifact.Digest(fmt.Sprintf("sha256:%x", h.Sum(nil))), n, fault.File(name, err)
}

// emptyBlob is the blob of the empty configuration, which a store may lack.
func emptyBlob() io.ReadSeekCloser { return nopCloser{bytes.NewReader([]byte("{}"))} }
