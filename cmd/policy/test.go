package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

// testCommand runs the tests of policies, which the verb does, and those of
// pipelines, into one report.
type testCommand struct {
	Output render.Format `default:"text" enum:"text,table,json,yaml,junit" help:"Format of the report: text, table, json, yaml or junit."`
	builtins.TestArgs
	ofProject
	CoverageLcov string `placeholder:"FILE" complete:"file" help:"File to write the coverage to as an LCOV tracefile; turns coverage on."`
	CoverageHTML string `name:"coverage-html" placeholder:"FILE" complete:"file" help:"File to write the coverage to as a page that shows the lines; turns coverage on."`
	Update       bool   `help:"Write the golden files of the tests of pipelines that run, instead of comparing with them."`
	Watch        bool   `help:"Run the tests again whenever a file below the paths changes, until Ctrl-C."`

	alone [][]string // the policies of the project; nil: those found below the paths
}

func (*testCommand) Help() string {
	return `Tests are rules called test_… in files called *_test.rego, and functions called
test_…, with one parameter t, in files called *_test.star. Each of the latter
has a store, registries and files of its own, and no network.

A folder with pipelines, and no Rego files of its own, holds several policies:
each folder in it is tested alone, with its data at its root. Without PATHS, a
project that lists its policies in policy.toml is tested as a whole.

Example:

    policy test ./policies --coverage
    policy test --run release`
}

func (c *testCommand) run(ctx context.Context, a *app, flags *config.Flags) error {
	a.printer.Format = c.Output
	s, err := a.open(ctx, flags)
	if err != nil {
		return err
	}
	defer s.Close()
	if places, alone, err := c.searched(s, c.Paths); err != nil {
		return fault.In("test", "", err)
	} else if places != nil {
		c.Paths, c.alone = places, alone
	}
	c.Coverage = c.Coverage || c.CoverageLcov != "" || c.CoverageHTML != ""
	if c.Watch {
		s.stop() // nothing of the tests is progress
		return c.watch(s.ctx, s)
	}
	return s.answer(c.once(s.ctx, s))
}

// test runs all tests once.
func (c *testCommand) test(ctx context.Context, s *session) (*builtins.TestReport, error) {
	start := time.Now()
	found, err := findTests(c.Where(), c.Ignore)
	if err != nil {
		return nil, fault.In("test", "", err)
	}
	if c.alone != nil {
		found.policies = c.alone
	}
	report := &builtins.TestReport{Results: []builtins.TestResult{}}
	cover := newTestCoverage(&c.TestArgs)
	var broken []error
	for _, policy := range found.policies {
		args := c.TestArgs
		args.Paths = policy
		part, err := builtins.RegoTests(ctx, s.env, &args)
		if err != nil {
			broken = append(broken, fault.In("test", "", err))
			continue
		}
		for _, r := range part.Results {
			count(report, r)
		}
		cover.add(part.Coverage)
	}
	stars, err := s.starTests(ctx, found, c, cover)
	broken = append(broken, fault.In("test", "", err))
	if ctx.Err() != nil {
		return nil, fault.Of(context.Cause(ctx))
	}
	for _, r := range stars {
		count(report, r)
	}
	slices.SortStableFunc(report.Results, func(a, b builtins.TestResult) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	report.Coverage = cover.report()
	report.Duration = time.Since(start).Seconds()
	if err := fault.Join(broken...); err != nil {
		return nonEmpty(report), err
	}
	report, err = c.Judge(report)
	return report, fault.In("test", "", err)
}

// nonEmpty is nil for a report of no test.
func nonEmpty(r *builtins.TestReport) *builtins.TestReport {
	if len(r.Results) == 0 {
		return nil
	}
	return r
}

// count adds a result to the whole.
func count(whole *builtins.TestReport, r builtins.TestResult) {
	switch r.Outcome {
	case builtins.TestPassed:
		whole.Passed++
	case builtins.TestSkipped:
		whole.Skipped++
	default:
		whole.Failed++
	}
	whole.Results = append(whole.Results, r)
}

// scratch makes the folder that the tests of pipelines work below. It goes with
// the function, or with the process.
func (s *session) scratch() (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp("", "policy-test-")
	if err != nil {
		return "", nil, fault.File(os.TempDir(), err)
	}
	before := s.atEnd.Load() // of a recipe that was unpacked
	gone := func() {
		_ = os.RemoveAll(dir)
		if before != nil {
			(*before)()
		}
	}
	s.atEnd.Store(&gone)
	return dir, func() {
		_ = os.RemoveAll(dir)
		s.atEnd.Store(before)
	}, nil
}

// explain fills in why a test of a pipeline failed.
func (t *starTest) explain(res *builtins.TestResult, err error) {
	f := fault.Of(err)
	res.Outcome, res.Message = builtins.TestBroken, f.Error()
	if errors.Is(err, fault.Rejected) {
		res.Outcome = builtins.TestFailed
	}
	if check, ok := errors.AsType[*runtime.CheckFailure](err); ok {
		res.Message, res.Expected, res.Actual = check.Error(), check.Expected, check.Actual
	}
	if f.Hint != "" {
		res.Message += "\nhint: " + f.Hint
	}
	for _, frame := range f.Trace {
		if frame.File == t.file.name {
			res.At, res.Expression = &builtins.TestPlace{File: frame.File, Line: frame.Line}, trimmed(frame.Source)
		}
	}
	if len(f.Trace) > 1 {
		res.Trace = traceText(f.Trace)
	}
}
