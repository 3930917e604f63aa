package builtins

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// heard is an Env whose events are kept, as "STATE VERB SUBJECT BEFORE AFTER KIND".
func heard() (*Env, func() string) {
	var mu sync.Mutex
	var all []string
	e := &Env{Settings: Settings{Concurrency: 1}, steps: new(atomic.Int64), Events: func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.State == Began {
			all = append(all, fmt.Sprintf("+%d", e.Step.ID))
			return
		}
		text := fmt.Sprintf("%d %s %s", e.Step.ID, e.Step.Verb, e.Step.Subject)
		if e.Step.Before+e.Step.After != "" {
			text += " " + e.Step.Before + ">" + e.Step.After
		}
		if e.Step.Err != nil {
			text += " " + fault.Of(e.Step.Err).Kind.String()
		}
		all = append(all, text)
	}}
	return e, func() string { return strings.Join(all, ", ") }
}

func TestSteps(t *testing.T) {
	t.Parallel()
	writing := Step{Verb: "push", Effect: Write, Delta: Delta{Subject: "typed"}}
	reading := Step{Verb: "eval", Effect: Read, Delta: Delta{Subject: "typed"}}
	no := fault.New(fault.Denied, "b", "no")
	name := artifact.Name{Registry: "r.io", Repository: "a", Tag: "1"}
	for _, tt := range []struct {
		name string
		step Step
		work func(context.Context, *Env) (any, error)
		want string
	}{
		{"nothing noted", writing, func(context.Context, *Env) (any, error) { return nil, nil }, "+1, 1 push typed"},
		{"an image", writing, func(ctx context.Context, _ *Env) (any, error) {
			stepOf(ctx).finds(name, "old")
			return Images{{Ref: "r.io/a:1", Digest: "new"}}, nil
		}, "+1, 1 push r.io/a:1 old>new"},
		{"no image at all", writing, func(context.Context, *Env) (any, error) { return (*Image)(nil), nil }, "+1, 1 push typed"},
		{"several changes, then a failure", writing, func(ctx context.Context, _ *Env) (any, error) {
			stepOf(ctx).changed(Delta{Subject: "a", After: "x"})
			return nil, no
		}, "+1, 1 push a >x, 1 push b denied"},
		{"several subjects", writing, func(ctx context.Context, e *Env) (any, error) {
			return each(ctx, e, []string{"a", "b", "c"}, func(_ context.Context, s string) (*Image, error) {
				switch s {
				case "b":
					return nil, no
				case "c":
					panic("oops")
				}
				return &Image{Ref: s, Digest: "x"}, nil
			})
		}, "+1, +2, 2 push a >x, +3, 3 push b denied, +4, 4 push c internal"},
		{"a failure besides the subjects", writing, func(ctx context.Context, e *Env) (any, error) {
			_, err := each(ctx, e, []string{"a", "b"}, func(context.Context, string) (any, error) { return nil, nil })
			return nil, errors.Join(err, no)
		}, "+1, +2, 2 push a, +3, 3 push b, 1 push typed denied"},
		{"reading has no parts", reading, func(ctx context.Context, e *Env) (any, error) {
			return each(ctx, e, []string{"a", "b"}, func(context.Context, string) (any, error) { return nil, nil })
		}, "+1, 1 eval typed"},
		{"what is needed first", reading, func(ctx context.Context, _ *Env) (any, error) {
			_, end := stepOf(ctx).aside(ctx, "pull", "r.io/a:1")
			end(nil, nil)
			return nil, nil
		}, "+1, +2, 2 pull r.io/a:1, 1 eval typed"},
		{"apart", writing, func(ctx context.Context, e *Env) (any, error) {
			return each(apart(ctx), e, []string{"a", "b"}, func(context.Context, string) (any, error) { return nil, nil })
		}, "+1, 1 push typed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, told := heard()
			ctx, end := e.Begin(t.Context(), tt.step)
			end(tt.work(ctx, e))
			if got := told(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestNobodyListens holds that steps cost nothing and break nothing then.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	ctx, end := new(Env).Begin(t.Context(), Step{Verb: "push"})
	stepOf(ctx).changed(Delta{})
	stepOf(ctx).finds(artifact.Name{}, "")
	stepOf(ctx).moved(1)
	stepOf(ctx).cached()
	_, part := stepOf(ctx).part(ctx, "a")
	part(nil, nil)
	_, aside := stepOf(ctx).aside(ctx, "pull", "a")
	aside(nil, nil)
	end(nil, nil)
}

func TestSubjectOf(t *testing.T) {
	t.Parallel()
	for want, args := range map[string]any{
		"a b":      &PushArgs{Refs: []Ref{{"a"}, {"b"}}},
		"first":    &BuildArgs{Paths: []string{"./policy"}, Tag: []Ref{{"first"}, {"second"}}},
		"new":      &TagArgs{Source: Ref{"old"}, Target: Ref{"new"}},
		"x.tar.gz": &SaveArgs{Ref: Ref{"a"}, File: "x.tar.gz"},
		"there":    &CopyArgs{Source: "here", Target: "there"},
		"policy":   &EvalArgs{Policy: "policy", Query: "data.a"},
		"":         &LoginsArgs{},
	} {
		if got := subjectOf(args); got != want {
			t.Errorf("%T: got %q, want %q", args, got, want)
		}
	}
	if got := subjectOf(&CopyArgs{Target: "https://jo:canary@ghcr.io/a"}); strings.Contains(got, "canary") {
		t.Errorf("a password: %s", got)
	}
}

// A verb that panics has an end, too.
func TestStepOfPanic(t *testing.T) {
	t.Parallel()
	e, said := heard()
	v := Verb{Name: "push", Effect: Write, Func: does(func(context.Context, *Env, *TagsArgs) (*Image, error) { panic("out of paper") })}
	_, err := v.Call(t.Context(), e, new(TagsArgs))
	if !errors.Is(err, fault.Internal) || !strings.Contains(err.Error(), "out of paper") {
		t.Errorf("got %v, want that it panicked", err)
	}
	if want := "+1, 1 push  internal"; said() != want {
		t.Errorf("said %q, want %q", said(), want)
	}
}
