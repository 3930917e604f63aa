package stdlib_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins"
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

// TestDocumented holds the library to its promise that every name is explained and
// typed.
func TestDocumented(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(stdlib.FS, "*.star")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.star") {
			continue
		}
		text, err := fs.ReadFile(stdlib.FS, file)
		if err != nil {
			t.Fatal(err)
		}
		doc, functions := runtime.Manual(text)
		if !strings.Contains(doc, "    load(\"@std//"+file) {
			t.Errorf("%s has no docstring that shows how to load it", file)
		}
		if len(functions) == 0 {
			t.Errorf("%s has no functions", file)
		}
		for _, f := range functions {
			if f.Summary == "" {
				t.Errorf("%s: %s has no docstring", file, f.Name)
			}
			for _, p := range f.Params {
				if p.Help == "" {
					t.Errorf("%s: %s: parameter %s is not explained", file, f.Name, p.Name)
				}
				if p.Type == "" && file != "assert.star" { // which takes anything
					t.Errorf("%s: %s: parameter %s has no type", file, f.Name, p.Name)
				}
			}
		}
	}
}

// TestChecked holds the library to what its pipelines are held to, warnings too.
func TestChecked(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(stdlib.FS, "*.star")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		text, err := fs.ReadFile(stdlib.FS, file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range host(t).Check(t.Context(), runtime.Source{Name: file, Text: text}) {
			// Only the library has failure. Versions and tags are its words, as verbs' names or not.
			if f.Message != "undefined: failure" && f.Code != "shadowed-builtin" {
				t.Errorf("%s: %s: %s", f.Pos, f.Code, f.Message)
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
	program, err := host(t).Load(t.Context(), runtime.Source{Name: file, Text: text})
	if err != nil {
		t.Fatal(show(err))
	}
	return program
}

// host is what a pipeline runs in, with a store of its own.
func host(t *testing.T) *runtime.Host {
	t.Helper()
	env := builtins.NewEnv(builtins.Options{Settings: builtins.Settings{Root: t.TempDir()}})
	t.Cleanup(func() {
		if err := env.Close(); err != nil {
			t.Error(err)
		}
	})
	verbs := verbs(env.WithFiles(builtins.Under{Dir: "."}))
	return &runtime.Host{
		Predeclared: func(runtime.Module) []runtime.Builtin { return verbs },
		Std:         stdlib.FS,
		Print:       func(at runtime.Position, text string) { t.Logf("%s: %s", at, text) },
		Files:       stdlib.FS,
	}
}

// verbs are those of a pipeline.
func verbs(env *builtins.Env) []runtime.Builtin {
	var all []runtime.Builtin
	for _, v := range builtins.Table() {
		all = append(all, runtime.Builtin{
			Name: v.Name, Aliases: v.Aliases, Pure: v.Effect == builtins.Pure, Args: v.Func.New, Result: v.Func.Result,
			Call: func(ctx context.Context, c runtime.Call) (any, error) { return v.Call(ctx, env, c.Args) },
		})
	}
	return all
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
