package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

func TestProgramTest(t *testing.T) {
	t.Parallel()
	type args struct {
		Name string `arg:"" help:"Whom to greet."`
	}
	tools := []runtime.Tool{
		{Builtin: runtime.Builtin{
			Name: "words.greet",
			Args: func() any { return new(args) },
			Call: func(_ context.Context, c runtime.Call) (any, error) { return "hello " + c.Args.(*args).Name, nil },
		}},
		{Attribute: true, Builtin: runtime.Builtin{
			Name: "words.count",
			Call: func(context.Context, runtime.Call) (any, error) { return 2, nil },
		}},
	}
	for body, want := range map[string]string{
		`t.eq([1, {"a": 1.0}], [1, {"a": 1}])`:                 "",
		`t.eq(t.words.greet("you"), "hello you")`:              "",
		`t.eq(t.words.count, 2)`:                               "",
		`t.eq(1, "1", message = "sum")`:                        `sum: expected "1", got 1`,
		`t.eq(len, 1)`:                                         `expected 1, got <built-in function len>`,
		`t.ne({"a": 1}, {"a": 1})`:                             `expected anything else, got {"a":1}`,
		`t.true([])`:                                           `expected a true value, got []`,
		`t.false([0])`:                                         `expected a false value, got [0]`,
		`t.contains([1], 2)`:                                   `expected something with 2, got [1]`,
		`t.matches("door", "^w")`:                              `expected a match of ^w, got "door"`,
		`t.eq(t.fails(lambda: fail("no")).kind, "rejected")`:   "",
		`t.eq(t.fails(lambda: 1 // 0).subject, "x.star:2:28")`: "",
		`t.fails(lambda: 1)`:                                   `expected a failure, got 1`,
		`t.matches("door", "(")`:                               "t.matches: \"(\" is not a regular expression",
		`t.eq(1)`:                                              "t.eq: missing argument for want",
		`t.eq(1, 2, mesage = "x")`:                             "t.eq: unknown parameter mesage",
		`t.contains(1, 2)`:                                     "t.contains: unknown binary op: int in int",
		`t.words.greet()`:                                      "t.words.greet: missing argument name",
		`t.equals(1, 2)`:                                       "test has no .equals",
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			program, err := (&runtime.Host{}).Load(t.Context(), runtime.Source{Name: "x.star", Text: []byte("def test_x(t):\n    " + body + "\n")})
			if err != nil {
				t.Fatal(err)
			}
			err = program.Test(t.Context(), "test_x", tools)
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("got %v, want %s", err, want)
			}
			if check, ok := errors.AsType[*runtime.CheckFailure](err); ok {
				f := fault.Of(err)
				if !errors.Is(err, fault.Rejected) || check.Expected == "" || f.Trace[len(f.Trace)-1].Line != 2 {
					t.Errorf("the failure says too little: %+v %+v", check, f.Trace)
				}
			}
		})
	}
	t.Run("without t", func(t *testing.T) {
		t.Parallel()
		program, err := (&runtime.Host{}).Load(t.Context(), runtime.Source{Name: "x.star", Text: []byte("def test_x():\n    fail('no')\n")})
		if err != nil {
			t.Fatal(err)
		}
		if err := program.Test(t.Context(), "test_x", tools); !errors.Is(err, fault.Rejected) {
			t.Errorf("got %v, want a rejection", err)
		}
	})
}

// What counts is the statement, not what in it may fail: return x and pass have no
// place in the interpreter's own tables.
func TestCoverage(t *testing.T) {
	t.Parallel()
	const text = `"""A file."""

limit = 3

def size(n):
    """Says how large n is.

    Args:
      n: a number
    """
    if n < limit:
        return "small"
    elif n == limit:
        pass
    else:
        for i in range(2):
            n += i
        return "large"
    return "just"
`
	cover := runtime.NewCoverage()
	host := &runtime.Host{Coverage: cover}
	program, err := host.Load(t.Context(), runtime.Source{Name: "size.star", Text: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	if doc := program.Functions()[0].Summary; doc != "Says how large n is." {
		t.Errorf("counting changed the docstring to %q", doc)
	}
	hits := func(file string) string {
		var all []string
		for _, l := range cover.Lines(file) {
			all = append(all, fmt.Sprintf("%d:%d", l.Line, l.Hits))
		}
		return strings.Join(all, " ")
	}
	for _, step := range []struct {
		n    int
		want string
	}{
		{1, "3:1 5:1 11:1 12:1 13:0 14:0 16:0 17:0 18:0 19:0"},
		{3, "3:1 5:1 11:2 12:1 13:1 14:1 16:0 17:0 18:0 19:1"},
		{5, "3:1 5:1 11:3 12:1 13:2 14:1 16:1 17:2 18:1 19:1"},
	} {
		if _, err := program.Call(t.Context(), "size", map[string]any{"n": step.n}, nil); err != nil {
			t.Fatal(err)
		}
		if got := hits("size.star"); got != step.want {
			t.Errorf("after size(%d): got %s, want %s", step.n, got, step.want)
		}
	}
	cover.Add("other.star", []byte("def f():\n    return 1\n"))
	cover.Add("broken.star", []byte("def f(:\n"))
	if got := hits("other.star"); got != "1:0 2:0" {
		t.Errorf("a file that nobody loaded: %s", got)
	}
	if files := cover.Files(); !slices.Equal(files, []string{"other.star", "size.star"}) {
		t.Errorf("files: %v", files)
	}
}
