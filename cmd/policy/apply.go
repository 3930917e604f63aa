package main

import (
	"context"
	"os"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/runtime/fault"
)

type applyCommand struct {
	output
	File string `arg:"" complete:"file" help:"Plan to carry out, - for standard input."`
}

func (*applyCommand) Help() string {
	return `It first looks whether everything that the plan changes is still as the plan
saw it, and changes nothing if something is not.

Example:

    policy run --dry-run --plan plan.json examples/quickstart/release.star
    policy apply plan.json`
}

func (c *applyCommand) run(ctx context.Context, a *app, flags *config.Flags) error {
	a.printer.Format = c.Output
	s, err := a.open(ctx, flags)
	if err != nil {
		return err
	}
	defer s.Close()
	plan, err := c.read(a)
	if err != nil {
		return fault.In("apply", "", err)
	}
	made, err := builtins.Apply(s.ctx, s.env, plan)
	if made == nil || err != nil && len(made.Changes) == 0 {
		return s.answer(nil, fault.In("apply", "", err))
	}
	return s.answer(made, fault.In("apply", "", err))
}

func (c *applyCommand) read(a *app) (*builtins.Plan, error) {
	in := a.in
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, fault.File(c.File, err)
		}
		defer f.Close()
		in = f
	}
	return builtins.ReadPlan(c.File, in)
}
