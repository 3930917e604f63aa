package runtime_test

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

// run evaluates a body under limits.
func run(ctx context.Context, t *testing.T, limits runtime.Limits, body string) error {
	host := testHost(t)
	host.Limits = limits
	host.Print = nil
	_, err := host.Eval(ctx, runtime.Source{Name: "-e", Text: []byte(body)})
	return err
}

func TestLimits(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		limits runtime.Limits
		body   string
		want   string
	}{
		"steps":  {runtime.Limits{Steps: 10_000}, "while True:\n  pass", "the steps limit is reached: 10000 | raise runtime.Limits.Steps"},
		"time":   {runtime.Limits{Steps: runtime.NoLimit, Time: 50 * time.Millisecond}, "while True:\n  pass", "the time limit is reached: 50ms | raise runtime.Limits.Time"},
		"repeat": {runtime.Limits{Steps: 1_000_000}, "while True:\n  [0] * 1000000", "the steps limit is reached: 1000000"},
		"output": {runtime.Limits{Output: 1000}, "while True:\n  print('x' * 9)", "the output limit is reached: 1000 bytes | raise runtime.Limits.Output"},
		"memory": {runtime.Limits{Heap: 300 << 20, Steps: runtime.NoLimit}, "x = []\nwhile True:\n  x.append([0] * 1000000)", "the memory limit is reached: "},
		"string": {runtime.Limits{Heap: 300 << 20}, "x = 'x'\nwhile True:\n  x += x", "the memory limit is reached: "},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), t, tt.limits, tt.body)
			f := fault.Of(err)
			if f == nil || f.Kind != fault.Limit || !strings.HasPrefix(f.Error()+" | "+f.Hint, tt.want) {
				t.Fatalf("got %s", show(err))
			}
			if name != "memory" && name != "string" && (len(f.Trace) != 1 || f.Trace[0].Line == 0) {
				t.Errorf("no trace: %s", show(err))
			}
		})
	}
}

func TestLoadLimits(t *testing.T) {
	t.Parallel()
	load := func(limits runtime.Limits, text string, files fstest.MapFS) error {
		host := &runtime.Host{Limits: limits, Files: files}
		_, err := host.Load(t.Context(), runtime.Source{Name: "m.star", Text: []byte(text)})
		return err
	}
	chain := fstest.MapFS{}
	for i := range 70 {
		chain[fmt.Sprintf("f%d.star", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "load(':f%d.star', 'x')\n", i+1)}
	}
	chain["f70.star"] = &fstest.MapFile{Data: []byte("x = 1")}
	// Many files share one budget.
	wide := fstest.MapFS{}
	var loads strings.Builder
	for i := range 20 {
		wide[fmt.Sprintf("w%d.star", i)] = &fstest.MapFile{Data: []byte("for i in range(100):\n  pass\nx = 1")}
		fmt.Fprintf(&loads, "load('w%d.star', x%d = 'x')\n", i, i)
	}
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"steps":  {load(runtime.Limits{LoadSteps: 100_000}, "while True:\n  pass", nil), "the load steps limit is reached: 100000 | raise runtime.Limits.LoadSteps"},
		"shared": {load(runtime.Limits{LoadSteps: 2000}, loads.String(), wide), "the load steps limit is reached: 2000"},
		"time":   {load(runtime.Limits{LoadSteps: runtime.NoLimit, LoadTime: 50 * time.Millisecond}, "while True:\n  pass", nil), "the load time limit is reached: 50ms"},
		"depth":  {load(runtime.Limits{}, "load('f0.star', 'x')", chain), `load ":f63.star": the depth limit is reached: more than 64 files`},
		"size":   {load(runtime.Limits{}, strings.Repeat("#", 1<<20+1), nil), "m.star: is larger than 1048576 bytes"},
		"hint":   {load(runtime.Limits{LoadSteps: 10, Hint: func(l string) string { return "more " + l }}, "while True:\n  pass", nil), "the load steps limit is reached: 10 | more load steps"},
	} {
		f := fault.Of(tt.err)
		if f == nil || f.Kind != fault.Limit || !strings.HasPrefix(f.Error()+" | "+f.Hint, tt.want) {
			t.Errorf("%s: got %s", name, show(tt.err))
		}
	}
	if err := load(runtime.Limits{Depth: 80}, "load('f0.star', 'x')", chain); !errors.Is(err, fault.Script) {
		t.Errorf("got %v", err) // x is not passed on: loaded all the way down
	}
	if err := load(runtime.Limits{LoadSteps: 20_000}, loads.String(), wide); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestCanceled(t *testing.T) {
	t.Parallel()
	const spin = "while True:\n  pass"
	limits := runtime.Limits{Steps: runtime.NoLimit}
	after := func(end func()) { time.AfterFunc(30*time.Millisecond, end) }

	ctx, cancel := context.WithCancel(t.Context())
	after(cancel)
	err := run(ctx, t, limits, spin)
	if f := fault.Of(err); f == nil || f.Kind != fault.Canceled || len(f.Trace) == 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("got %s", show(err))
	}

	ctx, cancel = context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := run(ctx, t, limits, spin); !errors.Is(err, fault.Limit) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %s", show(err))
	}

	ctx, cancelCause := context.WithCancelCause(t.Context())
	after(func() { cancelCause(fault.New(fault.Limit, "", "the --timeout of 1s is over")) })
	if err := run(ctx, t, limits, spin); !errors.Is(err, fault.Limit) || err.Error() != "the --timeout of 1s is over" {
		t.Errorf("got %s", show(err))
	}

	if err := run(ctx, t, limits, "1"); err == nil {
		t.Error("ran although the context was over")
	}
}

