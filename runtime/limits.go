package runtime

import (
	"cmp"
	"errors"
	"fmt"
	"runtime/metrics"
	"time"

	"github.com/policyhost/policy/runtime/fault"
)

// Limits bound what a script may use up. A zero field means its default, a
// negative duration or [NoLimit] means none.
type Limits struct {
	LoadSteps uint64        // of the interpreter, while files are loaded: 10 million
	LoadTime  time.Duration // 2 seconds
	Depth     int           // of files that load files: 64
	Steps     uint64        // of one call: 1,000 million
	Time      time.Duration // of one call: none
	Output    int64         // bytes printed by one call: 16 MiB
	Heap      uint64        // bytes of the whole process, garbage included: 2 GiB
	Parallel  int           // branches of parallel and tasks that work at once: 16

	// Hint is asked what to type to raise a limit: "load steps", "load time",
	// "depth", "steps", "time", "output" or "memory". Nil names the Go field.
	Hint func(limit string) string

	// Exceeded is called when a limit was passed, or the context ended, and the
	// script did not stop in time: a single operation of the interpreter or a
	// builtin cannot be interrupted. A program may end itself here; otherwise the
	// call returns and what still runs is given up.
	Exceeded func(*fault.Error)
}

// NoLimit switches a count off.
const NoLimit = 1<<63 - 1

// How long a script has to notice that it must stop, how often the watchdog
// looks, and how much stack a run may take: Go ends a process whose stack passes
// 1 GB, and what is nested that deep takes for ever to print.
const (
	grace     = 400 * time.Millisecond
	heapGrace = 100 * time.Millisecond
	sampling  = 10 * time.Millisecond
	maxStack  = 64 << 20
)

func (l Limits) withDefaults() Limits {
	l.LoadSteps = cmp.Or(l.LoadSteps, 10_000_000)
	l.LoadTime = cmp.Or(l.LoadTime, 2*time.Second)
	l.Depth = cmp.Or(l.Depth, 64)
	l.Steps = cmp.Or(l.Steps, 1_000_000_000)
	l.Output = cmp.Or(l.Output, 16<<20)
	l.Heap = cmp.Or(l.Heap, 2<<30)
	l.Parallel = max(cmp.Or(l.Parallel, 16), 1)
	return l
}

// exceeded says which limit was passed and how to raise it.
func (l Limits) exceeded(limit, field, format string, args ...any) *fault.Error {
	hint := "raise runtime.Limits." + field
	if l.Hint != nil {
		hint = l.Hint(limit)
	}
	return &fault.Error{Kind: fault.Limit, Err: fmt.Errorf("the "+limit+" limit is reached: "+format, args...), Hint: hint}
}

// watch samples the process's memory until done is closed, and reports once when
// there is too much of it.
func (l Limits) watch(done <-chan struct{}, report func(*fault.Error)) {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	before := samples[1].Value.Uint64()
	tick := time.NewTicker(sampling)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		metrics.Read(samples)
		if heap := samples[0].Value.Uint64(); heap > l.Heap {
			report(l.exceeded("memory", "Heap", "%d MiB in use, %d MiB allowed", heap>>20, l.Heap>>20))
			return
		}
		if stack := samples[1].Value.Uint64(); stack > before+maxStack {
			report(&fault.Error{Kind: fault.Limit, Err: errors.New("a value is nested too deep: working on it takes too much stack")})
			return
		}
	}
}
