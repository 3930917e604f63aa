package runtime

import (
	"sync"
	"sync/atomic"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"

	"github.com/policyhost/policy/runtime/fault"
)

// branch is one thread of a run. The first runs the script; parallel and tasks
// start others, each with a Starlark thread of its own, and the one that started
// them waits for them: so nothing that a function has captured changes meanwhile.
// All share the run's context, steps, output and memory.
type branch struct {
	run    *run
	parent *branch // that waits for this one; nil for the first
	thread *starlark.Thread
	until  uint64 // its thread's steps may get here before it asks for more
	slot   bool   // it is one of those that work at once
	task   string // that it is part of
}

const branchKey = "policy.branch"

func branchOf(thread *starlark.Thread) *branch { return thread.Local(branchKey).(*branch) }

func runOf(thread *starlark.Thread) *run { return branchOf(thread).run }

// branch starts a thread of the run; end has to follow.
func (r *run) branch(parent *branch) *branch {
	b := &branch{run: r, parent: parent}
	if parent != nil {
		b.task = parent.task
	}
	b.thread = &starlark.Thread{Name: r.loader.main, Print: r.print, Load: r.load}
	b.thread.SetLocal(branchKey, b)
	b.thread.OnMaxSteps = func(*starlark.Thread) { b.refill() }
	startime.SetNow(b.thread, r.now)
	b.refill()
	r.mu.Lock()
	r.branches[b] = true
	r.mu.Unlock()
	if why := r.reason.Load(); why != nil {
		b.thread.Cancel(why.fault.Error())
	}
	return b
}

// end gives back what the branch holds.
func (b *branch) end() {
	b.rest()
	b.run.mu.Lock()
	delete(b.run.branches, b)
	b.run.mu.Unlock()
}

// stepShare is the part of the steps left that one of several branches takes at
// a time: small enough that what the others hold does not matter.
const stepShare = 256

// refill takes steps out of the run's budget, all of them for the first branch,
// which runs alone. What was used beyond the last ones is paid first.
func (b *branch) refill() {
	left := &b.run.stepsLeft
	left.Add(int64(b.until) - int64(b.thread.Steps))
	b.until = b.thread.Steps
	for {
		there := left.Load()
		if there <= 0 {
			b.run.stop(b.run.outOfSteps(), grace)
			return
		}
		take := there
		if b.parent != nil {
			take = max(1, there/stepShare)
		}
		if left.CompareAndSwap(there, there-take) {
			b.until += uint64(take)
			b.thread.SetMaxExecutionSteps(b.until)
			return
		}
	}
}

// enter waits until the branch may work; false means that the run has to stop.
func (b *branch) enter() bool {
	select {
	case b.run.slots <- struct{}{}:
		b.slot = true
	case <-b.run.stopped:
	}
	return b.slot && b.run.ctx.Err() == nil
}

// rest gives back steps and the place among those that work, at the end or while
// the branch waits for others.
func (b *branch) rest() {
	b.run.stepsLeft.Add(int64(b.until) - int64(b.thread.Steps))
	b.until = b.thread.Steps
	if b.slot {
		b.slot = false
		<-b.run.slots
	}
}

// fork runs branches while b waits, and goes on when all have ended.
func (b *branch) fork(work func()) {
	working := b.slot
	b.rest()
	work()
	if working {
		b.enter()
	}
	b.refill()
}

// call runs a function in a branch of its own and gives its frozen result. The
// fault carries the call stack of that branch only.
func (b *branch) call(fn starlark.Callable, args starlark.Tuple) (v starlark.Value, err error) {
	defer b.end()
	defer func() {
		if err != nil {
			err = b.run.loader.fault(err)
		}
	}()
	defer fault.Recover("", &err)
	if v, err = starlark.Call(b.thread, fn, args, nil); err != nil {
		return nil, err
	}
	v.Freeze()
	return v, nil
}

// running reports whether a function is at work in b or in what waits for it. The
// language refuses recursion within a thread; this refuses it across threads.
func (b *branch) running(fn starlark.Callable) bool {
	f, ok := fn.(*starlark.Function)
	for at := b; ok && at != nil; at = at.parent {
		for depth := range at.thread.CallStackDepth() {
			g, same := at.thread.DebugFrame(depth).Callable().(*starlark.Function)
			if same && g.Position() == f.Position() && g.Name() == f.Name() {
				return true
			}
		}
	}
	return false
}

// failures gathers what branches ended with.
type failures struct {
	mu   sync.Mutex
	errs []error
	any  atomic.Bool
}

func newFailures(n int) *failures { return &failures{errs: make([]error, n)} }

// add keeps the fault of the i-th branch, under the name that what has.
func (f *failures) add(i int, what string, err error) {
	inner := fault.Of(err)
	named := &fault.Error{Kind: inner.Kind, Subject: what, Err: inner, Hint: inner.Hint}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs[i] = named
	f.any.Store(true)
}

// join is one fault of all of them, in the order of the branches. When the run had
// to stop before its branches could fail, that is the fault.
func (f *failures) join(r *run) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := fault.Join(f.errs...)
	if err == nil && r.ctx.Err() != nil {
		return ended(r.ctx)
	}
	return err
}
