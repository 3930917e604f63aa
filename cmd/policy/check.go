package main

import (
	"context"
	"os"
	goruntime "runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
	"github.com/policyhost/policy/stdlib"
)

// checkCommand looks for mistakes in policies, which the verb does, and in
// pipelines, into one report.
type checkCommand struct {
	Output render.Format `default:"text" enum:"text,table,json,yaml,github,sarif" help:"Format of the report: text, table, json, yaml, github or sarif."`
	builtins.CheckArgs
	ofProject
}

func (*checkCommand) Help() string {
	return `Files called *.rego are parsed and compiled, in OPA's strict mode for the
warnings; files called *.star are checked as "policy run" does before it runs
one, and for what is unused, unreachable, hidden or wrongly documented. Nothing
of them is run. What is found ends with exit code 1.

A folder with pipelines, and no Rego files of its own, holds several policies:
each folder in it is checked alone, with its data at its root. Without PATHS, a
project that lists its policies in policy.toml is checked as a whole.

Example:

    policy check ./policies release.star
    policy check --no-warnings --output json
    policy check --output sarif > findings.sarif`
}

func (c *checkCommand) run(ctx context.Context, a *app, flags *config.Flags) error {
	a.printer.Format = c.Output
	s, err := a.open(ctx, flags)
	if err != nil {
		return err
	}
	defer s.Close()
	report, err := c.check(s.ctx, s)
	return s.answer(report, fault.In("check", "", err))
}

func (c *checkCommand) check(ctx context.Context, s *session) (*builtins.CheckReport, error) {
	places, alone, err := c.searched(s, c.Paths)
	if err != nil {
		return nil, err
	}
	if places != nil {
		c.Paths = places
	}
	found, err := findTests(c.Where(), c.Ignore)
	if err != nil {
		return nil, err
	}
	if alone != nil {
		found.policies = alone
	}
	report := new(builtins.CheckReport)
	var broken []error
	scripts := slices.Concat(found.scripts, found.tests)
	for _, policy := range found.policies {
		args := c.CheckArgs
		args.Paths = policy
		if err := builtins.CheckRego(ctx, s.env, &args, report); err != nil {
			broken = append(broken, err)
		}
	}
	if len(found.policies)+len(scripts) == 0 {
		return nil, fault.New(fault.NotFound, "", "no .rego and no .star files in %s", strings.Join(c.Where(), ", "))
	}
	if err := s.checkScripts(ctx, scripts, report); err != nil {
		return nil, err
	}
	if err := fault.Join(broken...); err != nil {
		if len(report.Findings) == 0 {
			return nil, err
		}
		report, mistakes := c.Judge(report)
		return report, fault.Join(err, mistakes)
	}
	return c.Judge(report)
}

// checkScripts adds to a report what is found in pipelines, several at once.
func (s *session) checkScripts(ctx context.Context, files []string, report *builtins.CheckReport) error {
	findings := make([][]runtime.Finding, len(files))
	projects := s.projects()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(goruntime.GOMAXPROCS(0))
	for i, file := range files {
		g.Go(func() (err error) {
			defer fault.Recover("", &err)
			findings[i], err = projects.check(ctx, file)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, f := range slices.Concat(findings...) {
		severity := builtins.SeverityError
		if f.Warning {
			severity = builtins.SeverityWarning
		}
		report.Findings = append(report.Findings, builtins.Finding{
			File: f.Pos.File, Line: f.Pos.Line, Col: f.Pos.Col, Width: f.Width, Source: f.Source,
			Severity: severity, Code: f.Code, Message: f.Message, Hint: f.Hint, Replace: f.Replace,
		})
	}
	report.Files += len(files)
	return nil
}

func (p *projects) check(ctx context.Context, file string) ([]runtime.Finding, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, unreadable(file, err)
	}
	if err := tooLarge(file, text); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, fault.Of(context.Cause(ctx))
	}
	source := runtime.Source{Name: file, Text: text}
	recipes, err := p.of(source)
	if err != nil {
		return nil, err
	}
	verbs := (&pipeline{app: p.app, source: source}).verbs()
	host := &runtime.Host{
		Predeclared: func(runtime.Module) []runtime.Builtin { return verbs },
		Std:         stdlib.FS,
		Root:        recipes.project.Root,
		Package:     recipes.Package,
	}
	return host.Check(ctx, source), nil
}
