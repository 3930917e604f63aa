package main

import (
	"cmp"
	"context"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/lockfile"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/project"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

type recipeCommand struct {
	New     recipeNew     `cmd:"" help:"Write the beginning of a recipe into a folder."`
	Ls      recipeLs      `cmd:"" help:"List the recipes that a registry has."`
	Add     recipeAdd     `cmd:"" help:"Pin a recipe in policy.lock, and grant what it needs."`
	Update  recipeUpdate  `cmd:"" help:"Show what became of pinned tags, and pin them anew."`
	Diff    recipeDiff    `cmd:"" help:"Show what two editions of a recipe differ in."`
	Rm      recipeRm      `cmd:"" help:"Take a recipe out of policy.lock and policy.toml."`
	Tree    recipeTree    `cmd:"" help:"Show the recipes that are loaded, and what they depend on."`
	Audit   recipeAudit   `cmd:"" help:"Show what each recipe may touch."`
	Vendor  recipeVendor  `cmd:"" help:"Keep all that is pinned in the project, to run without a network."`
	Test    recipeTest    `cmd:"" help:"Run the tests of a recipe, out of its registry or a folder."`
	Doc     recipeDoc     `cmd:"" help:"Describe what a recipe offers and needs."`
	Publish recipePublish `cmd:"" help:"Check, test, pack and push the recipe in a folder."`
}

// texted is an answer that has a text of its own.
type texted interface{ text() string }

// shownAs is an answer as its format wants it.
func (o output) shownAs(result any) any {
	if t, ok := result.(texted); ok && (o.Output == render.Text || o.Output == render.Table) {
		if text := t.text(); text != "" {
			return text
		}
		return nil // no line rather than an empty one
	}
	return result
}

// onShelf opens what a command about recipes of the project around it works with.
func (a *app) onShelf(ctx context.Context, flags *config.Flags, format output, work recipeWork) error {
	return a.onShelfOf(ctx, flags, format, "", work)
}

// recipeWork is what a command does with the recipes of a project.
type recipeWork func(context.Context, *session, *recipes) (any, error)

// onShelfOf is onShelf for the project around a file.
func (a *app) onShelfOf(ctx context.Context, flags *config.Flags, format output, file string, work recipeWork) error {
	a.printer.Format = format.Output
	s, err := a.open(ctx, flags)
	if err != nil {
		return err
	}
	defer s.Close()
	r, err := a.recipesOf(runtime.Source{Name: cmp.Or(file, "-")}, pinKnown, func(context.Context, *project.Project) (*builtins.Env, error) { return s.env, nil })
	if err == nil {
		err = r.begin(s.ctx)
	}
	var result any
	if err == nil {
		result, err = work(s.ctx, s, r)
	}
	return s.answer(format.shownAs(result), fault.In("recipe", "", err))
}

// pinnedRecipe is a line of policy.lock, and what it is about.
type pinnedRecipe struct {
	Ref         string          `json:"ref"`
	Alias       string          `json:"alias,omitempty"`
	Digest      artifact.Digest `json:"digest"`
	Name        string          `json:"name"`
	Version     string          `json:"version"`
	Description string          `json:"description,omitempty"`
	Granted     artifact.Needs  `json:"granted"`
	Needs       artifact.Needs  `json:"needs"`
	Exports     []string        `json:"exports"`

	line string
}

// text is the line of policy.lock.
func (p *pinnedRecipe) text() string { return p.line }

func describePin(r *builtins.Recipe, pin lockfile.Entry, alias string) *pinnedRecipe {
	return &pinnedRecipe{
		Ref: pin.Ref, Alias: alias, Digest: pin.Digest, Name: r.Config.Name, Version: r.Config.Version, Description: r.Config.Description,
		Granted: pin.Needs, Needs: r.Config.Needs, Exports: r.Config.Exports, line: pin.String(),
	}
}
