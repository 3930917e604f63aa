package builtins

import (
	"context"
	"hash/fnv"
	"runtime"
	"sync"

	"github.com/policyhost/policy/runtime/fault"
)

// batch is how many documents are asked in one go.
const batch = 64

// document is one of a corpus, and where it is.
type document struct {
	file string
	n    int
	text string
}

// job is a batch on its way, and where its counts will be.
type job struct {
	documents []document
	counted   chan *tally
}

// run reads on one goroutine, asks on as many as there are processors, and counts in
// the order of the corpus, so that the answer is the same each time. The first
// failure ends them all.
func (r *replayer) run(ctx context.Context, e *Env, into *tally) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	start := func(work func() error) {
		wg.Go(func() {
			var err error
			defer func() {
				if err != nil {
					cancel(err)
				}
			}()
			defer fault.Recover("", &err)
			err = work()
		})
	}
	workers := runtime.GOMAXPROCS(0)
	jobs, ordered := make(chan job, workers), make(chan job, 4*workers)
	start(func() error {
		defer close(jobs)
		defer close(ordered)
		return r.readBatches(e, func(documents []document) error {
			j := job{documents, make(chan *tally, 1)}
			for _, to := range []chan job{ordered, jobs} {
				select {
				case to <- j:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			return nil
		})
	})
	for range workers {
		start(func() error {
			for j := range jobs {
				t, err := r.judge(ctx, j.documents)
				if err != nil {
					return err
				}
				j.counted <- t
			}
			return nil
		})
	}
	start(func() error {
		for j := range ordered {
			select {
			case t := <-j.counted:
				into.add(t)
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	wg.Wait()
	return context.Cause(ctx)
}

// readBatches gives the documents to ask, some at a time.
func (r *replayer) readBatches(e *Env, yield func([]document) error) error {
	var pending []document
	err := r.read(e, func(d document) error {
		if pending = append(pending, d); len(pending) < batch {
			return nil
		}
		full := pending
		pending = nil
		return yield(full)
	})
	if err != nil || len(pending) == 0 {
		return err
	}
	return yield(pending)
}

// sampled reports whether a document is among those to ask.
func (r *replayer) sampled(text string) bool {
	if r.Sample >= 1 {
		return true
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	// The low bits of FNV are its best.
	return float64(h.Sum64()&(1<<32-1))/(1<<32) < r.Sample
}
