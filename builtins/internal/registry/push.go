package registry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/regclient/regclient/types/errs"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// Source is where the blobs of a push come from. Open may be called several
// times for one blob, also while an earlier reader is still open: an upload
// that broke starts over with a reader of its own.
type Source interface {
	Open(ctx context.Context, d artifact.Descriptor) (io.ReadSeekCloser, error)
}

// Push uploads an image: the blobs its manifest names and the registry lacks,
// from src, then the manifest d under n's tag (its digest, if n has no tag). If
// the tag is there already and names the same manifest, nothing is uploaded and
// unchanged is true. It fails with Denied, Unavailable, Invalid when the
// registry finds a wrong digest, or src's own errors; a failed push leaves the
// registry's tag as it was.
func (c *Client) Push(ctx context.Context, n artifact.Name, manifest []byte, d artifact.Descriptor, src Source) (unchanged bool, err error) {
	unchanged, err = c.push(ctx, n, manifest, d, func(ctx context.Context, b artifact.Descriptor) error {
		return c.upload(ctx, "push", n, b, func(ctx context.Context) (io.ReadCloser, error) { return src.Open(ctx, b) })
	})
	return unchanged, toFault(ctx, n, err)
}

// push moves the blobs with put and then the manifest.
func (c *Client) push(ctx context.Context, n artifact.Name, manifest []byte, d artifact.Descriptor, put func(context.Context, artifact.Descriptor) error) (bool, error) {
	all, err := blobs(manifest)
	switch {
	case err != nil:
		return false, err
	case len(manifest) > maxManifest:
		return false, &oversize{"the manifest", maxManifest}
	case d.Digest.Validate() != nil || d.Digest != d.Digest.Algorithm().FromBytes(manifest):
		return false, &mismatch{reason: "the manifest to push does not have the digest " + d.Digest.String()}
	}
	switch there, err := c.there(ctx, n, d); {
	case err != nil:
		return false, err
	case there:
		return true, nil
	}
	err = each(ctx, all, func(ctx context.Context, b artifact.Descriptor) error { return put(ctx, b) })
	if err != nil {
		return false, err
	}
	return false, c.putManifest(ctx, n, manifest, d)
}

// there reports whether n names d already. A registry that does not say gets
// the push, and whoever may write but not read is told by the push itself.
func (c *Client) there(ctx context.Context, n artifact.Name, d artifact.Descriptor) (bool, error) {
	n.Digest = ""
	if n.Tag == "" {
		n.Digest = d.Digest
	}
	r := c.reg(n.Registry)
	m, err := r.ManifestHead(opContext(ctx, call{repo: n.Repository, write: true}), refOf(n))
	if err == nil {
		c.o.Found(ctx, n, m.GetDescriptor().Digest)
		return m.GetDescriptor().Digest == d.Digest, nil
	}
	if unsaid(err) {
		return false, nil
	}
	return false, err
}

// Standing is the digest of what n names now, as a push to it sees it: empty when
// there is nothing. A registry that does not say, but may take a push, counts as
// having nothing. It fails with Denied or Unavailable.
func (c *Client) Standing(ctx context.Context, n artifact.Name) (artifact.Digest, error) {
	m, err := c.reg(n.Registry).ManifestHead(opContext(ctx, call{repo: n.Repository, write: true}), refOf(n))
	if err == nil {
		return m.GetDescriptor().Digest, nil
	}
	if unsaid(err) {
		return "", nil
	}
	return "", toFault(ctx, n, err)
}

// unsaid reports that a registry refused to say what a name stands for, which is
// also how it says that there is nothing.
func unsaid(err error) bool {
	a, ok := errors.AsType[*answer](err)
	return ok && !transient(a) && a.status != http.StatusUnauthorized && a.token == "" || errors.Is(err, errs.ErrUnsupportedMediaType)
}

// upload puts one blob into n's repository, unless it is there or can be
// mounted from another one. open gives its content, anew for each try.
func (c *Client) upload(ctx context.Context, direction string, n artifact.Name, d artifact.Descriptor, open func(context.Context) (io.ReadCloser, error)) error {
	t := c.transfer(ctx, direction, n, d)
	done, err := c.uploadBlob(ctx, n, d, t, open)
	if err != nil {
		t.state("failed")
		return err
	}
	c.known(n, d.Digest)
	t.state(done)
	return nil
}

