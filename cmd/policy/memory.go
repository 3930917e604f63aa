package main

import (
	"runtime/metrics"
	"time"

	"github.com/policyhost/policy/runtime/fault"
)

// defaultMemory is what a command may use when nobody says otherwise, in MiB. A
// pipeline's own limit is lower, see package runtime.
const defaultMemory = 4096

// watchMemory ends the process when its heap passes the limit: a policy can ask
// for any amount in one step that nothing interrupts. That is safe, since every
// write is durable or invisible. The function it returns ends the watch.
func (a *app) watchMemory(mib int64, exit func(error)) (stop func()) {
	limit := uint64(mib) << 20
	done := make(chan struct{})
	go func() {
		heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if metrics.Read(heap); heap[0].Value.Uint64() > limit {
				exit(fault.New(fault.Limit, "", "it used more than %d MiB of memory", mib).WithHint("raise --max-heap"))
			}
		}
	}()
	return func() { close(done) }
}
