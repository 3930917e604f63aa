package render_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime/fault"
)

var missing = &fault.Error{Kind: fault.NotFound, Op: "push", Subject: "ghcr.io/x:1", Err: errors.New("not in the local store"), Hint: "build it first: policy build . -t ghcr.io/x:1"}

func TestFault(t *testing.T) {
	t.Parallel()
	trace := []fault.Frame{
		{Func: "main", File: "release.star", Line: 30, Col: 5, Source: "    publish(\"1.0\")"},
		{Func: "publish", File: "lib/x.star", Line: 12, Col: 9, Source: "\treturn push(image)"},
		{Func: "push", File: "<builtin>"},
	}
	inner := &fault.Error{Kind: fault.Unavailable, Op: "push", Err: errors.New("refused"), Trace: trace[1:2]}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"nothing", nil, ""},
		{"with a hint", missing, `
policy: push ghcr.io/x:1: not in the local store
  hint: build it first: policy build . -t ghcr.io/x:1
`},
		{"any other error is a defect", errors.New("index out of range"), `
policy: index out of range
  hint: this is a defect of policy: please report it at https://github.com/policyhost/policy/issues
`},
		{"facts around it", fmt.Errorf("stage prod: %w", missing), `
policy: stage prod: push ghcr.io/x:1: not in the local store
  hint: build it first: policy build . -t ghcr.io/x:1
`},
		{"several", fault.In("push", "", fault.Join(missing, fault.New(fault.Denied, "ghcr.io/y:2", "401").WithHint("log in"), missing)), `
policy: push ghcr.io/x:1: not in the local store
  hint: build it first: policy build . -t ghcr.io/x:1
policy: push ghcr.io/y:2: 401
  hint: log in
policy: push ghcr.io/x:1: not in the local store
`},
		{"a script's", &fault.Error{Kind: fault.NotFound, Op: "push", Err: errors.New("not there"), Trace: trace}, `
policy: push: not there
  release.star:30:5: in main
      publish("1.0")
      ^
  lib/x.star:12:9: in publish
      return push(image)
             ^
  <builtin>: in push
`},
		{"a stack in a stack", &fault.Error{Kind: fault.Unavailable, Err: fmt.Errorf("item 3: %w", inner), Trace: trace[:1]}, `
policy: item 3: push: refused
  release.star:30:5: in main
      publish("1.0")
      ^
  lib/x.star:12:9: in publish
      return push(image)
             ^
`},
		{"the same stack once", fmt.Errorf("while releasing: %w", inner), `
policy: while releasing: push: refused
  lib/x.star:12:9: in publish
      return push(image)
             ^
`},
		{"the only one of several", errors.Join(inner), `
policy: push: refused
  lib/x.star:12:9: in publish
      return push(image)
             ^
`},
		{"a stack around the only one", &fault.Error{Kind: fault.NotFound, Op: "push", Subject: "ghcr.io/x:1", Err: errors.Join(missing), Trace: trace[:1]}, `
policy: push ghcr.io/x:1: not in the local store
  release.star:30:5: in main
      publish("1.0")
      ^
  hint: build it first: policy build . -t ghcr.io/x:1
`},
		{"a stack around several", &fault.Error{Kind: fault.NotFound, Err: errors.Join(inner, missing), Trace: trace[:1]}, `
policy: push: refused
  lib/x.star:12:9: in publish
      return push(image)
             ^
policy: push ghcr.io/x:1: not in the local store
  hint: build it first: policy build . -t ghcr.io/x:1
  release.star:30:5: in main
      publish("1.0")
      ^
`},
		{"of several lines", fault.New(fault.Invalid, "policies", "2 errors occurred:\na.rego:1: bad\r\nb.rego:2: worse\n"), `
policy: policies: 2 errors occurred:
  a.rego:1: bad
  b.rego:2: worse
`},
		{"hostile", fault.New(fault.Denied, "ghcr.io", "\x1b]0;pwned\x07\u202e").WithHint("\x1b[2J\nsecond line"), `
policy: ghcr.io: \x1b]0;pwned\x07\u202e
  hint: \x1b[2J\x0asecond line
`},
		{"interrupted", context.Canceled, "\npolicy: interrupted\n"},
		{"out of time", fault.In("push", "x", context.DeadlineExceeded), "\npolicy: push x: the time is up\n  hint: allow more time: --timeout 10m\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, out, stderr := printer(render.Text)
			p.Fault(test.err)
			if want := strings.TrimPrefix(test.want, "\n"); stderr.String() != want {
				t.Errorf("got\n%s\nwant\n%s", stderr, want)
			}
			if out.Len() > 0 {
				t.Errorf("on standard output: %s", out)
			}
		})
	}
}

