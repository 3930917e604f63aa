package main

import (
	"context"
	"regexp"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime/fault"
)

type templatesCommand struct {
	List  templatesList  `cmd:"" help:"List the templates."`
	Apply templatesApply `cmd:"" help:"Write the files of a template into a folder."`
}

type templatesList struct{ output }

func (*templatesList) Help() string { return "Example:\n\n    policy templates list" }

func (c *templatesList) run(_ context.Context, a *app, _ *config.Flags) error {
	a.printer.Format = c.Output
	return a.answer(builtins.ListTemplates(), nil)
}

// templatesApply has opcr policy's --output, a folder, and so none that names a
// format.
type templatesApply struct {
	Args builtins.TemplateArgs `embed:""`
}

func (*templatesApply) Help() string {
	return `It writes all files or none, and replaces none unless told to. The answer is
their names, one a line.

The templates github and gitlab need to know a registry; what no flag says is
asked on a terminal, and elsewhere taken from what is known.

Examples:

    policy templates apply pipeline && policy run release.star
    policy templates apply github --server ghcr.io --repo acme/authz`
}

func (c *templatesApply) run(ctx context.Context, a *app, flags *config.Flags) error {
	a.printer.Format = render.Text // --output is no format here
	s, err := a.open(ctx, flags)
	if err != nil {
		return err
	}
	defer s.Close()
	c.Args.PolicyVersion = installable(version())
	applied, err := answering(s, &c.Args, func() (*builtins.Applied, error) {
		ctx, end := s.env.Begin(s.ctx, builtins.Step{
			Verb: "templates apply", Effect: builtins.Write,
			Delta: builtins.Delta{Subject: c.Args.Output, Where: builtins.InFile},
		})
		applied, err := builtins.ApplyTemplate(ctx, s.env, &c.Args)
		end(applied, err)
		return applied, err
	})
	if err != nil {
		return s.answer(nil, fault.In("templates apply", "", err))
	}
	if err := s.answer(applied.Files, nil); err != nil || a.printer.Quiet {
		return err
	}
	for _, line := range applied.Next {
		a.printer.Print(line)
	}
	return nil
}

// installable is the version for go install: this one, if others can get it.
func installable(version string) string {
	if regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+$`).MatchString(version) {
		return version
	}
	return "latest"
}
