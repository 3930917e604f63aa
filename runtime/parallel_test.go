package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

// TestMain fails if a goroutine of the package outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	left := ""
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); goruntime.Gosched() {
		stacks := make([]byte, 1<<20)
		all := strings.Split(string(stacks[:goruntime.Stack(stacks, true)]), "\n\n")
		left = strings.Join(slices.DeleteFunc(all, func(s string) bool {
			return !strings.Contains(s, "policy/runtime.") || strings.Contains(s, "runtime_test.TestMain")
		}), "\n\n")
		if left == "" {
			break
		}
	}
	if code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines that outlive the tests:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// work is a host whose builtin work(n) counts how often it is called and how many
// calls there are at once; it fails for a number in failing.
type work struct {
	calls, now, most atomic.Int32
	failing          map[int]fault.Kind
	wait             func(ctx context.Context, n int)
}

type workArgs struct {
	N int `arg:""`
}

func (w *work) do(ctx context.Context, a *workArgs, _ runtime.Call) (any, error) {
	w.calls.Add(1)
	now := w.now.Add(1)
	defer w.now.Add(-1)
	for most := w.most.Load(); now > most && !w.most.CompareAndSwap(most, now); most = w.most.Load() {
	}
	if w.wait != nil {
		w.wait(ctx, a.N)
	} else {
		goruntime.Gosched()
	}
	if kind, fails := w.failing[a.N]; fails {
		return nil, fault.New(kind, fmt.Sprint(a.N), "cannot be").WithHint("leave %d out", a.N)
	}
	return a.N, ctx.Err()
}

func (w *work) host(limits runtime.Limits) *runtime.Host {
	return &runtime.Host{
		Predeclared: func(runtime.Module) []runtime.Builtin { return append(fixtures(), builtin("work", w.do)) },
		Limits:      limits,
	}
}

func (w *work) eval(t *testing.T, limits runtime.Limits, body string) (any, error) {
	t.Helper()
	return w.host(limits).Eval(t.Context(), runtime.Source{Name: "-e", Text: []byte(body)})
}

// All are tried, each failure is named, and the gravest decides.
func TestParallelContinues(t *testing.T) {
	t.Parallel()
	w := &work{failing: map[int]fault.Kind{3: fault.Unavailable, 50: fault.Denied, 199: fault.NotFound}}
	_, err := w.eval(t, runtime.Limits{}, `parallel(work, range(200), limit = 8, on_error = "continue")`)
	if w.calls.Load() != 200 || w.most.Load() > 8 {
		t.Errorf("%d calls, %d at once", w.calls.Load(), w.most.Load())
	}
	f := fault.Of(err)
	want := "item 3 (3): work 3: cannot be\nitem 50 (50): work 50: cannot be\nitem 199 (199): work 199: cannot be"
	if f == nil || f.Kind != fault.Denied || f.Error() != want || f.Hint != "leave 50 out" || len(f.Trace) != 1 {
		t.Errorf("got %s", show(err))
	}
	for _, kind := range w.failing {
		if !errors.Is(err, kind) {
			t.Errorf("%s is lost", kind)
		}
	}
}

// When one fails no more are started, and those that run finish.
func TestParallelStops(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	var finished atomic.Bool
	w := &work{failing: map[int]fault.Kind{0: fault.Denied}}
	failed := make(chan struct{})
	w.wait = func(_ context.Context, n int) {
		switch n {
		case 0:
			<-began
			close(failed)
		case 1:
			close(began)
			<-failed
			finished.Store(true)
		}
	}
	_, err := w.eval(t, runtime.Limits{}, `parallel(work, range(50000), limit = 2)`)
	if calls := w.calls.Load(); calls == 50000 || !finished.Load() || !errors.Is(err, fault.Denied) {
		t.Errorf("%d calls, finished %t: %v", calls, finished.Load(), err)
	}
}