// TestGivenUp is about a builtin that ignores its context: the call returns all
// the same, and the host is told.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	for _, kind := range []fault.Kind{fault.Canceled, fault.Limit} {
		release := make(chan struct{})
		defer close(release)
		var told atomic.Pointer[fault.Error]
		var printed atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		host := &runtime.Host{
			Predeclared: func(runtime.Module) []runtime.Builtin {
				return []runtime.Builtin{builtin("hang", func(context.Context, *struct{}, runtime.Call) (any, error) {
					if kind == fault.Canceled {
						cancel()
					}
					<-release
					return nil, nil
				})}
			},
			Print:  func(runtime.Position, string) { printed.Add(1) },
			Limits: runtime.Limits{Exceeded: func(f *fault.Error) { told.Store(f) }},
		}
		if kind == fault.Limit {
			host.Limits.Time = 100 * time.Millisecond
		}
		start := time.Now()
		_, err := host.Eval(ctx, runtime.Source{Name: "-e", Text: []byte("print('a')\nhang()\nprint('b')")})
		if !errors.Is(err, kind) || told.Load() == nil || told.Load().Kind != kind {
			t.Errorf("got %v, told %v", err, told.Load())
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %s", took)
		}
		if printed.Load() != 1 {
			t.Errorf("printed %d times", printed.Load())
		}
	}
}

// TestBuiltinSeesTheEnd holds that builtins are told to stop by their context.
func TestBuiltinSeesTheEnd(t *testing.T) {
	t.Parallel()
	host := &runtime.Host{
		Predeclared: func(runtime.Module) []runtime.Builtin {
			return []runtime.Builtin{builtin("wait", func(ctx context.Context, _ *struct{}, _ runtime.Call) (any, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})}
		},
		Limits: runtime.Limits{Time: 10 * time.Millisecond},
	}
	_, err := host.Eval(t.Context(), runtime.Source{Name: "-e", Text: []byte("wait()")})
	f := fault.Of(err)
	if f.Kind != fault.Limit || len(f.Trace) != 1 || !strings.Contains(f.Error(), "time limit") {
		t.Errorf("got %s", show(err))
	}
}

// TestHostile holds that what is built to break the interpreter ends in an error.
// The stack that it takes is the process's, so nothing else may run meanwhile.
func TestHostile(t *testing.T) {
	limits := runtime.Limits{Steps: 3_000_000, Time: 3 * time.Second, LoadTime: time.Minute, Heap: 1 << 30}
	for name, body := range map[string]string{
		"parentheses": strings.Repeat("(", 100_000) + strings.Repeat(")", 100_000),
		"brackets":    "x = " + strings.Repeat("[", 200_000),
		"minus":       strings.Repeat("-", 500_000) + "1",
		"lambdas":     "x = " + strings.Repeat("lambda: ", 50_000) + "1",
		"indents":     nested(1200),
		"mutual":      "def f(): g()\ndef g(): f()\nf()",
		"y":           "(lambda f: f(f))(lambda f: f(f))",
		"repeat":      "[0] * 100000000",
		"shift":       "1 << 100000",
		"hash":        "x = ()\nfor _ in range(1000000):\n  x = (x,)\n[{x: i} for i in range(100000)]",
		"return deep": "x = []\nfor _ in range(100000):\n  x = [x]\nx",
		"not utf-8":   "x = '\xff\xfe' \xff",
		"nul":         "x = \x00",
	} {
		err := run(t.Context(), t, limits, body)
		if err == nil {
			t.Errorf("%s: did not fail", name)
		} else if errors.Is(err, fault.Internal) {
			t.Errorf("%s: got %.200s", name, err)
		}
	}
	// Long is not deep.
	if err := run(t.Context(), t, limits, "x = 0"+strings.Repeat(" + 1", 50_000)+"\nlen([x])"); err != nil {
		t.Errorf("got %.200s", err)
	}
}

