package registry

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// exchange is one request of regclient with all its tries.
type exchange struct {
	c        *Client
	home     *host // the registry the caller meant
	to       *host // who is asked
	call     *call
	req      *http.Request // as regclient made it; copies of it are sent
	url      *url.URL
	repo     string
	kind     kind
	body     func(context.Context) (io.ReadCloser, error) // nil: none
	size     int64                                        // of body
	whole    bool                                         // body is a blob, sent in one request
	attempts int

	anonymous bool   // no Authorization of the registry, whatever is asked
	token     string // the token server being asked, "" for a registry
	api       string // the vendor's API being asked, "" for a registry
	basic     string // Authorization for the token server or the API

	ctx    context.Context
	cancel context.CancelFunc
	leave  func()     // gives the slot back
	sent   Credential // what the last try authenticated with
	secret string     // the last word of its Authorization
}

// run tries until there is an answer that no further try would better.
func (x *exchange) run() (*http.Response, error) {
	r := x.c.retrier(x.home.name, x.attempts)
	for {
		resp, err := x.once(x.ctx, x.firstByte())
		if err == nil {
			resp, err = x.receive(resp)
		}
		if err == nil {
			return resp, nil
		}
		if !x.repeatable(err) {
			return nil, err
		}
		if waited := r.wait(x.ctx, err); waited != nil {
			return nil, waited
		}
	}
}

// firstByte is where a blob's download starts: after what an earlier run left.
func (x *exchange) firstByte() int64 {
	if m := x.call.moving; m != nil && x.kind == blobRead {
		return m.size
	}
	return 0
}

// repeatable reports whether the request may be sent again after err. An
// upload's body may not: how much of it the registry kept is unknown, and the
// whole upload has to start over.
func (x *exchange) repeatable(err error) bool {
	if x.kind == uploadBody || x.kind == uploadEnd {
		return false
	}
	return transient(err)
}

