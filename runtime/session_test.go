package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	goruntime "runtime"
	"testing"
	"testing/fstest"
	"time"

	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

func open(t *testing.T, h *runtime.Host, file string) *runtime.Session {
	t.Helper()
	p, err := h.Load(t.Context(), runtime.Source{Name: "main.star", Text: []byte(file)})
	if err != nil {
		t.Fatal(err)
	}
	return p.Session()
}

// TestSession holds that what was typed stays, in the language of files.
func TestSession(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		typed []string
		want  any // of the last
	}{
		{"an expression", []string{"1 + 1"}, int64(2)},
		{"None", []string{"None"}, nil},
		{"a statement", []string{"x = 1"}, nil},
		{"several in a line", []string{"x = 1; y = 2; x + y"}, int64(3)},
		{"a name that got another value", []string{"x = 1", "def f(): return x", "x = 2", "f()"}, int64(2)},
		{"a name that is its own beginning", []string{"x = 1", "x = x + 1", "x += 1", "x"}, int64(3)},
		{"a list that becomes its length", []string{"n = [1, 2]", "n = len(n)", "n"}, int64(2)},
		{"a loop", []string{"n = 0", "for i in range(3):\n  n += i", "n"}, int64(3)},
		{"a branch not taken", []string{"x = 1", "if False:\n  x = 2", "x"}, int64(1)},
		{"the last value", []string{"40", "None", "_ + 2"}, int64(42)},
		{"a function", []string{"def f(): pass", "f"}, "<function f>"},
		{"an enum", []string{`S = enum("a", "b")`, "def f(s: S): return s", `f("b")`}, "b"},
		{"a record of an enum", []string{`S = enum("a", "b")`, "R = record(s = S)", `R(s = "a").s`}, "a"},
		{"attempt", []string{"attempt(lambda: 1 // 0).ok"}, false},
		{"parallel", []string{"def f(x): return x * 2", "parallel(f, [1, 2])"}, []any{int64(2), int64(4)}},
		{"a name of the language", []string{"len = 3", "len"}, int64(3)},
		{"load", []string{`load("//lib.star", "answer")`, "answer"}, int64(42)},
		{"load under another name", []string{`load(":lib.star", a = "answer")`, "a + 1"}, int64(43)},
		{"what the file has", []string{"given + _hidden() + answer"}, int64(85)},
		{"what survives an error", []string{"x = 1; y = [][0]", "x"}, int64(1)},
		{"a verb redefined", []string{"def greet(a, b): return a + b", "greet(1, 2)"}, int64(3)},
		{"an effect", []string{"greet()"}, "hello"},
		{"nothing", []string{"# a comment"}, nil},
		{"while", []string{"n = 0", "while n < 5:\n  n += 1\n", "n"}, int64(5)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := &runtime.Host{Files: fstest.MapFS{"lib.star": {Data: []byte("answer = 42")}}, Predeclared: func(runtime.Module) []runtime.Builtin {
				return []runtime.Builtin{{Name: "greet", Call: func(context.Context, runtime.Call) (any, error) { return "hello", nil }}}
			}}
			s := open(t, h, "load(':lib.star', 'answer')\ngiven = 1\ndef _hidden(): return answer")
			var got any
			for _, line := range tt.typed {
				var err error
				if got, err = s.Eval(t.Context(), line); err != nil && line != "x = 1; y = [][0]" {
					t.Fatalf("%s: %v", line, err)
				}
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%#v, want %#v", got, tt.want)
			}
		})
	}
}