// However deep, no more work at once than the run allows; and what waits does not
// count, or one place for all would never be enough.
func TestParallelNested(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 2, 5} {
		w := new(work)
		got, err := w.eval(t, runtime.Limits{Parallel: limit}, `
def outer(i):
    work(0)
    found = parallel(inner, [i * 10 + j for j in range(10)])
    work(0)
    return found

def inner(n):
    return parallel(lambda k: work(n * 10 + k), range(10), limit = 3)

parallel(outer, range(10), limit = 100)`)
		if err != nil {
			t.Fatal(show(err))
		}
		if w.calls.Load() != 1020 || int(w.most.Load()) > limit {
			t.Errorf("limit %d: %d calls, %d at once", limit, w.calls.Load(), w.most.Load())
		}
		if last := got.([]any)[9].([]any)[9].([]any)[9]; last != int64(999) {
			t.Errorf("limit %d: got %v", limit, last)
		}
	}
}

// The race detector sees what branches share: globals, captured variables, items,
// results of builtins, objects that convert when they are read.
func TestParallelShares(t *testing.T) {
	t.Parallel()
	var printed atomic.Int32
	host := testHost(t)
	host.Print = func(runtime.Position, string) { printed.Add(1) }
	program, err := host.Load(t.Context(), runtime.Source{Name: "s.star", Text: []byte(`
Stage = enum("staging", "prod")
Target = record(name = str, stage = Stage)
table = {"a": [1, 2, {"deep": (1, 2)}], "b": set([1, 2])}

def main() -> list[str]:
    image = push("a")
    decision = judge(image, input = table["a"])
    seen = []
    def look(i: int) -> str:
        total = 0
        for k, v in table.items():
            total += len(v) + len(image.annotations) + len(decision.result)
        target = Target(name = str(i), stage = Stage("prod"))
        print(i, target, seen, time.now(), image)
        return attempt(lambda: push("gone")).error.kind + str(total) + target.stage + json.encode(image)
    return [x for row in parallel(lambda i: parallel(look, range(5)), range(40)) for x in row]
`)})
	if err != nil {
		t.Fatal(show(err))
	}
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			got, err := program.Call(t.Context(), "main", nil, nil)
			if err != nil {
				t.Error(show(err))
			} else if rows := got.([]any); len(rows) != 200 || rows[0] != rows[199] || !strings.HasPrefix(rows[0].(string), "not_found15prod{") {
				t.Errorf("%d rows, the first %.80s", len(rows), rows[0])
			}
		})
	}
	all.Wait()
	if printed.Load() != 600 {
		t.Errorf("printed %d times", printed.Load())
	}
}

// A fault carries the stack of its branch behind the one of the call.
func TestParallelTrace(t *testing.T) {
	t.Parallel()
	_, err := new(work).eval(t, runtime.Limits{}, "def f(x):\n  return parallel(g, [x])\ndef g(x):\n  return x.nothing\nparallel(f, [1])")
	var lines []int
	for f := fault.Of(err); f != nil; f, _ = errors.AsType[*fault.Error](f.Err) {
		for _, frame := range f.Trace {
			lines = append(lines, frame.Line)
		}
	}
	if !slices.Equal(lines, []int{5, 2, 4}) {
		t.Errorf("got lines %v: %v", lines, err)
	}
	var at runtime.Position
	host := &runtime.Host{Predeclared: func(runtime.Module) []runtime.Builtin {
		return []runtime.Builtin{builtin("note", func(_ context.Context, _ *workArgs, c runtime.Call) (any, error) {
			at = c.Pos
			return nil, nil
		})}
	}}
	if _, err := host.Eval(t.Context(), runtime.Source{Name: "-e", Text: []byte("\nparallel(note, [1])")}); err != nil || at.Line != 2 {
		t.Errorf("called at %s: %v", at, err)
	}
}

