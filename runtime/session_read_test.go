package runtime_test

import (
	"testing"

	"github.com/policyhost/policy/runtime"
)

func TestReadLines(t *testing.T) {
	t.Parallel()
	tests := map[string]runtime.Reading{
		"":                              runtime.Whole,
		"# a comment":                   runtime.Whole,
		"x = 1":                         runtime.Whole,
		"x = 1; y = 2":                  runtime.Whole,
		"x = = 1":                       runtime.Whole,
		"x = [":                         runtime.Open,
		"x = [\n\n1,":                   runtime.Open,
		"x = [\n1]":                     runtime.Whole,
		"x = 1 + \\":                    runtime.Open,
		"x = \"\"\"a\n\nb":              runtime.Open,
		"x = \"\"\"a\n\nb\"\"\"":        runtime.Whole,
		"x = 'a":                        runtime.Whole,
		"def f():":                      runtime.Block,
		"def f(a: list[":                runtime.Open,
		"def f(a: list[str],\n  b: int": runtime.Open,
		"def f(a: list[str]) -> int:":   runtime.Block,
		"def f(a: 1):":                  runtime.Whole,
		"def f():\n  return 1":          runtime.Block,
		"def f():\n  x = 1\n\n  return": runtime.Block,
		"def f():\n  x = [":             runtime.Open,
		"def f(): pass":                 runtime.Block,
		"if x:\n  1\nelse:":             runtime.Block,
		"for x in [1,":                  runtime.Open,
		"  x = 1":                       runtime.Whole,
		"load(\"a\",":                   runtime.Open,
	}
	for text, want := range tests {
		if got := runtime.ReadLines(text); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
}

func TestIndents(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{"": true, "  x": true, "\tx": true, "# x": true, "else:": true, "elif x:": true, "elsewhere": false, "x": false} {
		if got := runtime.Indents(line); got != want {
			t.Errorf("%q: %t", line, got)
		}
	}
}

// FuzzReadLines holds that no text is too strange to read, or to run.
func FuzzReadLines(f *testing.F) {
	f.Add("def f(a: list[str]) -> int:\n  return 1")
	f.Add("x = \"\"\"a\n")
	f.Fuzz(func(_ *testing.T, text string) { runtime.ReadLines(text) })
}
