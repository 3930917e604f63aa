package registry

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// inProcess answers requests by calling a handler: no socket, no port. Bodies
// stream both ways.
type inProcess struct{ handler http.Handler }

// RoundTrip starts the handler and returns as soon as its header is known.
func (t *inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	r := req.Clone(ctx)
	r.RequestURI = req.URL.RequestURI()
	r.RemoteAddr = "in-process"
	if r.Body == nil {
		r.Body = http.NoBody
	}
	pr, pw := io.Pipe()
	w := &reply{header: http.Header{}, ready: make(chan struct{}), pipe: pw, out: bufio.NewWriterSize(pw, chunkSize), head: req.Method == http.MethodHead}
	stop := context.AfterFunc(ctx, func() { _ = pr.CloseWithError(ctx.Err()) })
	go func() {
		defer func() {
			stop()
			_ = r.Body.Close()
			w.finish(recover())
		}()
		t.handler.ServeHTTP(w, r)
	}()
	select {
	case <-w.ready:
	case <-ctx.Done():
		cancel()
		return nil, ctx.Err()
	}
	if w.failed != nil {
		cancel()
		return nil, w.failed
	}
	resp := &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, ContentLength: -1, Request: req,
		Body: &replyBody{pr, cancel},
	}
	if n, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64); err == nil {
		resp.ContentLength = n
	}
	return resp, nil
}

// replyBody ends the handler's context with the body.
type replyBody struct {
	*io.PipeReader
	cancel func()
}

func (b *replyBody) Close() error {
	err := b.PipeReader.Close()
	b.cancel()
	return err
}

// reply is the handler's ResponseWriter.
type reply struct {
	header http.Header
	sent   http.Header // as it was when the status was written
	status int
	once   sync.Once
	ready  chan struct{}
	failed error
	head   bool
	pipe   *io.PipeWriter
	out    *bufio.Writer
}

func (w *reply) Header() http.Header { return w.header }

func (w *reply) WriteHeader(status int) {
	if status < 200 {
		return
	}
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.ready)
	})
}

func (w *reply) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.head {
		return len(p), nil
	}
	return w.out.Write(p)
}

// ReadFrom lets io.Copy fill the large buffer.
func (w *reply) ReadFrom(r io.Reader) (int64, error) {
	w.WriteHeader(http.StatusOK)
	if w.head {
		return io.Copy(io.Discard, r)
	}
	return w.out.ReadFrom(r)
}

// Flush hands over what has been written.
func (w *reply) Flush() {
	w.WriteHeader(http.StatusOK)
	_ = w.out.Flush()
}

// finish ends the answer. A panic of the handler breaks it off, as a server
// would by closing the connection; it never reaches the caller's goroutine.
func (w *reply) finish(panicked any) {
	if panicked != nil {
		err, ok := panicked.(error)
		if !ok || !errors.Is(err, http.ErrAbortHandler) {
			err = fmt.Errorf("the embedded registry failed: %v", panicked)
		}
		w.once.Do(func() {
			w.failed = err
			close(w.ready)
		})
		_ = w.pipe.CloseWithError(err)
		return
	}
	w.WriteHeader(http.StatusOK)
	_ = w.pipe.CloseWithError(w.out.Flush())
}