// The limits of a run are those of all its branches together.
func TestParallelLimits(t *testing.T) {
	t.Parallel()
	spin := "\nwhile True:\n  pass"
	for name, tt := range map[string]struct {
		limits runtime.Limits
		body   string
		want   string
	}{
		"steps":    {runtime.Limits{Steps: 100_000}, "def f(x):\n  while True:\n    pass\nparallel(f, range(20))", "the steps limit is reached: 100000"},
		"sum":      {runtime.Limits{Steps: 100_000}, "def f(x):\n  for _ in range(2000):\n    pass\nparallel(f, range(50))", "the steps limit is reached: 100000"},
		"together": {runtime.Limits{Steps: 100_000}, "def f(x):\n  for _ in range(900):\n    pass\nfor _ in range(20):\n  parallel(f, range(3))" + spin, "the steps limit is reached: 100000"},
		"threads":  {runtime.Limits{Steps: 100_000}, "parallel(len, [()] * 10000)", "the steps limit is reached: 100000"},
		"time":     {runtime.Limits{Steps: runtime.NoLimit, Time: 50 * time.Millisecond}, "def f(x):\n  while True:\n    pass\nparallel(f, range(20), on_error = 'continue')", "the time limit is reached: 50ms"},
		"output":   {runtime.Limits{Output: 1000}, "def f(x):\n  while True:\n    print('x' * 9)\nparallel(f, range(20))", "the output limit is reached: 1000 bytes"},
		"memory":   {runtime.Limits{Heap: 300 << 20, Steps: runtime.NoLimit}, "def f(x):\n  x = []\n  while True:\n    x.append([0] * 1000000)\nparallel(f, range(4))", "the memory limit is reached: "},
		"string":   {runtime.Limits{Heap: 300 << 20}, "def f(x):\n  x = 'x'\n  while True:\n    x += x\nparallel(f, range(4))", "the memory limit is reached: "},
		"repeat":   {runtime.Limits{}, "parallel(lambda n: [0] * n, [100000000], on_error = 'continue')", "item 0 (100000000): a list repeated 100000000 times"},
		"gigabyte": {runtime.Limits{}, "parallel(lambda n: 'x' * n, [1 << 30])", "item 0 (1073741824): a string repeated"},
		"nested":   {runtime.Limits{Steps: 1_000_000}, "def f(x):\n  parallel(g, range(100))\ndef g(x):\n  parallel(h, range(100))\ndef h(x):\n  parallel(len, ['x'] * 100)\nparallel(f, range(100))", "the steps limit is reached: 1000000"},
		"attempt":  {runtime.Limits{Steps: 100_000}, "def f(x):\n  while True:\n    attempt(lambda: [x for x in range(100)])\nattempt(lambda: parallel(f, range(20)))\nprint('on')", "the steps limit is reached: 100000"},
	} {
		_, err := new(work).eval(t, tt.limits, tt.body)
		if f := fault.Of(err); f == nil || f.Kind != fault.Limit || !strings.HasPrefix(f.Error(), tt.want) {
			t.Errorf("%s: got %s", name, show(err))
		}
	}
	// What is left over comes back.
	if _, err := new(work).eval(t, runtime.Limits{Steps: 100_000}, "def f(x):\n  for _ in range(200):\n    pass\nfor _ in range(20):\n  parallel(f, range(3))"); err != nil {
		t.Error(show(err))
	}
}

// The end of the context reaches every branch, those that wait too.
func TestParallelCanceled(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"spin":   "def f(x):\n  work(0)\n  while True:\n    pass\nparallel(f, range(100))",
		"work":   "parallel(work, range(1, 100))",
		"nested": "parallel(lambda x: parallel(lambda y: work(y), range(1, 100)), range(100))",
		"caught": "def f(x):\n  for _ in range(1000000000):\n    attempt(lambda: work(1))\nparallel(f, range(100), on_error = 'continue')",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		w := &work{wait: func(ctx context.Context, n int) {
			cancel()
			if n > 0 {
				<-ctx.Done()
			}
		}}
		start := time.Now()
		_, err := w.host(runtime.Limits{Steps: runtime.NoLimit}).
			Eval(ctx, runtime.Source{Name: "-e", Text: []byte(body)})
		if took := time.Since(start); !errors.Is(err, fault.Canceled) || took > 5*time.Second || w.calls.Load() > 100 {
			t.Errorf("%s: %s, %d calls: %s", name, took, w.calls.Load(), show(err))
		}
		cancel()
	}
}
