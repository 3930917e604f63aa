package builtins

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/policyhost/policy/builtins/internal/engine"
	"github.com/policyhost/policy/runtime/fault"
)

// TestArgs are the arguments of [Test].
type TestArgs struct {
	Paths       []string      `arg:"" optional:"" complete:"file" help:"Folders or files with policies and their tests; the working folder by default."`
	Run         string        `placeholder:"REGEXP" help:"Run only tests whose name matches this regular expression."`
	Trace       bool          `help:"Keep the trace of each test that fails."`
	Coverage    bool          `help:"Report how much of the policies the tests evaluate."`
	Threshold   float64       `name:"coverage-threshold" help:"Fail when the coverage is below this percentage; turns coverage on."`
	Parallel    int           `help:"Tests at once; by default one for each processor."`
	RegoVersion string        `default:"rego.v1" enum:"rego.v0,rego.v0v1,rego.v1" help:"Language of the sources: rego.v0, rego.v0v1 or rego.v1."`
	Ignore      []string      `placeholder:"PATTERN" help:"Pattern of files and folders to leave out."`
	AllowNet    []string      `placeholder:"HOST" help:"Host that http.send and net functions may reach; none by default."`
	TestTimeout time.Duration `default:"30s" help:"Longest time one test may take."`
}

// TestReport is the answer of test, of its results and its coverage.
type (
	TestReport   = engine.TestReport
	TestResult   = engine.TestResult
	TestPlace    = engine.Place
	TestCoverage = engine.TestCoverage
	FileCoverage = engine.FileCoverage
	CoveredLines = engine.Lines
)

// The outcomes of a test. One that broke off counts as failed.
const (
	TestPassed  = engine.Pass
	TestFailed  = engine.Fail
	TestBroken  = engine.Error
	TestSkipped = engine.Skip
)

// Test runs the Rego tests among the paths. The report comes back in any case;
// when a test failed, or the coverage is below the threshold, it comes together
// with a Rejected fault. It fails with Invalid when the Rego does not compile,
// with NotFound when there is no test.
func Test(ctx context.Context, e *Env, args *TestArgs) (*TestReport, error) {
	report, err := RegoTests(ctx, e, args)
	if err != nil {
		return report, err
	}
	return args.Judge(report)
}

// RegoTests runs the tests that [Test] judges. It fails as Test does, but not
// for what the tests find, nor when there are none.
func RegoTests(ctx context.Context, e *Env, args *TestArgs) (*TestReport, error) {
	if err := args.check(); err != nil {
		return nil, err
	}
	if err := e.mayReach(args.AllowNet); err != nil {
		return nil, err
	}
	o := engine.TestOptions{
		Run:         args.Run,
		Verbose:     args.Trace,
		Coverage:    args.Coverage || args.Threshold > 0,
		Threshold:   args.Threshold,
		Parallel:    args.Parallel,
		RegoVersion: args.RegoVersion,
		AllowNet:    args.AllowNet,
		Timeout:     args.TestTimeout,
		Ignore:      args.Ignore,
	}
	var err error
	if o.Paths, o.Typed, err = realPaths(e.Files, args.Where()); err != nil {
		return nil, err
	}
	return engine.Test(ctx, o)
}

// Where are the paths, the working folder when none is given.
func (args *TestArgs) Where() []string {
	if len(args.Paths) == 0 {
		return []string{"."}
	}
	return args.Paths
}

func (args *TestArgs) check() error {
	if args.Threshold < 0 || args.Threshold > 100 {
		return fault.New(fault.Usage, "", "a coverage threshold is a percentage, 0 to 100, not %v", args.Threshold)
	}
	return nil
}

// Judge gives the report back, with a Rejected fault when a test failed or the
// coverage is below the threshold, and only NotFound for a report of no test.
func (args *TestArgs) Judge(report *TestReport) (*TestReport, error) {
	if len(report.Results) == 0 {
		f := fault.New(fault.NotFound, strings.Join(args.Where(), " "), "no tests here")
		if args.Run != "" {
			return nil, f.WithHint("does a test match --run %s?", args.Run)
		}
		return nil, f.WithHint("write rules called test_… in files called *_test.rego, or functions called test_… in *_test.star")
	}
	if report.Failed > 0 {
		return report, fault.New(fault.Rejected, "", "%w", testFailure{report})
	}
	if report.Coverage != nil && report.Coverage.Below {
		return report, fault.New(fault.Rejected, "", "the coverage is %.1f %%, below the threshold of %.1f %%", report.Coverage.Percent, args.Threshold).
			WithHint("see the lines that are not covered: policy test --coverage --output json")
	}
	return report, nil
}

// testFailure is why a report rejects: its tests that failed.
type testFailure struct{ report *TestReport }

// Error says how many tests failed, and which is the first: a script shows no
// report.
func (f testFailure) Error() string {
	text := fmt.Sprintf("%d of %d tests failed", f.report.Failed, f.report.Passed+f.report.Failed+f.report.Skipped)
	if places := f.Places(); len(places) > 0 {
		text += fmt.Sprintf("; the first is %s (%s:%d)", f.failed()[0].Name, places[0].File, places[0].Line)
	}
	return text
}

// Places are where what failed is written.
func (f testFailure) Places() []fault.Place {
	var all []fault.Place
	for _, t := range f.failed() {
		place := fault.Place{File: t.File, Line: t.Line, Message: t.Name + " failed"}
		if t.At != nil {
			place.File, place.Line = t.At.File, t.At.Line
		}
		if t.Message != "" {
			place.Message += ": " + t.Message
		}
		all = append(all, place)
	}
	return all
}

func (f testFailure) failed() []engine.TestResult {
	var all []engine.TestResult
	for _, t := range f.report.Results {
		if t.Outcome == engine.Fail || t.Outcome == engine.Error {
			all = append(all, t)
		}
	}
	return all
}