// TestSessionRefuses holds that errors are those of a file, and name the line.
func TestSessionRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		typed []string
		kind  error
		text  string
		trace string
	}{
		{"syntax", []string{"1", "x = = 2"}, fault.Script, "shell:2:5: got '=', want primary expression", "shell:2:5 x = = 2"},
		{"a name", []string{"lenn([])"}, fault.Script, "shell:1:1: undefined: lenn", "shell:1:1 lenn([])"},
		{"an annotation", []string{"\ndef f(a: strr): pass"}, fault.Script, "shell:2:10: there is no type strr", "shell:2:10 def f(a: strr): pass"},
		{"a type", []string{"def f(a: int): pass", "f('x')"}, fault.Script, "f: parameter a: got \"x\", want int", "shell:1:10 def f(a: int): pass"},
		{"at work", []string{"def f():\n  return [][1]", "f()"}, fault.Script, "shell:2:12: index 1 out of range: empty list", "shell:2:12   return [][1]"},
		{"frozen by parallel", []string{"l = []", "def f(x): return x", "parallel(f, [1])", "l.append(1)"}, fault.Script, "shell:4:1: append: cannot append to frozen list", "shell:4:1 l.append(1)"},
		{"shared in one text", []string{"if True:\n  l = []\n  parallel(lambda x: l.append(x), [1])"}, fault.Script, "item 0 (1): shell:3:22: append: cannot append to frozen list", ""},
		{"shared by a function", []string{"if True:\n  l = []\n  def f(x): l.append(x)", "l = 1", "parallel(f, [1])"}, fault.Script, "item 0 (1): shell:3:13: append: cannot append to frozen list", ""},
		{"what cannot be loaded", []string{`load("//none.star", "x")`}, fault.NotFound, `load "//none.star": there is no none.star`, `shell:1:1 load("//none.star", "x")`},
		{"return", []string{"return 1"}, fault.Script, "shell:1:1: return statement not within a function", "shell:1:1 return 1"},
		{"task", []string{"task('a', lambda: 1)"}, fault.Script, "task: registers a step while a file is loaded, and cannot do so later", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, &runtime.Host{Files: fstest.MapFS{}}, "")
			var err error
			for _, line := range tt.typed {
				_, err = s.Eval(t.Context(), line)
			}
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || !errors.Is(err, tt.kind) || f.Error() != tt.text {
				t.Fatalf("it failed with %v", err)
			}
			at := f.Trace[len(f.Trace)-1]
			if got := fmt.Sprintf("%s:%d:%d %s", at.File, at.Line, at.Col, at.Source); tt.trace != "" && got != tt.trace {
				t.Errorf("it happened at %s", got)
			}
		})
	}
}

// TestSessionGoesOn holds that a line ends with its context or at its limits, and
// that the next one is as good as ever, also behind one that was given up.
func TestSessionGoesOn(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	h := &runtime.Host{Limits: runtime.Limits{Steps: 100_000}, Predeclared: func(runtime.Module) []runtime.Builtin {
		return []runtime.Builtin{{Name: "stuck", Call: func(context.Context, runtime.Call) (any, error) {
			<-release
			return "late", nil
		}}}
	}}
	s := open(t, h, "")
	if _, err := s.Eval(t.Context(), "x = 1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Eval(t.Context(), "while True: x += 1"); !errors.Is(err, fault.Limit) {
		t.Errorf("an endless line ended with %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Eval(ctx, "x = 5"); !errors.Is(err, fault.Canceled) {
		t.Errorf("a line that was ended before it began: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Eval(ctx, "x = stuck()"); !errors.Is(err, fault.Limit) {
		t.Errorf("a line that nothing interrupts ended with %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Eval(ctx, "x"); !errors.Is(err, fault.Limit) {
		t.Errorf("while it was at work a line ended with %v", err)
	}
	close(release)
	if got, err := s.Eval(t.Context(), "type(x)"); got != "int" || err != nil {
		t.Errorf("the next line gave %v, %v", got, err)
	}
}

// TestSessionLeavesNothing holds that a session needs no end: nothing of it works on.
// It counts what the whole process runs, so nothing runs beside it.
func TestSessionLeavesNothing(t *testing.T) { //nolint:paralleltest // see above
	before := goruntime.NumGoroutine()
	s := open(t, &runtime.Host{Files: fstest.MapFS{"lib.star": {Data: []byte("a = 1")}}}, "")
	for _, line := range []string{"parallel(lambda x: x, [1, 2, 3])", `load("lib.star", "a")`, `load("none.star", "a")`, "x = = 1", "[][1]"} {
		_, _ = s.Eval(t.Context(), line)
	}
	for start := time.Now(); time.Since(start) < 5*time.Second; {
		if goruntime.NumGoroutine() <= before {
			return
		}
		goruntime.Gosched()
	}
	all := make([]byte, 1<<16)
	t.Errorf("%d goroutines, %d before:\n%s", goruntime.NumGoroutine(), before, all[:goruntime.Stack(all, true)])
}

// TestSessionLoadsAgain holds that a file may be mended after it could not be loaded.
func TestSessionLoadsAgain(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"lib.star": {Data: []byte("load('sub.star', 'b')\na = b")}, "sub.star": {Data: []byte("b = [][1]")}}
	s := open(t, &runtime.Host{Files: files}, "")
	if _, err := s.Eval(t.Context(), `load("lib.star", "a")`); !errors.Is(err, fault.Script) {
		t.Fatalf("a file that fails: %v", err)
	}
	files["sub.star"] = &fstest.MapFile{Data: []byte("b = 2")}
	if got, err := s.Eval(t.Context(), "load('lib.star', 'a'); a"); got != int64(2) || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}
