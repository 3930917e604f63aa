package registry

import (
	"context"
	"errors"
	"io"

	"github.com/regclient/regclient/types/errs"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// Sink is where the blobs of a pull go.
type Sink interface {
	// Has reports whether d is there, whole.
	Has(ctx context.Context, d artifact.Descriptor) bool
	// Create begins to write d.
	Create(ctx context.Context, d artifact.Descriptor) (Writer, error)
}

// Writer takes the content of one blob. It is used by one goroutine at a time.
type Writer interface {
	// Write takes the content from its first byte on, those included that
	// Partial has: they come again, so that everything is hashed, and where
	// they are the same they need not be written.
	io.Writer
	// Partial gives bytes left by an earlier try and how many; nil, 0 if none.
	// If they turn out wrong, all content is fetched into a new Writer, whose
	// Partial is not asked for: there what is written replaces them.
	Partial() (io.ReaderAt, int64)
	// Commit keeps the content; it is called once all bytes have been written
	// and their digest has been found right.
	Commit(ctx context.Context) error
	// Close without Commit ends the try.
	Close() error
}

// Verifier is a Writer that hashes what it is given and whose Commit fails with
// Invalid, keeping nothing, when that is not the digest it was created for. Its
// content is not hashed a second time on the way.
type Verifier interface {
	Writer
	// Verifies is only there to be asked for.
	Verifies()
}

// Pull fetches an image: its manifest, which check sees before anything else is
// fetched and may refuse, and the blobs it names that sink lacks. Each blob is
// committed once its bytes hashed to its digest. It fails with NotFound,
// Denied, Unavailable, Invalid for wrong digests and sizes, check's error or
// sink's.
func (c *Client) Pull(ctx context.Context, n artifact.Name, sink Sink, check func(d artifact.Descriptor, manifest []byte) error) (artifact.Descriptor, []byte, error) {
	d, b, err := c.pull(ctx, n, sink, check)
	return d, b, toFault(ctx, n, err)
}

func (c *Client) pull(ctx context.Context, n artifact.Name, sink Sink, check func(d artifact.Descriptor, manifest []byte) error) (artifact.Descriptor, []byte, error) {
	d, b, err := c.manifest(ctx, n, call{repo: n.Repository, mirror: true})
	if err != nil {
		return d, nil, err
	}
	if check != nil {
		if err := check(d, b); err != nil {
			return d, nil, err
		}
	}
	all, err := blobs(b)
	if err != nil {
		return d, nil, err
	}
	err = each(ctx, all, func(ctx context.Context, blob artifact.Descriptor) error {
		return c.fetchInto(ctx, n, blob, sink)
	})
	return d, b, err
}

func (c *Client) fetchInto(ctx context.Context, n artifact.Name, d artifact.Descriptor, sink Sink) error {
	t := c.transfer(ctx, "pull", n, d)
	if sink.Has(ctx, d) {
		t.state("exists")
		return nil
	}
	t.state("start")
	left, err := c.fetchOnce(ctx, n, d, sink, t, true)
	if left > 0 && (errors.Is(err, errs.ErrDigestMismatch) || errors.Is(err, fault.Invalid)) {
		_, err = c.fetchOnce(ctx, n, d, sink, t, false)
	}
	if err != nil {
		t.state("failed")
		return err
	}
	c.known(n, d.Digest)
	t.state("done")
	return nil
}

// fetchOnce fetches one blob, with resume from what an earlier try left; left is
// how many bytes that was.
func (c *Client) fetchOnce(ctx context.Context, n artifact.Name, d artifact.Descriptor, sink Sink, t *transfer, resume bool) (left int64, err error) {
	w, err := sink.Create(ctx, d)
	if err != nil {
		return 0, err
	}
	m := &moving{desc: d, told: t.moved}
	if resume {
		m.have, m.size = w.Partial()
	}
	if m.have == nil || m.size < 0 || m.size > d.Size {
		m.have, m.size = nil, 0
	}
	err = c.stream(ctx, n, m, w)
	if err == nil {
		err = w.Commit(ctx)
	}
	return m.size, errors.Join(err, w.Close())
}

// stream moves a blob from the registry to w. Network, hash (in regclient, or in
// w if it is a Verifier) and w work at once.
func (c *Client) stream(ctx context.Context, n artifact.Name, m *moving, w io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if m.desc.Size == 0 {
		if m.desc.Digest != m.desc.Digest.Algorithm().FromBytes(nil) {
			return &mismatch{reason: "the manifest gives no size"}
		}
		return nil
	}
	body, err := c.reg(n.Registry).BlobGet(opContext(ctx, call{repo: n.Repository, moving: m, mirror: true}), repositoryOf(n), blobOf(m.desc))
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	if _, ok := w.(Verifier); ok {
		if whole, ok := body.Response().Body.(*blobBody); ok { //nolint:bodyclose // body.Close closes it
			_, err := whole.WriteTo(w)
			return err
		}
	}
	if m.desc.Size <= chunkSize {
		_, err := io.Copy(w, &verified{r: body, left: m.desc.Size})
		return err
	}
	ring := c.readAhead(&verified{r: body, left: m.desc.Size}, cancel)
	defer func() { _ = ring.Close() }()
	_, err = ring.WriteTo(w)
	return err
}

// verified reads a regclient blob to its end, where the digest is checked. The
// check's errors wrap io.EOF, so that errors.Is would take them for success;
// they come out of here without it.
type verified struct {
	r    io.Reader
	left int64
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	v.left -= int64(n)
	if err == nil || err == io.EOF && v.left == 0 { // only the bare io.EOF is the end
		return n, err
	}
	for _, known := range []error{errs.ErrDigestMismatch, errs.ErrSizeLimitExceeded, errs.ErrShortRead} {
		if errors.Is(err, known) {
			return n, known
		}
	}
	if errors.Is(err, io.EOF) {
		return n, errs.ErrShortRead
	}
	return n, err
}
