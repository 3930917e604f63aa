package main

import (
	"context"
	"io"
)

// interruptible is a stream whose reading ends with ctx: standard input may have
// nothing to give for ever.
type interruptible struct {
	ctx     context.Context
	from    io.Reader
	buffer  []byte
	replies chan got
}

// got is what one read gave.
type got struct {
	n   int
	err error
}

func newInterruptible(ctx context.Context, from io.Reader) *interruptible {
	return &interruptible{ctx: ctx, from: from, replies: make(chan got, 1)}
}

// Read fails with the cause of ctx once that is over; the read that is under way
// is left behind, so nothing can be read any more.
func (r *interruptible) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	if r.buffer == nil {
		r.buffer = make([]byte, 64<<10)
	}
	b := r.buffer[:min(len(p), len(r.buffer))]
	go func() {
		n, err := r.from.Read(b)
		r.replies <- got{n, err}
	}()
	select {
	case g := <-r.replies:
		return copy(p, b[:g.n]), g.err
	case <-r.ctx.Done():
		return 0, context.Cause(r.ctx)
	}
}
