package main

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/project"
	"github.com/policyhost/policy/runtime/fault"
)

type recipeNew struct {
	output
	Folder string `arg:"" complete:"folder" help:"Folder to write; it is made if need be."`
	Name   string `placeholder:"WORD" help:"What the recipe is called; the folder's name by default."`
}

func (*recipeNew) Help() string {
	return `The folder gets a policy.toml, a module with a test, a README and a changelog:
a recipe that can be tested and published as it is. Nothing is replaced.

Example:

    policy recipe new gates
    policy test gates
    policy recipe publish ghcr.io/acme/gates gates`
}

func (c *recipeNew) run(ctx context.Context, a *app, flags *config.Flags) error {
	a.printer.Format = c.Output
	s, err := a.openIn(ctx, flags, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	files, err := c.write(s.ctx, s.env)
	if err := s.answer(files, fault.In("recipe new", "", err)); err != nil {
		return err
	}
	s.say("To test it: policy test %s", c.Folder)
	s.say("To share it: policy recipe publish HOST/ORG/NAME %s", c.Folder)
	return nil
}

func (c *recipeNew) write(ctx context.Context, e *builtins.Env) ([]string, error) {
	name := c.Name
	if name == "" {
		full, err := filepath.Abs(c.Folder)
		if err != nil {
			return nil, fault.File(c.Folder, err)
		}
		name = strings.ToLower(filepath.Base(full))
	}
	if err := project.CheckWord(name); err != nil {
		f := *fault.Of(err)
		f.Kind = fault.Usage
		return nil, f.WithHint("say what it is called: --name gates")
	}
	return builtins.NewRecipe(ctx, e, c.Folder, name)
}
