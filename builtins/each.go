package builtins

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// subject is what several of a verb can work on at once.
type subject interface{ Ref | artifact.Name | string }

// each runs fn for every subject, some at once. One failure does not stop the
// others: the results are those that succeeded, in order, the error joins those
// that did not.
func each[S subject, T any](ctx context.Context, e *Env, subjects []S, fn func(context.Context, S) (T, error)) ([]T, error) {
	return eachOf(ctx, e.Settings.Concurrency, subjects, fn)
}

// eachOf is each, n at once. Subjects that have not begun when the context ends
// are not tried, and only the first of them is named.
func eachOf[S subject, T any](ctx context.Context, n int, subjects []S, fn func(context.Context, S) (T, error)) ([]T, error) {
	results := make([]T, len(subjects))
	errs := make([]error, len(subjects))
	slots := make(chan struct{}, n)
	var wg sync.WaitGroup
	tried := len(subjects)
	for i, s := range subjects {
		slots <- struct{}{}
		if err := ctx.Err(); err != nil {
			errs[i], tried = fault.In("", fmt.Sprint(s), err), i+1
			break
		}
		ctx, end := ctx, func(any, error) {}
		if len(subjects) > 1 {
			ctx, end = stepOf(ctx).part(ctx, fmt.Sprint(s))
		}
		wg.Go(func() {
			defer func() { <-slots }()
			defer func() { errs[i] = about(fmt.Sprint(s), errs[i], len(subjects) > 1) }()
			defer func() { end(results[i], errs[i]) }()
			defer fault.Recover("", &errs[i])
			results[i], errs[i] = fn(ctx, s)
		})
	}
	wg.Wait()
	done := results[:0]
	for i, result := range results[:tried] {
		if errs[i] == nil {
			done = append(done, result)
		}
	}
	return done, fault.Join(errs...)
}

// about names the subject in an error. Of several it does so even where the error
// is about something else, a file of the store for example: nobody could tell
// otherwise which of them failed.
func about(subject string, err error, several bool) error {
	f := fault.Of(err)
	if err == nil || !several || f.Subject == "" || strings.Contains(f.Subject, subject) {
		return fault.In("", subject, err)
	}
	outer, inner := *f, *f
	inner.Op = ""
	outer.Subject, outer.Err = subject, &inner
	return &outer
}
