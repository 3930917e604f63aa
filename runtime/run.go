package runtime

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.starlark.net/starlark"

	"github.com/policyhost/policy/runtime/fault"
)

// run is one execution: a load, or a call. It ends when the script is done, with
// its context, or at its limits.
type run struct {
	host    *Host
	limits  Limits
	loader  *loader
	loading bool
	session *Session // whose lines run; nil for a program
	first   *branch
	ctx     context.Context // of the builtins
	cancel  context.CancelFunc
	now     func() (time.Time, error)

	stepsLeft atomic.Int64  // that no branch has taken yet
	slots     chan struct{} // one for each branch that works, but not for the first
	printing  sync.Mutex    // the host prints one text at a time
	printed   int64         // under printing

	mu       sync.Mutex
	branches map[*branch]bool // under mu: all that run or wait

	reason  atomic.Pointer[reason] // why it has to stop, if it has to
	stopped chan struct{}          // closed once there is a reason
	givenUp atomic.Bool            // nobody waits for it any more
	idle    chan struct{}          // closed once nothing of it works
}

// reason is why a run has to stop, and how long it may take over it.
type reason struct {
	fault    *fault.Error
	patience time.Duration
}

func newRun(h *Host, l *loader, loading bool) *run {
	r := &run{
		host: h, limits: h.Limits.withDefaults(), loader: l, loading: loading,
		stopped: make(chan struct{}), branches: make(map[*branch]bool),
	}
	r.slots = make(chan struct{}, r.limits.Parallel)
	now := h.Now
	if now.IsZero() {
		now = l.started
	}
	r.now = func() (time.Time, error) { return now.UTC(), nil }
	r.stepsLeft.Store(int64(min(r.maxSteps(), NoLimit)))
	r.first = r.branch(nil)
	return r
}

func (r *run) maxSteps() uint64 {
	if r.loading {
		return r.limits.LoadSteps
	}
	return r.limits.Steps
}

func (r *run) outOfSteps() *fault.Error {
	if r.loading {
		return r.limits.exceeded("load steps", "LoadSteps", "%d", r.limits.LoadSteps)
	}
	return r.limits.exceeded("steps", "Steps", "%d", r.limits.Steps)
}

// do runs body on a goroutine of its own and returns its fault. A script that
// has to stop and does not is given up: do returns all the same.
func (r *run) do(ctx context.Context, body func() error) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	r.ctx, r.cancel = context.WithCancel(ctx)
	defer r.cancel()
	defer context.AfterFunc(ctx, func() { r.stop(ended(ctx), grace) })()
	limit, name, field := r.limits.Time, "time", "Time"
	if r.loading {
		limit, name, field = r.limits.LoadTime, "load time", "LoadTime"
	}
	if limit > 0 {
		timer := time.AfterFunc(limit, func() { r.stop(r.limits.exceeded(name, field, "%s", limit), grace) })
		defer timer.Stop()
	}
	over := make(chan struct{})
	defer close(over)
	go r.limits.watch(over, func(f *fault.Error) { r.stop(f, heapGrace) })

	done := make(chan error, 1)
	r.idle = make(chan struct{})
	go func() {
		defer close(r.idle)
		var err error
		defer func() { done <- err }()
		defer fault.Recover("", &err)
		err = body()
	}()
	select {
	case err := <-done:
		return r.fault(err)
	case <-r.stopped:
	}
	select {
	case err := <-done:
		return r.fault(err)
	case <-time.After(r.reason.Load().patience):
	}
	r.givenUp.Store(true)
	f := r.reason.Load().fault
	if r.limits.Exceeded != nil {
		r.limits.Exceeded(f)
	}
	return f
}

// stop asks the script to end; the first reason counts.
func (r *run) stop(f *fault.Error, patience time.Duration) {
	if !r.reason.CompareAndSwap(nil, &reason{f, patience}) {
		return
	}
	r.mu.Lock()
	for b := range r.branches {
		b.thread.Cancel(f.Error())
	}
	r.mu.Unlock()
	r.cancel()
	close(r.stopped)
}

// ended is the fault of a context that is over: a fault when it was ended with
// one, Limit for a deadline, Canceled for anything else.
func ended(ctx context.Context) *fault.Error {
	cause := context.Cause(ctx)
	if f, ok := errors.AsType[*fault.Error](cause); ok {
		return f
	}
	if errors.Is(cause, context.DeadlineExceeded) {
		return &fault.Error{Kind: fault.Limit, Err: fmt.Errorf("the time limit is reached: %w", cause)}
	}
	return &fault.Error{Kind: fault.Canceled, Err: fmt.Errorf("interrupted: %w", cause)}
}

// fault turns what the script ended with into a fault with its trace. A reason
// to stop wins over whatever the script made of it.
func (r *run) fault(err error) error {
	if err == nil {
		return nil
	}
	f := r.loader.fault(err)
	if why := r.reason.Load(); why != nil {
		stopped := *why.fault
		for at := f; at != nil; at, _ = errors.AsType[*fault.Error](at.Err) { // through the branches
			stopped.Trace = append(stopped.Trace, at.Trace...)
		}
		return &stopped
	}
	return f
}

// print hands the text to the host until there is too much of it.
func (r *run) print(thread *starlark.Thread, text string) {
	r.printing.Lock()
	defer r.printing.Unlock()
	if r.givenUp.Load() {
		return
	}
	r.printed += int64(len(text)) + 1
	if r.limits.Output > 0 && r.printed > r.limits.Output {
		r.stop(r.limits.exceeded("output", "Output", "%d bytes", r.limits.Output), grace)
		return
	}
	if r.host.Print != nil {
		r.host.Print(caller(thread), text)
	}
}
