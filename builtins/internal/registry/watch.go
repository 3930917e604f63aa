package registry

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// What a watch sees a request doing.
const (
	noAnswer  = "no answer"
	receiving = "receiving"
	sending_  = "sending"
)

// watch ends a request that waits too long for the network: for an answer, or
// for Floor bytes within Trickle. Only time spent waiting counts, so a slow
// disk or a stopped process at our end is not held against the registry.
type watch struct {
	t      Timeouts
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	timer  *time.Timer
	doing  string
	limit  time.Duration
	since  time.Time     // the wait under way began
	waited time.Duration // before it, in this window
	moved  int64         // bytes in this window
	done   bool          // the answer has begun: the body sent no longer counts
}

func newWatch(t Timeouts, cancel context.CancelCauseFunc) *watch {
	w := &watch{t: t, cancel: cancel}
	w.timer = time.AfterFunc(time.Hour, w.fire)
	w.timer.Stop()
	return w
}

func (w *watch) fire() {
	w.mu.Lock()
	err := &stalled{doing: w.doing, after: w.limit}
	w.mu.Unlock()
	w.cancel(err)
}

// awaitAnswer starts the wait for a status line. A registry that has been sent
// size bytes may take time to store them: a second per 8 MiB is added.
func (w *watch) awaitAnswer(size int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		return
	}
	w.doing = noAnswer
	w.limit = w.t.Header + time.Duration(size>>23)*time.Second
	w.timer.Reset(w.limit)
}

// answered ends the wait for a status line.
func (w *watch) answered() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
	w.done, w.waited, w.moved = true, 0, 0
}

// wait starts a wait for bytes.
func (w *watch) wait(doing string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done && doing == sending_ {
		return
	}
	w.doing, w.limit, w.since = doing, w.t.Trickle, time.Now()
	w.timer.Reset(w.t.Trickle - w.waited)
}

// got ends a wait for bytes, n of which have come or gone.
func (w *watch) got(doing string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done && doing == sending_ || w.since.IsZero() {
		return
	}
	w.timer.Stop()
	w.waited += time.Since(w.since)
	if w.moved += int64(n); w.moved >= w.t.Floor {
		w.waited, w.moved = 0, 0
	}
	w.waited = min(w.waited, w.t.Trickle)
}

func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = true
	w.timer.Stop()
}

// watched is the body of an answer under a watch.
type watched struct {
	body io.ReadCloser
	w    *watch
	end  func()
	ctx  context.Context
}

func (b *watched) Read(p []byte) (int, error) {
	b.w.wait(receiving)
	n, err := b.body.Read(p)
	b.w.got(receiving, n)
	if err != nil && !errors.Is(err, io.EOF) {
		if cause := context.Cause(b.ctx); cause != nil {
			err = cause
		}
	}
	return n, err
}

func (b *watched) Close() error {
	b.end()
	return b.body.Close()
}

// sending is the body of a request under a watch: the time between two reads
// is the time the network took for the bytes of the first.
type sending struct {
	body  io.ReadCloser
	w     *watch
	last  int
	left  int64
	total int64
	told  func(done int64)
}

func (s *sending) Read(p []byte) (int, error) {
	if s.last > 0 {
		s.w.got(sending_, s.last)
	}
	n, err := s.body.Read(p)
	s.last = n
	s.left -= int64(n)
	if n > 0 {
		s.told(s.total - s.left)
	}
	if s.left <= 0 || err != nil {
		s.w.awaitAnswer(s.total)
	} else {
		s.w.wait(sending_)
	}
	return n, err
}

func (s *sending) Close() error { return s.body.Close() }
