package engine

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/tester"
	"golang.org/x/sync/errgroup"

	"github.com/policyhost/policy/runtime/fault"
)

// TestOptions say which Rego tests to run, and how.
type TestOptions struct {
	Paths       []string          // folders, .rego and data files, bundle tarballs
	Typed       map[string]string // what a path is called in the answer, where that differs
	Run         string            // regular expression over "data.package.test_name"; empty: all
	Verbose     bool              // keep the trace of each test that fails
	Coverage    bool              // measure which lines the tests reach
	Threshold   float64           // percent that is enough; above 0 it implies Coverage
	Parallel    int               // tests at once; 0: one for each core
	RegoVersion string            // as in OpenOptions
	AllowNet    []string          // hosts the policies may reach
	Timeout     time.Duration     // of one test; 0: 5 s
	Ignore      []string          // patterns of file names to leave out
}

// Outcomes of a test.
const (
	Pass  = "pass"
	Fail  = "fail"
	Error = "error" // the evaluation broke off, which counts as failed
	Skip  = "skip"  // todo_test_…
)

// TestReport is what happened. Failed tests are data, not an error.
type TestReport struct {
	Passed   int           `json:"passed"`
	Failed   int           `json:"failed"` // errors included
	Skipped  int           `json:"skipped"`
	Duration float64       `json:"duration"` // seconds, with compiling
	Coverage *TestCoverage `json:"coverage"` // null when not asked for
	Results  []TestResult  `json:"results"`  // by file and line
}

// TestResult is one test, or one case of a test over a table.
type TestResult struct {
	Name     string  `json:"name"` // data.authz_test.test_reader, with "/case" for a case
	File     string  `json:"file"`
	Line     int     `json:"line"`
	Outcome  string  `json:"outcome"`
	Duration float64 `json:"duration"` // seconds
	Message  string  `json:"message"`  // why it failed, in a line

	// Of a failure: the expression that did not hold, what it should have been
	// and what it was, as JSON or the word undefined, and the variables in it.
	At         *Place            `json:"at,omitempty"`
	Expression string            `json:"expression,omitempty"`
	Expected   string            `json:"expected,omitempty"`
	Actual     string            `json:"actual,omitempty"`
	Vars       map[string]string `json:"vars,omitempty"`

	Output string `json:"output,omitempty"` // of print()
	Trace  string `json:"trace,omitempty"`  // with Verbose
}

// Place is a line of a file, from 1.
type Place struct {
	File string `json:"file"`
	Line int    `json:"line"`
}

// Test runs the Rego tests below paths: rules called test_… hold or fail,
// todo_test_… are skipped. Folders are read as [OpenDir] does, with their tests.
// It fails with Invalid when something does not compile, NotFound for a path
// that is not there, Usage for a bad pattern, and the cause of ctx.
//
// Functions that reach the network compile, so that tests can replace them, but
// reach only AllowNet.
func Test(ctx context.Context, o TestOptions) (*TestReport, error) {
	start := time.Now()
	pattern, err := regexp.Compile(o.Run)
	if err != nil {
		return nil, fault.New(fault.Usage, o.Run, "not a regular expression: %w", err)
	}
	b, err := openSources(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = b.Close() }()
	r := &runner{bundle: b, options: o, store: &store{root: b.data}}
	if r.compiler, err = b.compileTests(ctx); err != nil {
		return nil, err
	}
	if o.Coverage || o.Threshold > 0 {
		r.coverage = newCoverage()
	}
	report := &TestReport{Results: r.run(ctx, r.find(pattern))}
	if ctx.Err() != nil {
		return nil, fault.Of(context.Cause(ctx))
	}
	for i := range report.Results {
		switch report.Results[i].Outcome {
		case Pass:
			report.Passed++
		case Skip:
			report.Skipped++
		default:
			report.Failed++
		}
	}
	if r.coverage != nil {
		report.Coverage = r.coverage.report(b.parsedModules(), o.Threshold)
	}
	report.Duration = time.Since(start).Seconds()
	return report, nil
}

