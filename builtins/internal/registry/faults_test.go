package registry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policyhost/policy/builtins/internal/registry"
	"github.com/policyhost/policy/runtime/fault"
)

// faulty stands before a registry and does something else for some requests.
type faulty struct {
	next  http.Handler
	match func(*http.Request) bool
	times int // how often do is done, -1: for ever
	do    func(f *faulty, w http.ResponseWriter, r *http.Request)

	mu       sync.Mutex
	done     int
	requests []string
	body     atomic.Int64 // bytes of blobs sent to the client

	over chan struct{} // the test is: handlers that hang must return
}

// stand serves f on loopback and returns its host:port.
func (f *faulty) stand(t testing.TB) string {
	t.Helper()
	f.over = make(chan struct{})
	host := serve(t, f)
	t.Cleanup(func() { close(f.over) }) // before the server waits for its handlers
	return host
}

func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r.Method+" "+r.URL.Path+" "+r.Header.Get("Range"))
	hit := f.match != nil && f.match(r) && (f.times < 0 || f.done < f.times)
	if hit {
		f.done++
	}
	f.mu.Unlock()
	if hit {
		f.do(f, w, r)
		return
	}
	f.next.ServeHTTP(&counted{w, &f.body}, r)
}

func (f *faulty) hits() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.done
}

// counted counts the bytes of answers.
type counted struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c *counted) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return c.ResponseWriter.Write(p)
}

// reset closes the connection as a crash would.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// limited lets percent of a blob's answer through, then ends it.
type limited struct {
	http.ResponseWriter
	left int64
	end  func()
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left <= 0 {
		l.end()
		return 0, io.ErrClosedPipe
	}
	p = p[:min(int64(len(p)), l.left)]
	n, err := l.ResponseWriter.Write(p)
	l.left -= int64(n)
	return n, err
}

const layerSize = 3 << 20

// resetDown breaks a download after percent.
func resetDown(percent int64) func(*faulty, http.ResponseWriter, *http.Request) {
	return func(f *faulty, w http.ResponseWriter, r *http.Request) {
		if percent == 0 {
			reset(w)
			return
		}
		l := &limited{ResponseWriter: w, left: layerSize * percent / 100}
		l.end = func() {
			_ = http.NewResponseController(w).Flush()
			reset(w)
		}
		f.next.ServeHTTP(l, r)
	}
}

// truncateDown ends a download early without an error on the connection.
func truncateDown(f *faulty, w http.ResponseWriter, r *http.Request) {
	l := &limited{ResponseWriter: w, left: layerSize / 2, end: func() { panic(http.ErrAbortHandler) }}
	f.next.ServeHTTP(l, r)
}

// endDown ends a download of unannounced length early, as if that were all.
func endDown(f *faulty, w http.ResponseWriter, r *http.Request) {
	rec := httptest.NewRecorder()
	f.next.ServeHTTP(rec, r)
	_, _ = w.Write(rec.Body.Bytes()[:layerSize/2])
	_ = http.NewResponseController(w).Flush()
}

// resetUp breaks an upload after percent of its body.
func resetUp(percent int64) func(*faulty, http.ResponseWriter, *http.Request) {
	return func(_ *faulty, w http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength*percent/100)
		reset(w)
	}
}

func status(code int, header ...string) func(*faulty, http.ResponseWriter, *http.Request) {
	return func(_ *faulty, w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = fmt.Fprintf(w, `{"errors":[{"code":"UNKNOWN","message":"status %d"}]}`, code)
	}
}

func stall(f *faulty, _ http.ResponseWriter, _ *http.Request) { <-f.over }

