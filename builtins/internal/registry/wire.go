package registry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// discard is regclient's log: it would write headers and queries.
var discard = slog.New(slog.DiscardHandler)

// Limits of answers that are read whole, in bytes.
const (
	maxPage  = 32 << 20 // a page of tags or repositories
	maxOther = 1 << 20  // everything else that is neither manifest nor blob
)

// wire is the RoundTripper beneath the regclient of one registry. What it gives
// back is final: authenticated, retried and complete, or a typed error.
type wire struct {
	c      *Client
	home   *host
	mirror *host  // asked first when reading, nil for none
	prefix string // of repositories there
}

// RoundTrip carries out one request of regclient.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer func() { _ = req.Body.Close() }()
	}
	x, err := w.exchange(req)
	if err != nil {
		return nil, err
	}
	if err := w.allow(x); err != nil {
		return nil, err
	}
	if d := x.call.remove; d != nil && d.refused != nil {
		return nil, d.refused
	}
	if m := x.call.moving; m != nil && x.kind == blobRead && m.size > 0 && m.size == m.desc.Size {
		return x.response(io.NopCloser(io.NewSectionReader(m.have, 0, m.size))), nil
	}
	if m := w.viaMirror(x); m != nil {
		if resp, err := m.carry(); err == nil || req.Context().Err() != nil {
			return resp, err
		}
	}
	resp, err := x.carry()
	if err != nil {
		x.note(err)
		return nil, err
	}
	return resp, nil
}

// carry runs the exchange in one of its host's slots.
func (x *exchange) carry() (*http.Response, error) {
	ctx, cancel := context.WithCancel(x.req.Context())
	x.ctx, x.cancel = ctx, cancel
	leave, err := x.to.enter(ctx, !x.call.bound)
	if err != nil {
		cancel()
		return nil, err
	}
	x.leave = func() { leave(); cancel() }
	resp, err := x.run()
	if err != nil {
		x.leave()
		return nil, err
	}
	return resp, nil
}

// note keeps what the operation around a failed request has to know.
func (x *exchange) note(err error) {
	if m := x.call.moving; m != nil && x.kind == uploadBody {
		m.failed = err
	}
	if d := x.call.remove; d != nil && x.kind == manifestAny && x.req.Method == http.MethodDelete {
		d.judge(err)
	}
}

// exchange works out who is meant by a request: the registry, or somebody its
// answers pointed to.
func (w *wire) exchange(req *http.Request) (*exchange, error) {
	x := &exchange{c: w.c, home: w.home, call: callOf(req.Context()), req: req, attempts: w.c.o.Timeouts.Attempts}
	u := *req.URL
	x.url = &u
	if x.repo, x.kind = classify(req.Method, u.Path); x.repo == "" && (x.kind == uploadBody || x.kind == uploadEnd) {
		x.repo = x.call.repo
	}
	switch {
	case w.home.is(&u):
		x.to = w.home
		x.url.Scheme = w.home.scheme()
		x.url.Host = w.home.endpoint
	case req.Method == http.MethodGet || req.Method == http.MethodHead:
		// A descriptor's URL, or a listing that goes on somewhere else.
		return nil, &refusal{host: w.home.name, reason: fmt.Sprintf("it points to %s for content it should have", u.Host)}
	default:
		if err := w.mayUpload(&u); err != nil {
			return nil, err
		}
		x.to = w.c.foreign(&u, !isLoopback(w.home.endpoint))
		x.anonymous = true
	}
	return x, x.prepareBody()
}

// viaMirror is the same request to the registry's mirror, nil when there is
// none for it. Whatever goes wrong there, the registry itself comes next.
func (w *wire) viaMirror(x *exchange) *exchange {
	if w.mirror == nil || !x.call.mirror || x.to != w.home || x.kind != manifestAny && x.kind != blobRead && x.kind != blobHead {
		return nil
	}
	m := *x
	m.to = w.mirror
	m.attempts = min(2, x.attempts)
	u := *x.url
	u.Scheme, u.Host = w.mirror.scheme(), w.mirror.endpoint
	u.RawQuery = url.Values{"ns": {w.home.endpoint}}.Encode() // which registry is meant, as containerd says it
	if w.prefix != "" {
		u.Path = "/v2/" + w.prefix + strings.TrimPrefix(x.url.Path, "/v2")
		m.repo = w.prefix + "/" + x.repo
	}
	m.url = &u
	return &m
}

// mayUpload decides whether an upload may go to the Location a registry gave.
func (w *wire) mayUpload(u *url.URL) error {
	if namedHost(u, w.home.config.UploadHosts) {
		return w.home.mayGo(w.home.url(""), u)
	}
	r := &refusal{host: w.home.name, reason: fmt.Sprintf("it wants the upload sent to %s", u.Host)}
	if u.Scheme == "https" {
		r.hint = fmt.Sprintf("if that is right: registries: {%q: {upload_hosts: [%s]}} in config.yaml", w.home.name, u.Host)
	}
	return r
}

// allow asks the permission gate for the request, and for the repository a
// mount reads from.
func (w *wire) allow(x *exchange) error {
	if err := w.c.o.Allow(x.req.Method, w.home.name, x.repo); err != nil {
		return err
	}
	if from := x.url.Query().Get("from"); from != "" && x.kind == uploadStart {
		return w.c.o.Allow(http.MethodGet, w.home.name, from)
	}
	return nil
}

// kind is what a request is about.
type kind int

const (
	other kind = iota
	manifestAny
	blobRead
	blobHead
	uploadStart
	uploadBody
	uploadEnd // status and cancel
	listing
)

// classify reads the repository and the kind out of a request's path. Uploads
// may have paths of the registry's own; any write elsewhere is one.
func classify(method, path string) (repo string, k kind) {
	rest, ok := strings.CutPrefix(path, "/v2/")
	if !ok {
		if method == http.MethodPut || method == http.MethodPatch {
			return "", uploadBody
		}
		return "", uploadEnd
	}
	if rest == "_catalog" {
		return "", listing
	}
	for _, p := range []struct {
		part string
		kind kind
	}{
		{"/blobs/uploads/", uploadBody}, {"/blobs/", blobRead}, {"/manifests/", manifestAny},
		{"/tags/list", listing}, {"/referrers/", listing},
	} {
		i := strings.LastIndex(rest, p.part)
		if i <= 0 {
			continue
		}
		switch {
		case p.kind == uploadBody && method == http.MethodPost:
			return rest[:i], uploadStart
		case p.kind == uploadBody && method != http.MethodPut && method != http.MethodPatch:
			return rest[:i], uploadEnd
		case p.kind == blobRead && method != http.MethodGet:
			return rest[:i], blobHead
		}
		return rest[:i], p.kind
	}
	return "", other
}

// prepareBody makes the request's body repeatable: a blob is opened anew for
// each try, anything else is a manifest or a chunk and small. Two tries never
// share a reader, since net/http may still be reading the first one's.
func (x *exchange) prepareBody() error {
	if x.req.Body == nil || x.req.ContentLength == 0 {
		return nil
	}
	x.size = x.req.ContentLength
	if m := x.call.moving; m != nil && m.open != nil && x.req.Method == http.MethodPut && x.size == m.desc.Size {
		x.body, x.whole = m.open, true
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(x.req.Body, x.size))
	if err != nil {
		return err
	}
	x.body = func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
	return nil
}

// response is a made-up answer that carries a whole blob.
func (x *exchange) response(body io.ReadCloser) *http.Response {
	size := x.call.moving.desc.Size
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Length": {strconv.FormatInt(size, 10)}},
		ContentLength: size,
		Body:          body,
		Request:       x.req,
	}
}