func (c *Client) uploadBlob(ctx context.Context, n artifact.Name, d artifact.Descriptor, t *transfer, open func(context.Context) (io.ReadCloser, error)) (string, error) {
	for {
		if there, err := c.blobThere(ctx, n, d); err != nil || there {
			return "exists", err
		}
		done, others := c.claim(n.Registry, d.Digest)
		if done != nil {
			defer done()
			break
		}
		select {
		case <-others:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	r := c.reg(n.Registry)
	t.state("start")
	retry := c.retrier(n.Registry, c.o.Timeouts.Attempts)
	for renewals := 0; ; {
		m := &moving{desc: d, open: open, told: t.moved}
		mctx := opContext(ctx, call{repo: n.Repository, write: true, moving: m})
		body := &fallback{ctx: ctx, m: m}
		_, err := r.BlobPut(mctx, repositoryOf(n), blobOf(d), body)
		body.close()
		if err == nil {
			return "done", nil
		}
		if _, ok := errors.AsType[*renewed](err); ok && renewals < maxRenewals {
			renewals++
			continue
		}
		if !restartable(err) {
			return "", err
		}
		if err := retry.wait(ctx, err); err != nil {
			return "", err
		}
	}
}

// blobThere reports whether n's repository has a blob, or has it now, mounted from
// another one.
func (c *Client) blobThere(ctx context.Context, n artifact.Name, d artifact.Descriptor) (bool, error) {
	r := c.reg(n.Registry)
	ctx = opContext(ctx, call{repo: n.Repository, write: true})
	_, err := r.BlobHead(ctx, repositoryOf(n), blobOf(d))
	if err == nil {
		return true, nil
	}
	if a, ok := errors.AsType[*answer](err); !ok || transient(a) || a.status == http.StatusUnauthorized {
		return false, err
	}
	from := c.elsewhere(n, d.Digest)
	if from == "" {
		return false, nil
	}
	source := n
	source.Repository = from
	mounted := r.BlobMount(ctx, repositoryOf(source), repositoryOf(n), blobOf(d)) == nil
	return mounted, ctx.Err()
}

// claim makes the caller the only one here that sends a blob to a registry, until
// it calls done. Where somebody else does, done is nil and others is closed when
// that is over. Several tags of one image, pushed at once, would send it several
// times, which distribution 2 takes for wrong content now and then.
func (c *Client) claim(registry string, d artifact.Digest) (done func(), others <-chan struct{}) {
	p := place{registry, d}
	c.mu.Lock()
	defer c.mu.Unlock()
	if busy := c.sending[p]; busy != nil {
		return nil, busy
	}
	over := make(chan struct{})
	c.sending[p] = over
	return func() {
		c.mu.Lock()
		delete(c.sending, p)
		c.mu.Unlock()
		close(over)
	}, nil
}

// maxRenewals is how often a blob is sent again because its token had become
// worthless on the way.
const maxRenewals = 2

// restartable reports whether an upload that failed with err may start over:
// it broke in its body, or the session it ran in is gone. Requests around it
// were tried often enough.
func restartable(err error) bool {
	if a, ok := errors.AsType[*answer](err); ok {
		return a.upload && (transient(a) || a.status == http.StatusNotFound)
	}
	b, ok := errors.AsType[*broken](err)
	return ok && b.upload && transient(b)
}

// fallback is what regclient gets in the place of the content. The transport
// sends a blob in one request from a reader of its own; only where a registry
// refuses that for its size or form does regclient rewind this one and send
// chunks.
type fallback struct {
	ctx context.Context
	m   *moving
	r   io.ReadCloser
}

var errOneRequest = errors.New("the content is sent in one request")

// Seek allows regclient's second way.
func (f *fallback) Seek(int64, int) (int64, error) {
	if a, ok := errors.AsType[*answer](f.m.failed); ok {
		switch a.status {
		case http.StatusMethodNotAllowed, http.StatusLengthRequired, http.StatusRequestEntityTooLarge, http.StatusNotImplemented:
			return 0, nil
		}
	}
	return 0, errOneRequest
}

func (f *fallback) Read(p []byte) (int, error) {
	if f.r == nil {
		r, err := f.m.open(f.ctx)
		if err != nil {
			return 0, err
		}
		f.r = r
	}
	return f.r.Read(p)
}

func (f *fallback) close() {
	if f.r != nil {
		_ = f.r.Close()
	}
}

// maxParallel is how many blobs of one image move at once.
const maxParallel = 4

// each runs fn for all blobs, several at once; the first error ends the others
// and is returned.
func each(ctx context.Context, all []artifact.Descriptor, fn func(context.Context, artifact.Descriptor) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	slots := make(chan struct{}, maxParallel)
	for _, d := range all {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			var err error
			defer func() {
				if err != nil {
					cancel(err)
				}
			}()
			defer fault.Recover("", &err)
			err = fn(ctx, d)
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