// openSources reads policies with their tests.
func openSources(ctx context.Context, o TestOptions) (*Bundle, error) {
	names := slices.Clone(o.Paths)
	for i, path := range names {
		if typed, ok := o.Typed[path]; ok {
			names[i] = typed
		}
	}
	b, err := newBundle(OpenOptions{RegoVersion: o.RegoVersion, AllowNet: o.AllowNet, Name: strings.Join(names, " ")})
	if err != nil {
		return nil, err
	}
	b.caps = testCapabilities(b.version, o.AllowNet)
	dir := dirOptions{tests: true, ignore: o.Ignore, typed: o.Typed, seen: map[string]bool{}}
	for _, path := range o.Paths {
		p, err := readPath(ctx, path, dir)
		if err != nil {
			return nil, err
		}
		if err := b.add(p); err != nil {
			return nil, err
		}
	}
	if len(b.modules) == 0 {
		return nil, fault.New(fault.NotFound, b.opts.Name, "no .rego files")
	}
	return b, nil
}

// compileTests compiles everything the way OPA's tester does, which gives tests
// over a table their cases. The tester offers that as part of a run only: so it
// runs no test.
func (b *Bundle) compileTests(ctx context.Context) (*ast.Compiler, error) {
	if err := parseAll(ctx, b.modules, b.caps); err != nil {
		return nil, b.compileFault(ctx, err)
	}
	compiler := ast.NewCompiler().
		WithCapabilities(b.caps).
		WithDefaultRegoVersion(b.version).
		WithUseTypeCheckAnnotations(true).
		WithEnablePrintStatements(true).
		WithPathConflictsCheck(storage.NonEmpty(ctx, &store{root: b.data}, transaction{}))
	const never = `[^\x00-\x{10FFFF}]`
	results, err := tester.NewRunner().SetCompiler(compiler).SetModules(b.parsedModules()).Filter(never).RunTests(ctx, nil)
	if err != nil {
		return nil, b.compileFault(ctx, err)
	}
	for range results {
		return nil, errors.New("OPA's tester ran a test that it was told to leave out")
	}
	return compiler, nil
}

// runner runs the tests of one compiled bundle.
type runner struct {
	bundle   *Bundle
	options  TestOptions
	compiler *ast.Compiler
	store    *store
	coverage *coverage
}

// testCase is one rule to run.
type testCase struct {
	ref  ast.Ref // data.package.test_name
	name string
	rule *ast.Rule
	skip bool
}

// find lists the tests that match, in the order of files and lines.
func (r *runner) find(pattern *regexp.Regexp) []testCase {
	var tests []testCase
	seen := map[string]bool{}
	for _, m := range r.compiler.Modules {
		for _, rule := range m.Rules {
			ref, name := testRef(rule)
			if ref == nil {
				continue
			}
			t := testCase{ref: m.Package.Path.Extend(ref), rule: rule, skip: strings.HasPrefix(name, tester.SkipTestPrefix)}
			t.name = t.ref.String()
			if pattern.MatchString(t.name) && !seen[t.name] {
				seen[t.name] = true
				tests = append(tests, t)
			}
		}
	}
	slices.SortFunc(tests, func(a, b testCase) int {
		la, lb := a.rule.Loc(), b.rule.Loc()
		return cmp.Or(cmp.Compare(la.File, lb.File), cmp.Compare(la.Row, lb.Row), cmp.Compare(a.name, b.name))
	})
	return tests
}

// testRef is the part of a rule's name up to the word that makes it a test, nil
// when there is none.
func testRef(rule *ast.Rule) (ast.Ref, string) {
	ref := rule.Head.Ref().GroundPrefix()
	for i, t := range ref {
		var name string
		switch v := t.Value.(type) {
		case ast.Var:
			name = string(v)
		case ast.String:
			name = string(v)
		}
		if strings.HasPrefix(name, tester.TestPrefix) || strings.HasPrefix(name, tester.SkipTestPrefix) {
			return ref[:i+1], name
		}
	}
	return nil, ""
}

// run runs tests, several at once, and returns the results in their order.
func (r *runner) run(ctx context.Context, tests []testCase) []TestResult {
	n := r.options.Parallel
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	results := make([][]TestResult, len(tests))
	var workers errgroup.Group
	workers.SetLimit(n)
	for i := range tests {
		if ctx.Err() != nil {
			break
		}
		workers.Go(func() error { results[i] = r.one(ctx, &tests[i]); return nil })
	}
	_ = workers.Wait() // a test that fails is a result
	return append([]TestResult{}, slices.Concat(results...)...)
}
