package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// download is the body of a blob, whole: what an earlier run left is replayed
// first, and after a break it goes on where it stopped.
type download struct {
	x     *exchange
	m     *moving
	body  io.ReadCloser // of the answer being read
	at    int64         // bytes read of the blob
	retry *retrier
	since int64 // where the last break was
	err   error
}

// download makes the answer to a blob's GET into a whole body.
func (x *exchange) download(resp *http.Response) (*http.Response, error) {
	m := x.call.moving
	at, err := startOf(resp, m.desc.Size)
	switch {
	case err != nil:
		drop(resp)
		return nil, err
	case at != 0 && at != m.size:
		drop(resp)
		return nil, &mismatch{reason: fmt.Sprintf("asked for bytes from %d on, got those from %d on", m.size, at)}
	}
	d := &download{x: x, m: m, body: resp.Body, at: at, since: at, retry: x.c.retrier(x.home.name, x.attempts)}
	var body io.Reader = d
	if m.desc.Size > 2*chunkSize {
		body = x.c.readAhead(d, x.cancel)
	}
	left := io.NewSectionReader(m.have, 0, at)
	m.told(at)
	return x.response(&blobBody{Reader: io.MultiReader(left, body), left: left, rest: body, d: d}), nil
}

// startOf is the first byte an answer carries. Its length must fit the size of
// the blob, which is known from the manifest.
func startOf(resp *http.Response, size int64) (int64, error) {
	at := int64(0)
	if resp.StatusCode == http.StatusPartialContent {
		first, _, _ := strings.Cut(strings.TrimPrefix(resp.Header.Get("Content-Range"), "bytes "), "-")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil || n < 0 || n > size {
			return 0, &mismatch{reason: "it answered with a part of the content and does not say which"}
		}
		at = n
	}
	if resp.ContentLength >= 0 && resp.ContentLength != size-at {
		return 0, &mismatch{reason: fmt.Sprintf("the content has %d bytes, the manifest says %d", resp.ContentLength+at, size)}
	}
	return at, nil
}

// Read reads on, over breaks.
func (d *download) Read(p []byte) (int, error) {
	for d.err == nil {
		n, err := d.body.Read(p)
		d.at += int64(n)
		if d.at > d.m.desc.Size {
			d.err = &oversize{"the content", d.m.desc.Size}
			return 0, d.err
		}
		if n > 0 {
			d.m.told(d.at)
		}
		switch {
		case err == io.EOF && d.at == d.m.desc.Size:
			d.err = io.EOF
		case err != nil:
			d.err = d.resume(err)
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, d.err
}

// resume opens the blob again where it broke off.
func (d *download) resume(err error) error {
	_ = d.body.Close()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	cause := error(&broken{host: d.x.home.name, err: err})
	if d.at-d.since >= chunkSize { // it does move: a long download may break often
		d.retry = d.x.c.retrier(d.x.home.name, d.x.attempts)
	}
	d.since = d.at
	for {
		if d.x.ctx.Err() != nil {
			return d.x.ctx.Err()
		}
		if !transient(cause) {
			return cause
		}
		if err := d.retry.wait(d.x.ctx, cause); err != nil {
			return err
		}
		if cause = d.reopen(); cause == nil {
			return nil
		}
	}
}

func (d *download) reopen() error {
	resp, err := d.x.once(d.x.ctx, d.at)
	if err != nil {
		return err
	}
	at, err := startOf(resp, d.m.desc.Size)
	if err == nil && at > d.at {
		err = &mismatch{reason: "it skips a part of the content"}
	}
	if err == nil && at < d.at {
		// Ranges are ignored: what we have comes again.
		_, err = io.CopyN(io.Discard, resp.Body, d.at-at)
		if err != nil {
			err = &broken{host: d.x.home.name, err: err}
		}
	}
	if err != nil {
		_ = resp.Body.Close()
		return err
	}
	d.body = resp.Body
	return nil
}

// blobBody is a whole blob: what was left of an earlier run, and the rest.
type blobBody struct {
	io.Reader // of both
	left      io.Reader
	rest      io.Reader
	d         *download
}

// WriteTo is for a blob of which nothing has been read yet. It returns without
// an error only when all of its bytes have been written.
func (b *blobBody) WriteTo(w io.Writer) (int64, error) {
	n, err := io.Copy(w, b.left)
	if err != nil {
		return n, err
	}
	rest, err := io.Copy(w, b.rest)
	return n + rest, err
}

// Close ends the download wherever it is.
func (b *blobBody) Close() error {
	b.d.x.cancel()
	if ring, ok := b.rest.(*ring); ok {
		_ = ring.Close()
	}
	err := b.d.body.Close()
	b.d.x.leave()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