func trickle(f *faulty, w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", strconv.Itoa(layerSize))
	for {
		_, _ = w.Write([]byte("x"))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-f.over:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// slowReader takes an upload a byte at a time.
func slowReader(f *faulty, _ http.ResponseWriter, r *http.Request) {
	b := make([]byte, 1)
	for {
		if _, err := r.Body.Read(b); err != nil {
			return
		}
		select {
		case <-f.over:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func quick() registry.Timeouts {
	return registry.Timeouts{Backoff: time.Millisecond, RetryAfter: 40 * time.Millisecond}
}

// impatient is quick, and soon tired of waiting.
func impatient() registry.Timeouts {
	t := quick()
	t.Header, t.Trickle = time.Second, time.Second
	return t
}

func pullsLayer(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/sha256:") && !strings.Contains(r.URL.Path, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")
}
func pullsManifest(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/manifests/")
}
func pushesLayer(r *http.Request) bool {
	return r.Method == http.MethodPut && r.ContentLength == layerSize
}
func startsUpload(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/blobs/uploads/")
}
func pushesManifest(r *http.Request) bool {
	return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/")
}
func any1(*http.Request) bool { return true }

func TestFaults(t *testing.T) {
	t.Parallel()
	date := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for _, tt := range []struct {
		name  string
		verb  string
		match func(*http.Request) bool
		times int
		do    func(*faulty, http.ResponseWriter, *http.Request)
		want  error // nil: it succeeds
		tries int   // most times the fault may be met, 0: any
	}{
		{name: "429 seconds", verb: "pull", match: pullsLayer, times: 1, do: status(429, "Retry-After", "1")},
		{name: "429 date", verb: "pull", match: pullsManifest, times: 1, do: status(429, "Retry-After", date)},
		{name: "429 a day, once", verb: "pull", match: pullsLayer, times: 1, do: status(429, "Retry-After", "86400")},
		{name: "429 a day, for ever", verb: "pull", match: pullsLayer, times: -1, do: status(429, "Retry-After", "86400"), want: fault.Unavailable, tries: 2},
		{name: "429 a day", verb: "push", match: pushesLayer, times: 1, do: status(429, "Retry-After", "86400")},
		{name: "500", verb: "pull", match: pullsLayer, times: 2, do: status(500)},
		{name: "502", verb: "pull", match: pullsManifest, times: 2, do: status(502)},
		{name: "503", verb: "pull", match: pullsLayer, times: 2, do: status(503)},
		{name: "504", verb: "pull", match: pullsLayer, times: 2, do: status(504)},
		{name: "500", verb: "push", match: pushesLayer, times: 2, do: status(500)},
		{name: "502", verb: "push", match: startsUpload, times: 2, do: status(502)},
		{name: "503", verb: "push", match: pushesManifest, times: 2, do: status(503)},
		{name: "504", verb: "push", match: pushesLayer, times: 2, do: status(504)},
		{name: "503 everywhere", verb: "push", match: any1, times: 2, do: status(503)},
		{name: "500 for ever", verb: "pull", match: any1, times: -1, do: status(500), want: fault.Unavailable, tries: 6},
		{name: "500 for ever", verb: "push", match: any1, times: -1, do: status(500), want: fault.Unavailable, tries: 6},
		{name: "500 for ever, blob", verb: "pull", match: pullsLayer, times: -1, do: status(500), want: fault.Unavailable, tries: 6},
		{name: "500 for ever, blob", verb: "push", match: pushesLayer, times: -1, do: status(500), want: fault.Unavailable, tries: 6},
		{name: "500 for ever, manifest", verb: "push", match: pushesManifest, times: -1, do: status(500), want: fault.Unavailable, tries: 6},
		{name: "reset at 0", verb: "pull", match: pullsLayer, times: 2, do: resetDown(0)},
		{name: "reset at 1", verb: "pull", match: pullsLayer, times: 1, do: resetDown(1)},
		{name: "reset at 50", verb: "pull", match: pullsLayer, times: 1, do: resetDown(50)},
		{name: "reset at 99", verb: "pull", match: pullsLayer, times: 1, do: resetDown(99)},
		{name: "reset at 0", verb: "push", match: pushesLayer, times: 2, do: resetUp(0)},
		{name: "reset at 1", verb: "push", match: pushesLayer, times: 1, do: resetUp(1)},
		{name: "reset at 50", verb: "push", match: pushesLayer, times: 2, do: resetUp(50)},
		{name: "reset at 99", verb: "push", match: pushesLayer, times: 1, do: resetUp(99)},
		{name: "reset of everything once", verb: "push", match: any1, times: 1, do: resetDown(0)},
		{name: "truncation", verb: "pull", match: pullsLayer, times: 1, do: truncateDown},
		{name: "end too early", verb: "pull", match: pullsLayer, times: 1, do: endDown},
		{name: "truncation for ever", verb: "pull", match: func(r *http.Request) bool { return pullsLayer(r) && r.Header.Get("Range") == "" }, times: -1, do: truncateDown},
		{name: "stalled headers", verb: "pull", match: pullsLayer, times: -1, do: stall, want: fault.Unavailable, tries: 1},
		{name: "stalled headers", verb: "push", match: pushesManifest, times: -1, do: stall, want: fault.Unavailable, tries: 1},
		{name: "stalled headers, all", verb: "push", match: any1, times: -1, do: stall, want: fault.Unavailable, tries: 1},
		{name: "trickle", verb: "pull", match: pullsLayer, times: -1, do: trickle, want: fault.Unavailable, tries: 1},
		{name: "trickle", verb: "push", match: pushesLayer, times: -1, do: slowReader, want: fault.Unavailable, tries: 1},
		{name: "401 without a challenge", verb: "pull", match: any1, times: -1, do: status(401), want: fault.Denied, tries: 2},
		{name: "403", verb: "push", match: startsUpload, times: -1, do: status(403), want: fault.Denied, tries: 8},
		{name: "403 everywhere", verb: "push", match: any1, times: -1, do: status(403), want: fault.Denied},
		{name: "404 everywhere", verb: "push", match: any1, times: -1, do: status(404), want: fault.NotFound},
		{name: "401 everywhere", verb: "push", match: any1, times: -1, do: status(401), want: fault.Denied, tries: 2},
		{name: "413", verb: "push", match: pushesLayer, times: 1, do: status(413)}, // in chunks then
		{name: "405", verb: "push", match: pushesManifest, times: -1, do: status(405), want: fault.Denied, tries: 1},
	} {
		t.Run(tt.verb+" "+tt.name, func(t *testing.T) {
			t.Parallel()
			f := &faulty{next: olaregHandler(t)}
			ref := f.stand(t) + "/acme/authz:1"
			var slowest time.Duration
			var mu sync.Mutex
			timeouts := quick()
			if strings.HasPrefix(tt.name, "stalled") || strings.HasPrefix(tt.name, "trickle") {
				timeouts = impatient()
			}
			c := client(t, registry.Options{Timeouts: timeouts, Retry: func(r registry.Retry) {
				mu.Lock()
				defer mu.Unlock()
				slowest = max(slowest, r.Delay)
				if r.Host == "" || r.Reason == "" || r.Try == 0 {
					t.Errorf("an incomplete notice: %+v", r)
				}
			}})
			img := newImage(t, layerSize)
			if tt.verb == "pull" {
				push(t, client(t, registry.Options{}), ref, img)
			}
			f.mu.Lock()
			f.match, f.times, f.do = tt.match, tt.times, tt.do
			f.mu.Unlock()
			var err error
			got := empty()
			switch tt.verb {
			case "pull":
				_, _, err = c.Pull(t.Context(), name(t, ref), got, nil)
			case "push":
				_, err = c.Push(t.Context(), name(t, ref), img.manifest, img.desc, img)
			}
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v; after\n%s", err, tt.want, strings.Join(f.requests, "\n"))
			}
			if n := f.hits(); n == 0 || tt.tries > 0 && n > tt.tries {
				t.Errorf("the fault was met %d times, want 1 to %d\n%s", n, tt.tries, strings.Join(f.requests, "\n"))
			}
			if limit := 2 * quick().RetryAfter; slowest > limit {
				t.Errorf("waited %v, more than %v", slowest, limit)
			}
			if err != nil {
				if host := strings.SplitN(ref, "/", 2)[0]; !strings.Contains(err.Error(), host) {
					t.Errorf("%q does not name %s", err, host)
				}
				if tt.verb == "pull" && len(got.blobs) > 1 {
					t.Error("the broken blob was committed")
				}
				return
			}
			f.mu.Lock()
			f.match = nil
			f.mu.Unlock()
			if tt.verb == "push" {
				if _, _, err := c.Pull(t.Context(), name(t, ref), got, nil); err != nil {
					t.Fatal(err)
				}
			}
			sameImage(t, got, img)
		})
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	_ = l.Close()
	for _, host := range []string{closed, "registry.invalid", "registry.invalid:5000"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			c := client(t, registry.Options{})
			img := newImage(t, 10)
			start := time.Now()
			for verb, err := range map[string]error{
				"push":    second(c.Push(t.Context(), name(t, host+"/a/b:1"), img.manifest, img.desc, img)),
				"resolve": second(c.Resolve(t.Context(), name(t, host+"/a/b:1"))),
				"login":   c.Login(t.Context(), host, registry.Credential{Username: "u", Password: "p"}),
			} {
				if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), strings.Split(host, ":")[0]) {
					t.Errorf("%s: %v", verb, err)
				}
			}
			if d := time.Since(start); d > 6*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

// TestCancel ends an operation in the middle of a body.
func TestCancel(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"push", "pull"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			f := &faulty{next: olaregHandler(t), times: -1}
			ref := f.stand(t) + "/acme/authz:1"
			img := newImage(t, layerSize)
			c := client(t, registry.Options{})
			if verb == "pull" {
				push(t, c, ref, img)
			}
			f.mu.Lock()
			f.match = func(r *http.Request) bool { return pullsLayer(r) || pushesLayer(r) }
			f.do = func(f *faulty, w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", strconv.Itoa(layerSize))
				_, _ = io.CopyN(io.Discard, r.Body, 1<<20)
				if verb == "pull" {
					_, _ = w.Write(make([]byte, 1<<20))
				}
				cancel()
				<-f.over
			}
			f.mu.Unlock()
			var err error
			if verb == "push" {
				_, err = c.Push(ctx, name(t, ref), img.manifest, img.desc, img)
			} else {
				_, _, err = c.Pull(ctx, name(t, ref), empty(), nil)
			}
			if !errors.Is(err, fault.Canceled) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

// TestResumeAfterKill: what an earlier run left is not fetched again.
func TestResumeAfterKill(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		left    func(layer []byte) []byte
		fetched int64 // most bytes on the wire
	}{
		{"half", func(b []byte) []byte { return b[:layerSize/2] }, layerSize * 60 / 100},
		{"all", func(b []byte) []byte { return b }, 4 << 10},
		{"wrong bytes", func(b []byte) []byte { return make([]byte, layerSize/2) }, layerSize * 2},
		{"too many", func(b []byte) []byte { return make([]byte, layerSize+1) }, layerSize * 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := &faulty{next: olaregHandler(t)}
			ref := f.stand(t) + "/acme/authz:1"
			c := client(t, registry.Options{Timeouts: quick()})
			img := newImage(t, layerSize)
			push(t, c, ref, img)
			for _, verifies := range []bool{false, true} {
				got := empty()
				got.verifies = verifies
				got.partial[img.layer.Digest] = tt.left(img.blobs[img.layer.Digest])
				f.body.Store(0)
				if _, _, err := c.Pull(t.Context(), name(t, ref), got, nil); err != nil {
					t.Fatal(err)
				}
				sameImage(t, got, img)
				if n := f.body.Load(); n > tt.fetched {
					t.Errorf("%d bytes on the wire, want at most %d", n, tt.fetched)
				}
			}
		})
	}
}

// TestBreaksForGood: a download that breaks and cannot be resumed is the
// registry's failure, whoever hashes, and nothing of it is committed.
func TestBreaksForGood(t *testing.T) {
	t.Parallel()
	for _, verifies := range []bool{false, true} {
		f := &faulty{next: olaregHandler(t), times: -1, do: func(f *faulty, w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") == "" {
				resetDown(50)(f, w, r)
				return
			}
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_ = conn.Close() // without a word
			}
		}}
		ref := f.stand(t) + "/acme/authz:1"
		c := client(t, registry.Options{Timeouts: quick()})
		img := newImage(t, layerSize)
		push(t, c, ref, img)
		f.mu.Lock()
		f.match = pullsLayer
		f.mu.Unlock()
		got := empty()
		got.verifies = verifies
		_, _, err := c.Pull(t.Context(), name(t, ref), got, nil)
		if !errors.Is(err, fault.Unavailable) || got.blobs[img.layer.Digest] != nil {
			t.Errorf("verifies %v: %v", verifies, err)
		}
		if n := f.hits(); n < 3 || n > 13 { // net/http tries a used connection once more by itself
			t.Errorf("tried %d times", n)
		}
		if n := len(got.partial[img.layer.Digest]); n == 0 {
			t.Error("nothing is left to resume from")
		}
	}
}

// TestRangeIgnored: a registry that knows no ranges is read from the start.
func TestRangeIgnored(t *testing.T) {
	t.Parallel()
	next := olaregHandler(t)
	f := &faulty{times: 1, do: resetDown(50)}
	f.next = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Range")
		next.ServeHTTP(w, r)
	})
	ref := f.stand(t) + "/acme/authz:1"
	c := client(t, registry.Options{Timeouts: quick()})
	img := newImage(t, layerSize)
	push(t, c, ref, img)
	f.mu.Lock()
	f.match = pullsLayer
	f.mu.Unlock()
	got := empty()
	got.partial[img.layer.Digest] = img.blobs[img.layer.Digest][:1000]
	if _, _, err := c.Pull(t.Context(), name(t, ref), got, nil); err != nil {
		t.Fatal(err)
	}
	sameImage(t, got, img)
}

// TestGoAway: a server that ends its HTTP/2 connection after every answer.
func TestGoAway(t *testing.T) {
	t.Parallel()
	next := olaregHandler(t)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("HTTP/%d", r.ProtoMajor)
		}
		w.Header().Set("Connection", "close")
		next.ServeHTTP(w, r)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	c := client(t, registry.Options{Host: func(string) registry.HostConfig { return registry.HostConfig{Insecure: true} }})
	img := newImage(t, layerSize)
	for i := range 5 {
		ref := fmt.Sprintf("%s/acme/authz:%d", strings.TrimPrefix(s.URL, "https://"), i)
		push(t, c, ref, img)
		got := empty()
		if _, _, err := c.Pull(t.Context(), name(t, ref), got, nil); err != nil {
			t.Fatal(err)
		}
		sameImage(t, got, img)
	}
}
