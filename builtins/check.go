package builtins

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/policyhost/policy/builtins/internal/engine"
	"github.com/policyhost/policy/runtime/fault"
)

// CheckArgs are the arguments of [Check].
type CheckArgs struct {
	Paths        []string `arg:"" optional:"" complete:"file" help:"Folders or files; the working folder by default."`
	Warnings     bool     `default:"true" negatable:"" help:"Report what works and is probably not meant, too."`
	Fail         bool     `default:"true" negatable:"" help:"Fail when something is found."`
	RegoVersion  string   `default:"rego.v1" enum:"rego.v0,rego.v0v1,rego.v1" help:"Language of the policies: rego.v0, rego.v0v1 or rego.v1."`
	Capabilities string   `placeholder:"FILE" complete:"file" help:"Capabilities file, or version such as v1.0.0, that the policies must keep to."`
	Schema       string   `short:"s" placeholder:"PATH" complete:"file" help:"JSON schema of the input, or folder of the schemas that annotations name."`
	Ignore       []string `placeholder:"PATTERN" help:"Pattern of files and folders to leave out."`
}

// CheckReport is the answer of check.
type CheckReport struct {
	Files    int       `json:"files"` // that were checked
	Errors   int       `json:"errors"`
	Warnings int       `json:"warnings"`
	Findings []Finding `json:"findings"` // by file and line
}

// Finding is a mistake in a source file, or a warning about it.
type Finding = engine.Finding

// The severities of a [Finding].
const (
	SeverityError   = engine.SeverityError
	SeverityWarning = engine.SeverityWarning
)

// Check looks for mistakes in policies without evaluating them. The report comes
// back in any case; when something was found it comes together with a Rejected
// fault, unless the caller wants none. It fails with NotFound when there is no
// Rego.
func Check(ctx context.Context, e *Env, args *CheckArgs) (*CheckReport, error) {
	report := new(CheckReport)
	if err := CheckRego(ctx, e, args, report); err != nil {
		return nil, err
	}
	return args.Judge(report)
}

// CheckRego adds to a report what [Check] finds in the paths, which are one policy.
func CheckRego(ctx context.Context, e *Env, args *CheckArgs, report *CheckReport) error {
	o := engine.CheckOptions{RegoVersion: args.RegoVersion, Warnings: args.Warnings, Ignore: args.Ignore}
	var err error
	if o.Paths, o.Typed, err = realPaths(e.Files, args.Where()); err != nil {
		return err
	}
	if o.Capabilities, err = e.fileOrText(args.Capabilities); err != nil {
		return err
	}
	if args.Schema != "" {
		if o.Schemas, err = e.Files.Path(args.Schema); err != nil {
			return err
		}
	}
	findings, files, err := engine.Check(ctx, o)
	report.Files += files
	report.Findings = append(report.Findings, findings...)
	return err
}

// Where are the paths, the working folder when none is given.
func (args *CheckArgs) Where() []string {
	if len(args.Paths) == 0 {
		return []string{"."}
	}
	return args.Paths
}

// Judge sorts and counts what a report has, leaves out what is not wanted, and
// gives it back; with a Rejected fault when there is something.
func (args *CheckArgs) Judge(report *CheckReport) (*CheckReport, error) {
	report.Findings = slices.DeleteFunc(append([]Finding{}, report.Findings...), func(f Finding) bool {
		return f.Severity == SeverityWarning && !args.Warnings
	})
	slices.SortStableFunc(report.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	report.Errors, report.Warnings = 0, 0
	for _, f := range report.Findings {
		if f.Severity == SeverityWarning {
			report.Warnings++
		} else {
			report.Errors++
		}
	}
	if len(report.Findings) > 0 && args.Fail {
		return report, fault.New(fault.Rejected, "", "%w", foundMistakes{report})
	}
	return report, nil
}

// foundMistakes is why a report rejects.
type foundMistakes struct{ report *CheckReport }

// Error says how much was found, and the first of it: a script shows no report.
func (m foundMistakes) Error() string {
	var counts []string
	for _, c := range []struct {
		n    int
		what string
	}{{m.report.Errors, SeverityError}, {m.report.Warnings, SeverityWarning}} {
		switch {
		case c.n == 1:
			counts = append(counts, "1 "+c.what)
		case c.n > 1:
			counts = append(counts, fmt.Sprintf("%d %ss", c.n, c.what))
		}
	}
	first := m.report.Findings[max(0, slices.IndexFunc(m.report.Findings, func(f Finding) bool { return f.Severity == SeverityError }))]
	return fmt.Sprintf("%s; the first is at %s:%d:%d: %s", strings.Join(counts, ", "), first.File, first.Line, first.Col, first.Message)
}

// Places are where the mistakes are.
func (m foundMistakes) Places() []fault.Place {
	var all []fault.Place
	for _, f := range m.report.Findings {
		text := f.Message
		if f.Hint != "" {
			text += "\nhint: " + f.Hint
		}
		all = append(all, fault.Place{File: f.File, Line: f.Line, Col: f.Col, Message: text})
	}
	return all
}

// FormatRego gives the text of a Rego file in the usual layout, that of opa fmt.
// It fails with Invalid for a text that does not parse.
func FormatRego(ctx context.Context, name string, text []byte, version string) ([]byte, error) {
	return engine.Format(ctx, name, text, version)
}