// TestGuards holds that what would take all memory in one step is refused, and
// that what stands for it is otherwise the language's own.
// It runs alone: the memory that it takes would count against the limits of others.
func TestGuards(t *testing.T) { //nolint:paralleltest // see above
	t.Cleanup(goruntime.GC)
	limits := runtime.Limits{Heap: 16 << 30} // garbage of what was refused counts
	refused := map[string]string{
		"method":   `("a" * 1000000).replace("a", "b" * 1000000)`,
		"bound":    "f = ('a' * 1000000).replace\nf('a', 'b' * 1000000)",
		"getattr":  `getattr("a" * 1000000, "replace")("a", "b" * 1000000)`,
		"empty":    `("a" * 1000000).replace("", "b" * 1000000)`,
		"zip":      "zip(*([range(10000000)] * 1000))",
		"product":  "x = 3\nfor _ in range(40):\n  x = x * x",
		"in place": "x = 3\nfor _ in range(40):\n  x *= x",
		"digits":   `int("f" * 100000000, 16)`,
		"double":   "x = 'x'\nfor _ in range(40):\n  x = x + x",
		"grow":     "x = 'x'\nfor _ in range(40):\n  x += x",
		"bytes":    "x = b'x'\nfor _ in range(40):\n  x = x + x",
		"lists":    "x = [1]\nfor _ in range(40):\n  x = x + x",
		"extended": "x = [1]\nfor _ in range(40):\n  x += x",
		"tuples":   "x = (1,)\nfor _ in range(40):\n  x += x",
		"mixed":    "x = 'x' * 200000000\nd = {'a': x}\nd['a'] += d['a']",
	}
	for _, f := range []string{"all", "any", "dict", "enumerate", "list", "max", "min", "reversed", "set", "sorted", "tuple"} {
		refused[f] = f + "(range(1, 1000000000000))"
	}
	for name, body := range refused {
		err := run(t.Context(), t, limits, body)
		if f := fault.Of(err); f == nil || f.Kind != fault.Limit || len(err.Error()) > 200 {
			t.Errorf("%s: got %.300s", name, show(err))
		}
	}
	for _, body := range []string{"range(1000000000000)", "x = []\nx.append(x)\nx"} {
		if err := run(t.Context(), t, limits, body); err == nil || len(err.Error()) > 200 {
			t.Errorf("%s: got %.300s", body, show(err))
		}
	}
	plain := `
"aXa".replace("", "-") == "-a-X-a-" or fail(1)
"aaa".replace("a", "bc", 2) == "bcbca" or fail(2)
struct(replace = 1).replace == 1 or fail(3)
getattr("aa", "replace")("a", "b") + getattr(1, "x", "c") == "bbc" or fail(4)
(list(range(3)), max([1, 3], key = lambda x: -x), int("ff", 16)) == ([0, 1, 2], 1, 255) or fail(5)
(sorted([1, 2], reverse = True), dict(a = 1), zip([1], "b".elems())) == ([2, 1], {"a": 1}, [(1, "b")]) or fail(6)
(1 << 500) * (1 << 500) == 1 << 500 << 500 or fail(7)
x = [0] * 200000
y = x
y += x
(len(x), x + (y + [1])) == (400000, x + x + [1]) or fail(8)
a, b = "a" * 2000000, "b"
(len(a + b + a), a + b == a + "b", (1, 2) + tuple([3]), 1 + len(b)) == (4000001, True, (1, 2, 3), 2) or fail(9)`
	if err := run(t.Context(), t, limits, plain); err != nil {
		t.Errorf("got %s", show(err))
	}
}

func nested(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat(" ", i) + "if 1:\n")
	}
	return b.String() + strings.Repeat(" ", depth) + "pass + 1\n"
}