func TestFaultColor(t *testing.T) {
	t.Parallel()
	p, _, stderr := terminal(80)
	p.Color = true
	p.Fault(missing)
	const want = "\x1b[1;31mpolicy:\x1b[0m push ghcr.io/x:1: not in the local store\n" +
		"  \x1b[36mhint:\x1b[0m build it first: policy build . -t ghcr.io/x:1\n"
	if stderr.String() != want {
		t.Errorf("got %q", stderr)
	}
}

func TestLongSourceLine(t *testing.T) {
	t.Parallel()
	source := strings.Repeat("政", 200) + "push(image)" + strings.Repeat("x", 200)
	p, _, stderr := printer(render.Text)
	p.Width = 60
	p.Fault(&fault.Error{Kind: fault.Script, Err: errors.New("no"), Trace: []fault.Frame{{File: "a", Line: 1, Col: 201, Source: source}}})
	lines := strings.Split(stderr.String(), "\n")
	before, _, found := strings.Cut(lines[2], "push(image)")
	if !found || len([]rune(lines[2])) > 70 {
		t.Fatalf("got %q", lines[2])
	}
	// A wide character takes two columns, the ellipsis and the indentation one each.
	want := 6 + 1 + 2*strings.Count(before, "政")
	if caret := strings.Index(lines[3], "^"); caret != want {
		t.Errorf("caret at %d, want %d\n%s", caret, want, stderr)
	}
}

func TestEndlessRecursion(t *testing.T) {
	t.Parallel()
	f := &fault.Error{Kind: fault.Limit, Err: errors.New("too deep")}
	for i := range 1000 {
		f.Trace = append(f.Trace, fault.Frame{Func: fmt.Sprintf("f%d", i), File: "a.star", Line: i + 1})
	}
	p, _, stderr := printer(render.Text)
	p.Fault(f)
	got := stderr.String()
	if strings.Count(got, "\n") != 22 || !strings.Contains(got, "… 980 more calls …") || !strings.Contains(got, "in f7\n") || !strings.Contains(got, "in f988\n") {
		t.Errorf("got\n%s", got)
	}
}

func TestHugeMessage(t *testing.T) {
	t.Parallel()
	p, _, stderr := printer(render.Text)
	p.Fault(fault.New(fault.Unavailable, "ghcr.io", "%s", strings.Repeat("<html>", 100_000)))
	if stderr.Len() > 10_000 {
		t.Errorf("wrote %d bytes", stderr.Len())
	}
}

func TestFaultJSON(t *testing.T) {
	t.Parallel()
	err := fault.Join(missing, &fault.Error{Kind: fault.Denied, Subject: "y", Err: errors.New("\x1b401"), Trace: []fault.Frame{{Func: "main", File: "a.star", Line: 1, Col: 2, Source: "x"}}})
	p, out, stderr := printer(render.JSON)
	p.Fault(err)
	const want = `{
  "error": {
    "kind": "denied",
    "message": "push ghcr.io/x:1: not in the local store\ny: \u001b401",
    "errors": [
      {
        "kind": "not_found",
        "op": "push",
        "subject": "ghcr.io/x:1",
        "message": "not in the local store",
        "hint": "build it first: policy build . -t ghcr.io/x:1"
      },
      {
        "kind": "denied",
        "subject": "y",
        "message": "\u001b401",
        "trace": [
          {
            "func": "main",
            "file": "a.star",
            "line": 1,
            "col": 2,
            "source": "x"
          }
        ]
      }
    ]
  }
}
`
	if stderr.String() != want {
		t.Errorf("got\n%s\nwant\n%s", stderr, want)
	}
	if out.Len() > 0 {
		t.Errorf("on standard output: %s", out)
	}
	if !json.Valid(stderr.Bytes()) {
		t.Error("not JSON")
	}

	p, _, stderr = printer(render.JSON)
	p.Fault(errors.Join(missing))
	if got := stderr.String(); strings.Contains(got, "errors") || !strings.Contains(got, `"message": "not in the local store"`) {
		t.Errorf("got\n%s", got)
	}

	p, _, stderr = printer(render.YAML)
	p.Fault(missing)
	const wantYAML = "error:\n  kind: not_found\n  op: push\n  subject: ghcr.io/x:1\n  message: not in the local store\n" +
		"  hint: 'build it first: policy build . -t ghcr.io/x:1'\n"
	if stderr.String() != wantYAML {
		t.Errorf("got\n%s", stderr)
	}
}
