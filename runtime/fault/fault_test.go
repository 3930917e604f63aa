package fault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/policyhost/policy/runtime/fault"
)

// What the process ends with and scripts compare is a promise: spec E1.
func TestKinds(t *testing.T) {
	t.Parallel()
	for kind, want := range map[fault.Kind]struct {
		name string
		exit int
	}{
		fault.Rejected:    {"rejected", 1},
		fault.Usage:       {"usage", 2},
		fault.Script:      {"script", 3},
		fault.NotFound:    {"not_found", 4},
		fault.Denied:      {"denied", 5},
		fault.Invalid:     {"invalid", 6},
		fault.Unavailable: {"unavailable", 7},
		fault.Conflict:    {"conflict", 8},
		fault.Limit:       {"limit", 9},
		fault.Internal:    {"internal", 70},
		fault.Canceled:    {"canceled", 130},
	} {
		if kind.String() != want.name || kind.ExitCode() != want.exit {
			t.Errorf("%s ends with %d, want %s and %d", kind, kind.ExitCode(), want.name, want.exit)
		}
		if text, err := json.Marshal(kind); err != nil || string(text) != `"`+want.name+`"` {
			t.Errorf("%s in JSON: %s %v", want.name, text, err)
		}
	}
}

func TestError(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]*fault.Error{
		"gone":              fault.New(fault.NotFound, "", "gone"),
		"a:1: gone":         fault.New(fault.NotFound, "a:1", "gone"),
		"push: gone":        {Op: "push", Err: errors.New("gone")},
		"push a:1: gone: 7": {Op: "push", Subject: "a:1", Err: fmt.Errorf("gone: %d", 7)},
	} {
		if f.Error() != want {
			t.Errorf("got %q, want %q", f, want)
		}
	}
	f := fault.New(fault.NotFound, "a:1", "reading: %w", io.ErrUnexpectedEOF)
	wrapped := fmt.Errorf("outer: %w", f)
	if !errors.Is(wrapped, fault.NotFound) || !errors.Is(wrapped, io.ErrUnexpectedEOF) || errors.Is(wrapped, fault.Denied) {
		t.Errorf("%v is not what it wraps", wrapped)
	}
	if hinted := f.WithHint("type %s", "this"); hinted.Hint != "type this" || f.Hint != "" {
		t.Errorf("hints %q and %q", hinted.Hint, f.Hint)
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	if fault.Of(nil) != nil {
		t.Error("a fault of nothing")
	}
	f := fault.New(fault.Denied, "ghcr.io", "no")
	if fault.Of(f) != f {
		t.Error("a fault is its own")
	}
	for name, tt := range map[string]struct {
		err  error
		kind fault.Kind
		text string
	}{
		"plain":        {errors.New("oops"), fault.Internal, "oops"},
		"canceled":     {fmt.Errorf("copying: %w", context.Canceled), fault.Canceled, "copying: context canceled"},
		"deadline":     {context.DeadlineExceeded, fault.Limit, "context deadline exceeded"},
		"facts around": {fmt.Errorf("line 4: %w", f.WithHint("log in")), fault.Denied, "line 4: ghcr.io: no"},
		"bare kind":    {fmt.Errorf("x: %w", fault.NotFound), fault.Internal, "x: not found"},
	} {
		got := fault.Of(tt.err)
		if got.Kind != tt.kind || got.Error() != tt.text {
			t.Errorf("%s: got %s %q, want %s %q", name, got.Kind, got, tt.kind, tt.text)
		}
	}
	if got := fault.Of(fmt.Errorf("line 4: %w", f.WithHint("log in"))); got.Hint != "log in" {
		t.Errorf("the hint became %q", got.Hint)
	}
}

