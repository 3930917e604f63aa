package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/policyhost/policy/runtime/fault"
)

// grace is how long an evaluation that was told to stop may take to notice.
// Some functions of OPA never do; they are left behind.
const grace = 100 * time.Millisecond

// workers are goroutines that evaluate on behalf of callers, so that a caller
// whose context ends returns at once whatever OPA is doing. They are kept, since
// a fresh goroutine grows its stack anew for each evaluation.
type workers struct {
	mu   sync.Mutex
	idle []*worker
	gone bool
}

type worker struct {
	jobs   chan func(*cancelFlag) error
	done   chan error
	cancel cancelFlag
}

// cancelFlag is a topdown.Cancel that can be used again.
type cancelFlag struct{ set atomic.Bool }

func (c *cancelFlag) Cancel()         { c.set.Store(true) }
func (c *cancelFlag) Cancelled() bool { return c.set.Load() }

// do runs job and returns its error, or the cause of ctx once that has ended. A
// job that outlives its context must not touch what its caller reads. A panic
// in it is an Internal fault.
func (w *workers) do(ctx context.Context, job func(*cancelFlag) error) error {
	if ctx.Err() != nil {
		return fault.Of(context.Cause(ctx))
	}
	if ctx.Done() == nil {
		return guarded(job, &cancelFlag{})
	}
	one := w.take()
	one.jobs <- job
	select {
	case err := <-one.done:
		w.give(one)
		return err
	case <-ctx.Done():
	}
	one.cancel.Cancel()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case err := <-one.done:
		one.cancel.set.Store(false)
		w.give(one)
		if err == nil {
			return nil // it was done in that very moment
		}
		return err
	case <-timer.C:
		close(one.jobs) // it ends when its job does
		return fault.Of(context.Cause(ctx))
	}
}

func (w *workers) take() *worker {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.idle); n > 0 {
		one := w.idle[n-1]
		w.idle = w.idle[:n-1]
		return one
	}
	one := &worker{jobs: make(chan func(*cancelFlag) error), done: make(chan error, 1)}
	go func() {
		for job := range one.jobs {
			one.done <- guarded(job, &one.cancel)
		}
	}()
	return one
}

func (w *workers) give(one *worker) {
	const keep = 64
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone || len(w.idle) >= keep {
		close(one.jobs)
		return
	}
	w.idle = append(w.idle, one)
}

func (w *workers) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = true
	for _, one := range w.idle {
		close(one.jobs)
	}
	w.idle = nil
}

func guarded(job func(*cancelFlag) error, c *cancelFlag) (err error) {
	defer fault.Recover("", &err)
	return job(c)
}
