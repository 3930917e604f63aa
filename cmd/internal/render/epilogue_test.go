package render_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime/fault"
)

func stepOf(id int64, verb, subject string, took time.Duration) *builtins.Step {
	return &builtins.Step{ID: id, Verb: verb, Effect: builtins.Write, Begin: time.Now(), Took: took, Delta: builtins.Delta{Subject: subject}}
}

func TestEpilogue(t *testing.T) {
	t.Parallel()
	run := render.Run{
		Took: 74 * time.Second,
		Sums: map[string]render.Sum{"push": {Done: 3, Unchanged: 2, Failed: 1}, "build": {Done: 1, Cached: 1}, "eval": {Done: 9}},
		Steps: []*builtins.Step{
			stepOf(1, "build", "a", 2100*time.Millisecond), stepOf(1, "build", "b", 2100*time.Millisecond), stepOf(2, "push", "\x1bc", 9*time.Second),
			stepOf(3, "push", "d", 199*time.Millisecond), stepOf(4, render.TaskVerb, "all", 70*time.Second),
		},
	}
	both := "policy: 1 built, 3 pushed, 2 unchanged, 1 found in the build cache, 1 failed in 1m14s\npolicy: slowest: push \\x1bc 9.0s, build a 2.1s\n"
	read := render.Run{Took: time.Minute, Sums: map[string]render.Sum{"eval": {Done: 9}}}
	short := render.Run{Took: 2 * time.Second, Sums: map[string]render.Sum{"tag": {Done: 1}}}
	for name, tt := range map[string]struct {
		run    render.Run
		adjust func(*render.Printer)
		want   string
	}{
		"long":                   {run, func(*render.Printer) {}, both},
		"quiet":                  {run, func(p *render.Printer) { p.Quiet = true }, ""},
		"only reads":             {read, func(p *render.Printer) { p.Verbosity = 1 }, ""},
		"short, in a log":        {short, func(*render.Printer) {}, ""},
		"short, told of":         {short, func(p *render.Printer) { p.Verbosity = 1 }, "policy: 1 tagged in 2.0s\n"},
		"short, on the terminal": {short, func(p *render.Printer) { p.Bars = true }, "policy: 1 tagged in 2.0s\n"},
	} {
		p, _, stderr := printer(render.Text)
		tt.adjust(p)
		p.Epilogue(tt.run)
		if got := stderr.String(); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func TestSum(t *testing.T) {
	t.Parallel()
	var s render.Sum
	failed, same, cached := stepOf(1, "push", "a", 0), stepOf(2, "push", "b", 0), stepOf(3, "build", "c", 0)
	failed.Err, same.Unchanged, cached.Cached = fault.New(fault.Denied, "", "no"), true, true
	for _, step := range []*builtins.Step{failed, same, cached} {
		s = s.Add(step)
	}
	if want := (render.Sum{Done: 1, Unchanged: 1, Cached: 1, Failed: 1}); s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
}

// TestSlowSteps holds what stays of steps where there are no bars.
func TestSlowSteps(t *testing.T) {
	t.Parallel()
	p, _, stderr := printer(render.Text)
	send, stop := p.Progress()
	task, build, quick, moved := stepOf(1, render.TaskVerb, "ship", 3*time.Second), stepOf(2, "build", "a", 14*time.Second), stepOf(3, "build", "b", 9*time.Second), stepOf(4, "push", "c", 15*time.Second)
	build.Err = fault.New(fault.Invalid, "", "no")
	for _, s := range []*builtins.Step{task, build, quick, moved} {
		send(builtins.Event{State: builtins.Began, Step: s})
		send(builtins.Event{State: builtins.Ended, Step: s})
	}
	stop()
	if want := "task ship, 3.0s\nbuild a failed after 14.0s\n"; stderr.String() != want {
		t.Errorf("got %q, want %q", stderr, want)
	}
}

// screen is a terminal that tells when it shows something for the first time.
type screen struct {
	mu   sync.Mutex
	b    bytes.Buffer
	want string
	seen chan struct{}
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b.Write(p)
	if s.want != "" && strings.Contains(s.b.String(), s.want) {
		s.want = ""
		close(s.seen)
	}
	return len(p), nil
}

// TestRows holds that a slow task has a row, one that ended or is a transfer's none,
// and that a task leaves its line.
func TestRows(t *testing.T) {
	t.Parallel()
	out := &screen{want: "task ship", seen: make(chan struct{})}
	p := &render.Printer{Out: out, Err: out, ErrTerminal: true, Bars: true, Width: 80}
	send, stop := p.Progress()
	task, push, over, late := stepOf(1, render.TaskVerb, "ship", 3*time.Second), stepOf(2, "push", "image", 0), stepOf(3, "build", "over", 0), stepOf(4, "build", "late", 0)
	for _, s := range []*builtins.Step{over, push, task} {
		send(builtins.Event{State: builtins.Began, Step: s})
	}
	send(builtins.Event{State: builtins.Ended, Step: over})
	select {
	case <-out.seen:
	case <-time.After(20 * time.Second):
		t.Fatal("no row")
	}
	send(builtins.Event{State: builtins.Began, Step: late})
	send(builtins.Event{State: builtins.Ended, Step: task})
	stop()
	out.mu.Lock()
	defer out.mu.Unlock()
	got := out.b.String()
	if !strings.Contains(got, "task ship, 3.0s\n") || strings.Contains(got, "push") || strings.Contains(got, "over") || strings.Contains(got, "late") {
		t.Errorf("got %q", got)
	}
}
