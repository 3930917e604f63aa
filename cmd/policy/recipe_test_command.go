package main

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/lockfile"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/project"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime/fault"
)

type recipeTest struct {
	Output render.Format `default:"text" enum:"text,table,json,yaml,junit" help:"Format of the report: text, table, json, yaml or junit."`
	Recipe string        `arg:"" optional:"" default:"." complete:"pinned,folder" help:"Recipe to test: @alias, a reference, or a folder."`
	Run    string        `placeholder:"REGEXP" help:"Run only tests whose name matches this regular expression."`
}

func (*recipeTest) Help() string {
	return `A recipe carries its tests. They run as those of a project do, each with a store,
registries and files of its own, and no network; what the recipe loads is what
its author pinned.

Example:

    policy recipe test @acme`
}

// as gives the command that runs the tests in a folder.
func (c *recipeTest) as(folder string) (*testCommand, error) {
	test := new(testCommand)
	err := kong.ApplyDefaults(test)
	test.Paths, test.Run, test.Output = []string{folder}, c.Run, c.Output
	return test, err
}

func (c *recipeTest) run(ctx context.Context, a *app, flags *config.Flags) error {
	if isFolder(c.Recipe) {
		test, err := c.as(c.Recipe)
		if err != nil {
			return err
		}
		return test.run(ctx, a, flags)
	}
	return a.onShelf(ctx, flags, output{c.Output}, c.test)
}

func (c *recipeTest) test(ctx context.Context, s *session, r *recipes) (any, error) {
	e, err := r.pinnedEdition(ctx, c.Recipe)
	if err != nil {
		return nil, err
	}
	folder, remove, err := s.scratch()
	if err != nil {
		return nil, err
	}
	defer remove()
	if s.unpacked, err = r.unpack(ctx, e, folder); err != nil {
		return nil, err
	}
	test, err := c.as(folder)
	if err != nil {
		return nil, err
	}
	report, err := test.test(ctx, s)
	shown := strings.NewReplacer(folder+string(filepath.Separator), e.ref+"//", filepath.ToSlash(folder)+"/", e.ref+"//", folder, e.ref)
	if report == nil {
		if errors.Is(err, fault.NotFound) {
			return nil, fault.New(fault.NotFound, e.ref, "it has no tests")
		}
		return nil, err
	}
	for i := range report.Results {
		res := &report.Results[i]
		for _, text := range []*string{&res.File, &res.Message, &res.Trace, &res.Output} {
			*text = shown.Replace(*text)
		}
		if res.At != nil {
			res.At.File = shown.Replace(res.At.File)
		}
	}
	if report.Failed > 0 {
		err = fault.New(fault.Rejected, e.ref, "%d of its %d tests fail", report.Failed, len(report.Results))
	}
	return report, err
}

// unpack writes the files of a recipe into a folder, which becomes a project that
// pins what the recipe does.
func (r *recipes) unpack(ctx context.Context, e *edition, folder string) (*recipes, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fault.File(folder, err)
	}
	defer root.Close()
	if _, ok := e.files[project.Name]; !ok {
		if err := root.WriteFile(project.Name, nil, 0o600); err != nil {
			return nil, fault.File(folder, err)
		}
	}
	for name, text := range e.files {
		if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
			return nil, fault.File(folder, err)
		}
		if err := root.WriteFile(name, text, 0o600); err != nil {
			return nil, fault.File(folder, err)
		}
	}
	of, err := loadProject(folder)
	if err != nil {
		return nil, err
	}
	lock, err := r.lockOf(ctx, of, e.config)
	if err != nil {
		return nil, err
	}
	own := &recipes{
		app: r.app, project: of, pinning: pinKnown, shelf: r.shelf, lock: lock,
		used: map[string]*usedRecipe{}, named: map[string]string{},
	}
	own.once.Do(func() {}) // shelf and lock are there
	return own, nil
}

// lockOf are the pins of a recipe, with all that its dependencies need: its tests
// have a world of their own.
func (r *recipes) lockOf(ctx context.Context, of *project.Project, c artifact.RecipeConfig) (*lockfile.Lock, error) {
	deps, err := r.closure(ctx, dependencies(c))
	if err != nil {
		return nil, err
	}
	needs := map[artifact.Digest]artifact.Needs{}
	for _, dep := range deps {
		needs[dep.Digest] = dep.Config.Needs
	}
	lock := new(lockfile.Lock)
	for alias, pinned := range c.Deps {
		ref := alias
		if !strings.HasPrefix(alias, artifact.RecipeScheme) {
			ref = of.Recipes[alias]
		}
		named, err := artifact.ParseRecipeName(ref)
		if err != nil {
			continue // an alias that its policy.toml has no more
		}
		n, err := artifact.ParseRecipeName(pinned)
		if err != nil {
			return nil, err
		}
		lock.Set(lockfile.Entry{Ref: lockKey(named), Digest: n.Digest, Needs: needs[n.Digest]})
	}
	return lock, nil
}
