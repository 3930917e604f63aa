package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

const taskFile = `
load("//lib.star", "later", "more")

def build():
    """Build it.

    From sources."""
    return work(1)

def check(n):
    return work(n + 1)

def join(*all):
    return list(all)

def order():
    return work(7)

task("join", join, deps = ["check", "lint", "build"])
task("build", build)
task("check", check, deps = ["build"])
task("lint", lambda n, strict = True: strict and work(n + 4), deps = ["build", "check"])
task("after", order, deps = ["build"])
later("late")
`

func taskProgram(t *testing.T, w *work, text string) (*runtime.Program, error) {
	t.Helper()
	host := w.host(runtime.Limits{})
	host.Files = fstest.MapFS{"lib.star": &fstest.MapFile{Data: []byte(`
def later(name):
    task(name, lambda: 9)

def more():
    pass

task("build", more)
task("hidden", more)
`)}}
	return host.Load(t.Context(), runtime.Source{Name: "t.star", Text: []byte(text)})
}

func names(tasks []runtime.Task) string {
	var all []string
	for _, task := range tasks {
		all = append(all, task.Name)
	}
	return strings.Join(all, " ")
}

func TestTasks(t *testing.T) {
	t.Parallel()
	w := new(work)
	p, err := taskProgram(t, w, taskFile)
	if err != nil {
		t.Fatal(show(err))
	}
	all, err := p.Tasks()
	if err != nil || names(all) != "build check lint join after late" {
		t.Errorf("got %s, %v", names(all), err)
	}
	if b := all[0]; b.Summary != "Build it." || b.Doc != "Build it.\n\nFrom sources." || b.Pos.String() != "t.star:20:5" || !slices.Equal(all[2].Deps, []string{"build", "check"}) {
		t.Errorf("got %+v", b)
	}
	if some, err := p.Tasks("after", "check"); err != nil || names(some) != "build after check" {
		t.Errorf("got %s, %v", names(some), err)
	}
	for name, hint := range map[string]string{"biuld": `did you mean "build"?`, "hidden": "its tasks are join, build, check, lint, after, late"} {
		_, err := p.RunTasks(t.Context(), name)
		if f := fault.Of(err); f == nil || f.Kind != fault.Usage || f.Hint != hint {
			t.Errorf("%s: got %s", name, show(err))
		}
	}
	got, err := p.RunTasks(t.Context(), "join", "build", "after", "late")
	if err != nil || w.calls.Load() != 4 {
		t.Fatalf("%d calls: %s", w.calls.Load(), show(err))
	}
	if sum := got[0].([]any); !slices.Equal(sum, []any{int64(2), int64(5), int64(1)}) || got[1] != int64(1) || got[2] != int64(7) || got[3] != int64(9) {
		t.Errorf("got %v", got)
	}
}

// Tasks that do not wait for each other run at once: these wait for each other in
// fact.
func TestTasksAtOnce(t *testing.T) {
	t.Parallel()
	meet := make(chan struct{})
	w := &work{wait: func(ctx context.Context, n int) {
		switch n {
		case 1:
			meet <- struct{}{}
		case 2:
			<-meet
		}
	}}
	p, err := taskProgram(t, w, "task('a', lambda: work(1))\ntask('b', lambda: work(2))\ntask('c', lambda *x: work(3), deps = ['a', 'b'])")
	if err != nil {
		t.Fatal(show(err))
	}
	if _, err := p.RunTasks(t.Context(), "c"); err != nil || w.calls.Load() != 3 {
		t.Errorf("%d calls: %s", w.calls.Load(), show(err))
	}
}

func TestTasksFail(t *testing.T) {
	t.Parallel()
	w := &work{failing: map[int]fault.Kind{1: fault.NotFound}}
	p, err := taskProgram(t, w, "def one():\n  work(1)\ntask('a', one)\ntask('b', lambda: work(2), deps = ['a'])\ntask('c', lambda: work(3), deps = ['b'])")
	if err != nil {
		t.Fatal(show(err))
	}
	_, err = p.RunTasks(t.Context(), "c")
	f := fault.Of(err)
	if f == nil || f.Kind != fault.NotFound || f.Error() != `task "a": work 1: cannot be` || f.Hint != "leave 1 out" || w.calls.Load() != 1 {
		t.Errorf("%d calls: %s", w.calls.Load(), show(err))
	}
	if inner, _ := errors.AsType[*fault.Error](f.Err); len(inner.Trace) != 1 || inner.Trace[0].Line != 2 {
		t.Errorf("got the trace %v", inner.Trace)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w = &work{wait: func(ctx context.Context, _ int) { cancel(); <-ctx.Done() }}
	p, _ = taskProgram(t, w, "task('a', lambda: work(1))\ntask('b', lambda: work(2), deps = ['a'])")
	if _, err := p.RunTasks(ctx, "b"); !errors.Is(err, fault.Canceled) || w.calls.Load() != 1 {
		t.Errorf("%d calls: %s", w.calls.Load(), show(err))
	}
}

// What a task returns is frozen: several others may get it.
func TestTasksShare(t *testing.T) {
	t.Parallel()
	p, err := taskProgram(t, new(work), "task('a', lambda: [1])\ntask('b', lambda x: x.append(2), deps = ['a'])")
	if err != nil {
		t.Fatal(show(err))
	}
	if _, err := p.RunTasks(t.Context(), "b"); !errors.Is(err, fault.Script) || !strings.Contains(err.Error(), "frozen list") {
		t.Errorf("got %s", show(err))
	}
}

// TestTaskTold holds that the host hears of each task that runs, and that a call of a
// builtin says of which it is part, in a parallel branch, too.
func TestTaskTold(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var told []string
	tell := func(text string) { mu.Lock(); told = append(told, text); mu.Unlock() }
	host := &runtime.Host{
		Predeclared: func(runtime.Module) []runtime.Builtin {
			return []runtime.Builtin{{Name: "work", Call: func(_ context.Context, c runtime.Call) (any, error) {
				tell("work for " + c.Task)
				return nil, nil
			}}}
		},
		Task: func(name string) func(error) {
			tell("begin " + name)
			return func(err error) { tell(fmt.Sprintf("end %s, failed: %t", name, err != nil)) }
		},
	}
	p, err := host.Load(t.Context(), runtime.Source{Name: "t.star", Text: []byte(`
def a():
    parallel(lambda _: work(), [1])

def b(_):
    fail("no")

def main():
    work()

task("a", a)
task("b", b, deps = ["a"])
task("c", lambda _: None, deps = ["b"])
`)})
	if err != nil {
		t.Fatal(show(err))
	}
	if _, err := p.RunTasks(t.Context(), "c"); !errors.Is(err, fault.Rejected) {
		t.Error(show(err))
	}
	if _, err := p.Call(t.Context(), "main", nil, nil); err != nil {
		t.Error(show(err))
	}
	want := "begin a, work for a, end a, failed: false, begin b, end b, failed: true, work for "
	if got := strings.Join(told, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
