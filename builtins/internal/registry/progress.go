package registry

import (
	"context"
	"sync"

	"github.com/policyhost/policy/builtins/artifact"
)

// transfer reports one blob's way to Options.Progress.
type transfer struct {
	ctx    context.Context // of the operation that it is part of
	report func(context.Context, Transfer)
	mu     sync.Mutex
	t      Transfer
}

func (c *Client) transfer(ctx context.Context, direction string, n artifact.Name, d artifact.Descriptor) *transfer {
	return &transfer{ctx: ctx, report: c.o.Progress, t: Transfer{Direction: direction, Name: n, Digest: d.Digest, Total: d.Size}}
}

// moved reports bytes, at steps of a chunk.
func (t *transfer) moved(done int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := done - t.t.Done; d >= 0 && d < chunkSize && done != t.t.Total {
		return
	}
	t.t.Done, t.t.State = done, "progress"
	t.report(t.ctx, t.t)
}

// state reports a change.
func (t *transfer) state(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.t.State = s; s == "done" || s == "exists" {
		t.t.Done = t.t.Total
	}
	t.report(t.ctx, t.t)
}
