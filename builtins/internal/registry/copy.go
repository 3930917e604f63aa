package registry

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/policyhost/policy/builtins/artifact"
)

// Copy moves an image from one name to another, in one registry or between two,
// byte for byte: the digest stays the same. Blobs the target has are left,
// blobs of the same registry are mounted, the others stream through without
// touching the disk. When to names the same manifest already, nothing is moved
// and unchanged is true. It returns the manifest's descriptor.
func (c *Client) Copy(ctx context.Context, from, to artifact.Name) (d artifact.Descriptor, unchanged bool, err error) {
	d, b, err := c.manifest(ctx, from, call{repo: from.Repository, mirror: true})
	if err != nil {
		return d, false, toFault(ctx, from, err)
	}
	if from.Registry == to.Registry && from.Repository != to.Repository {
		if all, err := blobs(b); err == nil {
			for _, blob := range all {
				c.known(from, blob.Digest)
			}
		}
	}
	unchanged, err = c.push(ctx, to, b, d, func(ctx context.Context, blob artifact.Descriptor) error {
		if from.Familiar() == to.Familiar() {
			return nil
		}
		// A target that is told less than was announced may answer before the
		// reason is known here: that of the source is the one that counts.
		var broke atomic.Pointer[sourceError]
		err := c.upload(ctx, "copy", to, blob, func(ctx context.Context) (io.ReadCloser, error) {
			broke.Store(nil)
			return c.open(ctx, from, blob, &broke)
		})
		if cause := broke.Load(); err != nil && cause != nil {
			return cause
		}
		return err
	})
	var s *sourceError
	if errors.As(err, &s) {
		return d, false, toFault(ctx, from, s.err)
	}
	return d, unchanged, toFault(ctx, to, err)
}

// sourceError is a failure of the registry copied from, inside a request to the
// one copied to.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// open starts a download that is the body of an upload. It takes no slot of its
// registry: two copies in opposite directions would wait for each other. What
// breaks the download is noted in broke.
func (c *Client) open(ctx context.Context, n artifact.Name, d artifact.Descriptor, broke *atomic.Pointer[sourceError]) (io.ReadCloser, error) {
	if d.Size == 0 {
		return io.NopCloser(&memoryReader{}), nil
	}
	ctx, cancel := context.WithCancel(ctx)
	m := &moving{desc: d, told: func(int64) {}}
	body, err := c.reg(n.Registry).BlobGet(opContext(ctx, call{repo: n.Repository, moving: m, bound: true, mirror: true}), repositoryOf(n), blobOf(d))
	if err != nil {
		cancel()
		return nil, &sourceError{err}
	}
	return &sourceBody{r: &verified{r: body, left: d.Size}, close: func() error { cancel(); return body.Close() }, broke: broke}, nil
}

// sourceBody marks the errors of the source, and keeps the last.
type sourceBody struct {
	r     io.Reader
	close func() error
	broke *atomic.Pointer[sourceError]
}

func (b *sourceBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		cause := &sourceError{err}
		b.broke.Store(cause)
		return n, cause
	}
	return n, err
}

func (b *sourceBody) Close() error { return b.close() }

type memoryReader struct{}

func (memoryReader) Read([]byte) (int, error) { return 0, io.EOF }
