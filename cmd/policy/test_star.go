package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	goruntime "runtime"
	"strings"
	"sync"
	"time"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
	"github.com/policyhost/policy/stdlib"
	"golang.org/x/sync/errgroup"
)

// starFile is a *_test.star.
type starFile struct {
	name string // as it was typed, and as traces show it
	text []byte
	std  fs.FS // what @std// loads from

	*recipes // of its project
}

// starTest is one test function.
type starTest struct {
	file *starFile
	name string // stem of the file and function: release_test.test_tags
	fn   runtime.Function
}

// The beginnings of the names of tests, and of those that are to be written.
const (
	testPrefix = "test_"
	todoPrefix = "todo_test_"
)

// starRunner runs the tests of pipelines.
type starRunner struct {
	command *testCommand
	dir     string // what the tests leave is below it
	cover   *testCoverage

	projects *projects
}

// starTests runs the tests of all *_test.star that were found, several at once.
// The results are in the order of files and lines.
func (s *session) starTests(ctx context.Context, found *foundTests, c *testCommand, cover *testCoverage) ([]builtins.TestResult, error) {
	if len(found.tests) == 0 {
		return nil, nil
	}
	pattern, err := regexp.Compile(c.Run)
	if err != nil {
		return nil, fault.New(fault.Usage, c.Run, "not a regular expression: %w", err)
	}
	dir, remove, err := s.scratch()
	if err != nil {
		return nil, err
	}
	defer remove()
	r := &starRunner{command: c, dir: dir, cover: cover, projects: s.projects()}
	var tests []starTest
	var results []builtins.TestResult
	for _, name := range found.tests {
		more, err := r.read(ctx, name)
		if err != nil {
			results = append(results, r.unread(name, err))
			continue
		}
		for _, t := range more {
			if pattern.MatchString(t.name) {
				tests = append(tests, t)
			}
		}
	}
	results = append(results, r.all(ctx, tests)...)
	return results, cover.unloaded(found.scripts)
}

// read loads a file and lists its tests.
func (r *starRunner) read(ctx context.Context, name string) ([]starTest, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, unreadable(name, err)
	}
	file := &starFile{name: name, text: text, std: standardLibrary(filepath.Dir(name))}
	if file.recipes, err = r.projects.of(file.source()); err != nil {
		return nil, err
	}
	r.cover.library(file)
	program, err := r.host(file, nil, nil).Load(ctx, file.source())
	if err != nil {
		return nil, err
	}
	stem := strings.TrimSuffix(filepath.Base(name), ".star")
	var tests []starTest
	for _, fn := range program.Functions() {
		if strings.HasPrefix(fn.Name, testPrefix) || strings.HasPrefix(fn.Name, todoPrefix) {
			tests = append(tests, starTest{file: file, name: stem + "." + fn.Name, fn: fn})
		}
	}
	return tests, nil
}

func (f *starFile) source() runtime.Source { return runtime.Source{Name: f.name, Text: f.text} }

// unread is the result of a file that cannot be loaded: the others go on.
func (r *starRunner) unread(name string, err error) builtins.TestResult {
	res := builtins.TestResult{Name: strings.TrimSuffix(filepath.Base(name), ".star"), File: filepath.ToSlash(name), Line: 1}
	t := &starTest{file: &starFile{name: name}}
	t.explain(&res, err)
	res.Outcome = builtins.TestBroken
	return res
}

// host is what a test runs in, with a world of its own; loading needs none.
func (r *starRunner) host(file *starFile, world *testWorld, print func(runtime.Position, string)) *runtime.Host {
	verbs := scriptVerbs(func(ctx context.Context, v *builtins.Verb, c runtime.Call) (any, error) {
		return v.Call(ctx, world.envs.env(c), c.Args)
	})
	h := &runtime.Host{
		Predeclared: func(runtime.Module) []runtime.Builtin { return verbs },
		Std:         file.std,
		Root:        file.project.Root,
		Package:     file.Package,
		Print:       print,
		Limits:      runtime.Limits{Hint: limitHint},
		Coverage:    r.cover.counter(),
	}
	if world != nil {
		h.Now = world.Clock()
	}
	return h
}

// testWorld is the world of a test, and what each module may use of it.
type testWorld struct {
	*builtins.TestWorld
	envs *confined
}

// all runs tests and gives their results in the same order.
func (r *starRunner) all(ctx context.Context, tests []starTest) []builtins.TestResult {
	n := r.command.Parallel
	if n <= 0 {
		n = goruntime.GOMAXPROCS(0)
	}
	results := make([]builtins.TestResult, len(tests))
	var workers errgroup.Group
	workers.SetLimit(n)
	for i := range tests {
		if ctx.Err() != nil {
			break
		}
		workers.Go(func() error { results[i] = r.one(ctx, &tests[i]); return nil })
	}
	_ = workers.Wait() // a test that fails is a result
	return results
}

// one runs a test in a world of its own.
func (r *starRunner) one(ctx context.Context, t *starTest) (res builtins.TestResult) {
	res = builtins.TestResult{Name: t.name, File: filepath.ToSlash(t.file.name), Line: t.fn.Pos.Line, Outcome: builtins.TestSkipped}
	if strings.HasPrefix(t.fn.Name, todoPrefix) {
		return res
	}
	start := time.Now()
	var output outputs
	err := r.call(ctx, t, &output)
	res.Duration, res.Output, res.Outcome = time.Since(start).Seconds(), output.take(), builtins.TestPassed
	if err != nil {
		t.explain(&res, err)
	}
	return res
}

func (r *starRunner) call(ctx context.Context, t *starTest, output *outputs) error {
	limit := r.command.TestTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fault.New(fault.Limit, "", "it took longer than %s", limit).WithHint("raise --test-timeout"))
	defer cancel()
	world, err := builtins.NewTestWorld(r.dir, builtins.Under{Dir: t.file.project.Root}, output.add)
	if err != nil {
		return err
	}
	defer func() { _ = world.Close() }() // what it leaves goes with the folder around it
	envs := t.file.confine(world.Env)
	defer func() { _ = envs.Close() }()
	program, err := r.host(t.file, &testWorld{world, envs}, func(_ runtime.Position, text string) { output.add(text) }).Load(ctx, t.file.source())
	if err != nil {
		return err
	}
	return program.Test(ctx, t.fn.Name, testTools(world, &goldens{test: t, update: r.command.Update}))
}

// outputs gathers what a test prints. One that was given up may still be at it.
type outputs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *outputs) add(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.WriteString(text + "\n")
}

func (o *outputs) take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// standardLibrary is the one in the program, but for tests of the library itself,
// which are about the files beside them.
func standardLibrary(dir string) fs.FS {
	files, err := fs.Glob(stdlib.FS, "*.star")
	if err != nil {
		return stdlib.FS
	}
	for _, name := range files {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return stdlib.FS
		}
	}
	return os.DirFS(dir)
}

// traceText is a call stack, outermost first, as far as scripts are on it.
func traceText(trace []fault.Frame) string {
	var b strings.Builder
	for _, f := range trace {
		fmt.Fprintf(&b, "%s in %s\n  %s\n", runtime.Position{File: f.File, Line: f.Line, Col: f.Col}, f.Func, trimmed(f.Source))
	}
	return b.String()
}

func trimmed(line string) string { return strings.TrimSpace(line) }