// once sends the request with whatever authorization is known, and again with
// a better one while it is refused: after the first challenge, and after a
// token that was good until now. The answer is 2xx, anything else an error.
func (x *exchange) once(ctx context.Context, from int64) (*http.Response, error) {
	var tried string
	var refused error
	if x.to == x.home {
		x.home.settle(ctx)
		x.url.Scheme = x.home.scheme()
	}
	for round := 0; ; round++ {
		authorization, err := x.authorize(ctx, tried)
		if err != nil {
			return nil, err
		}
		if refused != nil && authorization == tried {
			return nil, refused
		}
		resp, err := x.send(ctx, authorization, from)
		if x.mistaken(ctx, round, resp, err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		switch {
		case resp.StatusCode == http.StatusUnauthorized && !x.anonymous && round < 3:
			x.to.auth.learn(resp.Header.Values("WWW-Authenticate"), x.scopes())
			_, refused = x.failed(resp)
			tried = authorization
			if !x.whole {
				continue
			}
			if better, err := x.authorize(ctx, tried); err != nil || better == tried {
				return nil, cmp.Or(err, refused)
			}
			return nil, &renewed{refused}
		case resp.StatusCode >= 300:
			return x.failed(resp)
		}
		return resp, nil
	}
}

// mistaken reports whether a first answer was what a TLS server says to plain
// HTTP, and if it was, makes the exchange one over TLS.
func (x *exchange) mistaken(ctx context.Context, round int, resp *http.Response, err error) bool {
	if round > 0 || x.to != x.home || x.url.Scheme != "http" || err == nil && resp.StatusCode != http.StatusBadRequest {
		return false
	}
	if err != nil && !transient(err) || !x.home.speaksTLS(ctx) {
		return false
	}
	if err == nil {
		drop(resp)
	}
	x.url.Scheme = x.home.scheme()
	return true
}

// failed turns a final status into an error, except for the answers to chunks,
// which regclient reads for where to go on.
func (x *exchange) failed(resp *http.Response) (*http.Response, error) {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	drop(resp)
	err := x.refused(resp, body)
	if x.req.Method == http.MethodPatch && resp.Header.Get("Range") != "" {
		resp.Header.Del("Retry-After")
		resp.Body = http.NoBody
		x.leave()
		return resp, nil
	}
	return nil, err
}

// refused words an answer.
func (x *exchange) refused(resp *http.Response, body []byte) *answer {
	a := &answer{
		host: x.home.name, method: x.req.Method, status: resp.StatusCode,
		asked:  retryAfter(resp.Header.Get("Retry-After"), time.Now()),
		quota:  quotaOf(resp.Header, time.Now()),
		vendor: x.home.vendor,
		api:    x.api,
		user:   x.sent.Username,
		sent:   !x.sent.IsZero(),
		upload: x.kind == uploadBody,
		token:  x.token,
	}
	if resp.Request != nil && resp.Request.URL.Host != x.url.Host {
		a.foreign = true
	}
	a.code, a.message = errorBody(body, append(x.sent.secrets(), x.secret))
	return a
}

// send sends the request and follows it where the registry sends it. The
// Authorization stays behind as soon as scheme, host or port change.
func (x *exchange) send(ctx context.Context, authorization string, from int64) (*http.Response, error) {
	to, u := x.to, x.url
	for hop := 0; ; hop++ {
		resp, err := x.hop(ctx, to, u, authorization, from)
		if err != nil {
			return nil, err
		}
		next, err := redirected(resp, x.req.Method)
		if err != nil || next == nil {
			return resp, err
		}
		drop(resp)
		if hop == maxRedirects {
			return nil, &refusal{host: x.home.name, reason: "it redirects without end"}
		}
		if err := x.follow(u, next); err != nil {
			return nil, err
		}
		if origin(next) != origin(u) {
			authorization = ""
			to = x.c.foreign(next, !isLoopback(x.home.endpoint))
		}
		u = next
	}
}

// follow decides whether a redirect is followed.
func (x *exchange) follow(from, to *url.URL) error {
	if x.token != "" && origin(from) != origin(to) {
		return &refusal{host: x.home.name, reason: "its token server redirects to " + to.Host}
	}
	if x.api != "" && origin(from) != origin(to) {
		return &refusal{host: x.home.name, reason: "its API redirects to " + to.Host}
	}
	if err := x.home.mayGo(from, to); err != nil {
		return err
	}
	if x.req.Method == http.MethodGet || x.req.Method == http.MethodHead || origin(from) == origin(to) {
		return nil
	}
	return (&wire{c: x.c, home: x.home}).mayUpload(to)
}

// hop is one request on one connection, under a watch.
func (x *exchange) hop(ctx context.Context, to *host, u *url.URL, authorization string, from int64) (*http.Response, error) {
	rt, err := to.transport()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	w := newWatch(x.c.o.Timeouts, cancel)
	end := func() { w.stop(); cancel(nil) }
	req, err := x.request(ctx, u, w)
	if err != nil {
		end()
		return nil, err
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	if from > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	start := time.Now()
	if req.Body == nil {
		w.awaitAnswer(0)
	}
	resp, err := rt.RoundTrip(req)
	w.answered()
	x.log(req, resp, err, start)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		end()
		if x.ctx.Err() != nil {
			return nil, x.ctx.Err()
		}
		return nil, &broken{host: to.name, err: err, upload: x.kind == uploadBody}
	}
	resp.Request = req
	resp.Body = &watched{body: resp.Body, w: w, end: end, ctx: ctx}
	return resp, nil
}

func (x *exchange) request(ctx context.Context, u *url.URL, w *watch) (*http.Request, error) {
	req := &http.Request{
		Method: x.req.Method, URL: u, Host: u.Host, Header: x.req.Header.Clone(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Del("Authorization")
	req.Header.Set("User-Agent", x.c.o.UserAgent)
	if x.body != nil {
		body, err := x.body(ctx)
		if err != nil {
			return nil, err
		}
		told := func(int64) {}
		if m := x.call.moving; m != nil && m.open != nil && x.kind == uploadBody && x.size == m.desc.Size {
			told = m.told
		}
		req.Body = &sending{body: body, w: w, left: x.size, total: x.size, told: told}
		req.ContentLength = x.size
	}
	return req.WithContext(ctx), nil
}

// receive reads what is small within the try, so that a broken answer is tried
// again, and makes a blob's body one that goes on after a break.
func (x *exchange) receive(resp *http.Response) (*http.Response, error) {
	if x.kind == blobRead && x.call.moving != nil {
		return x.download(resp)
	}
	defer drop(resp)
	whole := *resp
	if x.req.Method == http.MethodHead {
		whole.Body = http.NoBody
		x.leave()
		return &whole, nil
	}
	limit, what := int64(maxOther), "the answer"
	switch x.kind {
	case manifestAny:
		limit, what = maxManifest, "the manifest"
	case listing:
		limit, what = maxPage, "a page of the list"
	}
	if resp.ContentLength > limit {
		return nil, &oversize{what, limit}
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return nil, &broken{host: x.home.name, err: err}
	case int64(len(b)) > limit:
		return nil, &oversize{what, limit}
	}
	whole.Body = io.NopCloser(bytes.NewReader(b))
	whole.ContentLength = int64(len(b))
	whole.Header = resp.Header.Clone()
	whole.Header.Set("Content-Length", strconv.Itoa(len(b)))
	x.leave()
	return &whole, nil
}

// drop ends an answer nobody reads on; a short rest is read so that the
// connection can be used again.
func drop(resp *http.Response) {
	if resp.Body == nil {
		return
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 16<<10)
	_ = resp.Body.Close()
}

// log writes one line per request: no query, no header, no body.
func (x *exchange) log(req *http.Request, resp *http.Response, err error, start time.Time) {
	if !x.c.o.Log.Enabled(x.ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", req.Method),
		slog.String("url", req.URL.Scheme+"://"+req.URL.Host+req.URL.Path),
		slog.Duration("took", time.Since(start)),
		slog.Bool("authorized", req.Header.Get("Authorization") != ""),
	}
	if err != nil {
		var canceled error
		if errors.Is(err, context.Canceled) {
			canceled = context.Cause(req.Context())
		}
		attrs = append(attrs, slog.Any("error", errors.Join(err, canceled)))
	} else {
		attrs = append(attrs, slog.Int("status", resp.StatusCode), slog.Int64("bytes", resp.ContentLength))
	}
	x.c.o.Log.LogAttrs(x.ctx, slog.LevelDebug, "registry request", attrs...)
}