func TestIn(t *testing.T) {
	t.Parallel()
	if fault.In("push", "a:1", nil) != nil {
		t.Error("a fault in nothing")
	}
	inner := fault.New(fault.Denied, "ghcr.io", "no")
	for want, err := range map[string]error{
		"push a:1: oops":                fault.In("push", "a:1", errors.New("oops")),
		"push ghcr.io: no":              fault.In("push", "a:1", inner),
		"pull b:2: oops":                fault.In("push", "a:1", fault.In("pull", "b:2", errors.New("oops"))),
		"push a:1: line 4: ghcr.io: no": fault.In("push", "a:1", fmt.Errorf("line 4: %w", inner)),
	} {
		if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
	if inner.Op != "" {
		t.Errorf("In changed its argument: %v", inner)
	}
}

// Several errors end with the gravest, spec E1.7, in whichever order they come.
func TestJoin(t *testing.T) {
	t.Parallel()
	if err := fault.Join(nil, nil); err != nil {
		t.Errorf("none gives %v", err)
	}
	one := errors.New("one")
	if err := fault.Join(nil, one, nil); err != one { //nolint:errorlint // identity is the promise
		t.Errorf("one gives %v", err)
	}
	order := []fault.Kind{
		fault.Canceled, fault.Internal, fault.Limit, fault.Invalid, fault.Denied, fault.Conflict, fault.NotFound,
		fault.Usage, fault.Script, fault.Rejected, fault.Unavailable,
	}
	for i, graver := range order {
		for _, lesser := range order[i+1:] {
			a, b := fault.New(graver, "a", "graver").WithHint("graver"), fault.New(lesser, "b", "lesser").WithHint("lesser")
			for _, err := range []error{fault.Join(a, b), fault.Join(nil, b, a)} {
				f := fault.Of(err)
				if f.Kind != graver || f.Hint != "graver" {
					t.Errorf("%s and %s give %s, hint %q", graver, lesser, f.Kind, f.Hint)
				}
				if !errors.Is(err, graver) || !errors.Is(err, lesser) || !errors.Is(err, a) || !errors.Is(err, b) {
					t.Errorf("%s and %s: one of them is lost", graver, lesser)
				}
			}
		}
	}
	if text := fault.Join(fault.New(fault.Usage, "a", "x"), one).Error(); text != "a: x\none" {
		t.Errorf("got %q", text)
	}
}

func TestRecover(t *testing.T) {
	t.Parallel()
	guarded := func(fn func() error) (err error) {
		defer fault.Recover("push", &err)
		return fn()
	}
	if err := guarded(func() error { return io.EOF }); err != io.EOF { //nolint:errorlint // untouched
		t.Errorf("without a panic: %v", err)
	}
	var none []int
	for want, fn := range map[string]func() error{
		`^push: panic at fault_test\.go:\d+: oops$`:                          func() error { panic("oops") },
		`^push: panic at fault_test\.go:\d+: runtime error: index out of .*`: func() error { _ = none[len(none)]; return nil },
		`^push: panic at fault_test\.go:\d+: EOF$`:                           func() error { panic(io.EOF) },
	} {
		err := guarded(fn)
		if !errors.Is(err, fault.Internal) || !regexp.MustCompile(want).MatchString(err.Error()) {
			t.Errorf("got %v, want %s", err, want)
		}
		if strings.HasSuffix(want, "EOF$") != errors.Is(err, io.EOF) {
			t.Errorf("%v: the cause is not the panic's", err)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	verbs := []string{"build", "push", "pull", "images", "inspect", "no_clobber"}
	for _, tt := range []struct{ typed, want string }{
		{"psuh", "push"},       // neighbours swapped
		{"pus", "push"},        // dropped
		{"pushh", "push"},      // added
		{"puth", "push"},       // changed
		{"pul", "pull"},        // the nearer of two
		{"puxx", ""},           // two of four are too many
		{"image", "images"},    // ends early
		{"inpsetc", "inspect"}, // two swaps in seven letters
		{"no-clobber", "no_clobber"},
		{"xyz", ""},
		{"", ""},
	} {
		if got := fault.Nearest(tt.typed, verbs); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.typed, got, tt.want)
		}
	}
	if got := fault.Nearest("push", []string{"push"}); got != "" {
		t.Errorf("suggests what was typed: %q", got)
	}
	if got := fault.Nearest("f", []string{"_", "g"}); got != "" {
		t.Errorf("f is nothing like %q", got)
	}
	if got := fault.Nearest("push", nil); got != "" {
		t.Errorf("suggests %q out of nothing", got)
	}
}
