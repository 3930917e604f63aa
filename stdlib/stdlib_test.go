package stdlib_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
	"github.com/policyhost/policy/stdlib"
)

// TestLibrary runs the test functions of every *_test.star, and fails when a
// file of the library has none.
func TestLibrary(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(stdlib.FS, "*.star")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		name, isTest := strings.CutSuffix(file, "_test.star")
		if !isTest {
			if _, err := fs.Stat(stdlib.FS, strings.TrimSuffix(file, ".star")+"_test.star"); err != nil {
				t.Errorf("%s has no tests: %v", file, err)
			}
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := load(t, file)
			tests := 0
			for _, f := range program.Functions() {
				if !strings.HasPrefix(f.Name, "test_") {
					continue
				}
				tests++
				t.Run(f.Name, func(t *testing.T) {
					if _, err := program.Call(t.Context(), f.Name, nil, nil); err != nil {
						t.Error(show(err))
					}
				})
			}
			if tests == 0 {
				t.Errorf("%s defines no test_ function", file)
			}
		})
	}
}

// TestAssertFails is about what assert.fails refuses.
func TestAssertFails(t *testing.T) {
	t.Parallel()
	program := load(t, "assert_test.star")
	for function, want := range map[string]string{
		"refuse_success": `got no failure, want one with "x"`,
		"refuse_text":    `got the failure "no", want one with "yes"`,
		"refuse_kind":    `got a failure of kind "rejected" (no), want "script"`,
	} {
		_, err := program.Call(t.Context(), function, nil, nil)
		if !errors.Is(err, fault.Rejected) || err.Error() != want {
			t.Errorf("%s: got %v, want %s", function, err, want)
		}
	}
}

// TestDocumented holds the library to its promise that every name is explained.
func TestDocumented(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"assert.star", "semver.star", "release.star"} {
		name := strings.TrimSuffix(file, ".star")
		text, err := fs.ReadFile(stdlib.FS, file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), `"""`) {
			t.Errorf("%s has no docstring", file)
		}
		// The functions are members of a struct, private where they are defined.
		_, members, ok := strings.Cut(string(text), "\n"+name+" = struct(\n")
		if !ok {
			t.Fatalf("%s does not end with its struct", file)
		}
		for line := range strings.Lines(members) {
			member, function, ok := strings.Cut(strings.Trim(line, " ,\n"), " = ")
			if !ok {
				continue
			}
			_, def, found := strings.Cut(string(text), "\ndef "+function+"(")
			_, body, _ := strings.Cut(def, ":\n")
			if !found || !strings.HasPrefix(strings.TrimSpace(body), `"""`) {
				t.Errorf("%s.%s has no docstring", name, member)
			}
		}
	}
}

func load(t *testing.T, file string) *runtime.Program {
	t.Helper()
	text, err := fs.ReadFile(stdlib.FS, file)
	if err != nil {
		t.Fatal(err)
	}
	host := &runtime.Host{
		Std:   stdlib.FS,
		Print: func(at runtime.Position, text string) { t.Logf("%s: %s", at, text) },
		Files: stdlib.FS,
	}
	program, err := host.Load(t.Context(), runtime.Source{Name: file, Text: text})
	if err != nil {
		t.Fatal(show(err))
	}
	return program
}

func show(err error) string {
	var b strings.Builder
	if f, ok := errors.AsType[*fault.Error](err); ok {
		for _, frame := range f.Trace {
			b.WriteString(runtime.Position{File: frame.File, Line: frame.Line, Col: frame.Col}.String() + ": " + frame.Source + "\n")
		}
	}
	return b.String() + err.Error()
}
