package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/lockfile"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/project"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

type recipePublish struct {
	output
	Ref    string `arg:"" complete:"repository" help:"Where to: HOST/ORG/NAME:TAG; without a tag, that of its version."`
	Folder string `arg:"" optional:"" default:"." complete:"folder" help:"Folder of the recipe, with its policy.toml."`
	DryRun bool   `name:"dry-run" help:"Do all but push, and print the digest that it would have."`
}

func (*recipePublish) Help() string {
	return `The folder's policy.toml has a table [recipe] with its name, version and needs. It
is published only when policy check finds nothing, policy fmt changes nothing,
its tests pass, and policy.lock pins all that it loads. Everything in the folder
goes along but hidden files, vendor and policy.lock. The same sources have the
same digest everywhere.

Example:

    policy recipe publish ghcr.io/acme/gates:v1 recipes/gates`
}

func (c *recipePublish) run(ctx context.Context, a *app, flags *config.Flags) error {
	a.printer.Format = c.Output
	s, err := a.open(ctx, flags)
	if err != nil {
		return err
	}
	defer s.Close()
	image, err := c.publish(s.ctx, s)
	return s.answer(image, fault.In("recipe publish", "", err))
}

func (c *recipePublish) publish(ctx context.Context, s *session) (*builtins.Image, error) {
	of, err := recipeIn(c.Folder)
	if err != nil {
		return nil, err
	}
	n, err := c.name(of.Recipe)
	if err != nil {
		return nil, err
	}
	shelf := s.env.Recipes(of.Vendor())
	cfg, files, err := described(ctx, of, shelf)
	if err != nil {
		return nil, err
	}
	if err := c.sound(ctx, s); err != nil {
		return nil, err
	}
	checked, err := recipeFiles(of.Root)
	if err == nil && !maps.EqualFunc(files, checked, bytes.Equal) {
		err = fault.New(fault.Conflict, c.Folder, "changed while it was checked").WithHint("publish again when nothing writes to it")
	}
	if err != nil {
		return nil, err
	}
	digest, err := shelf.Pack(ctx, cfg, files)
	if err != nil {
		return nil, err
	}
	if c.DryRun {
		return shelf.Describe(ctx, n, digest)
	}
	return shelf.Push(ctx, n, digest)
}

// name is where the recipe goes.
func (c *recipePublish) name(r *project.Recipe) (artifact.Name, error) {
	ref := strings.TrimPrefix(c.Ref, artifact.RecipeScheme)
	if registry, tag := artifact.Typed(ref); registry && !tag {
		ref += ":" + r.Version
	}
	n, err := artifact.ParseRecipeName(ref)
	if err == nil && n.Digest != "" {
		return n, fault.New(fault.Usage, c.Ref, "a digest is what is published, not where").WithHint("leave out @%s", n.Digest)
	}
	return n, err
}

// sound refuses what has mistakes, is laid out otherwise, or fails its tests.
func (c *recipePublish) sound(ctx context.Context, s *session) error {
	check, format, test := new(checkCommand), new(fmtCommand), new(testCommand)
	for _, command := range []any{check, format, test} {
		if err := kong.ApplyDefaults(command); err != nil {
			return err
		}
	}
	paths := []string{c.Folder}
	check.Paths, format.Paths, test.Paths, format.Check = paths, paths, paths, true
	report, err := check.check(ctx, s)
	if report != nil && len(report.Findings) > 0 {
		f, what := report.Findings[0], "1 finding; it is"
		if n := len(report.Findings); n > 1 {
			what = fmt.Sprintf("%d findings; the first is", n)
		}
		return fault.New(fault.Rejected, c.Folder, "%s %s:%d:%d: %s", what, f.File, f.Line, f.Col, f.Message).
			WithHint("see all: policy check %s", c.Folder)
	}
	if err != nil {
		return err
	}
	changed, err := format.files(ctx)
	if err := fault.Join(err, format.rejects(changed)); err != nil {
		return err
	}
	tested, err := test.test(ctx, s)
	switch {
	case errors.Is(err, fault.NotFound) && (tested == nil || len(tested.Results) == 0):
		s.say("%s has no tests", c.Folder)
		return nil
	case tested != nil && tested.Failed > 0:
		what := "1 of its tests fails"
		if tested.Failed > 1 {
			what = fmt.Sprintf("%d of its tests fail", tested.Failed)
		}
		return fault.New(fault.Rejected, c.Folder, "%s", what).WithHint("see which: policy test %s", c.Folder)
	}
	return err
}

// recipeFiles reads what goes into the package of a recipe, by path.
func recipeFiles(root string) (map[string][]byte, error) {
	all := map[string][]byte{}
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return fault.File(name, err)
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return fault.File(name, err)
		}
		rel = filepath.ToSlash(rel)
		switch {
		case rel == ".":
			return nil
		case strings.HasPrefix(e.Name(), "."), rel == "vendor", rel == lockfile.Name:
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		case e.IsDir():
			return nil
		case !e.Type().IsRegular():
			return fault.New(fault.Invalid, rel, "not a file; a recipe has no links").WithHint("put the file itself there")
		}
		all[rel], err = os.ReadFile(name)
		return fault.File(rel, err)
	})
	return all, err
}

// exportsOf are the functions that others may load, with their signatures.
func exportsOf(files map[string][]byte) (all []string) {
	for name, text := range files {
		if path.Ext(name) != ".star" || strings.HasSuffix(name, "_test.star") || strings.HasPrefix(path.Base(name), "_") {
			continue
		}
		_, functions := runtime.Manual(text)
		for _, f := range functions {
			all = append(all, name+" "+f.Signature())
		}
	}
	slices.Sort(all)
	return all
}

// dependenciesOf are the recipes that a recipe loads, each with the digest that
// policy.lock has. None may need more than the recipe says that it needs itself.
func dependenciesOf(ctx context.Context, of *project.Project, shelf *builtins.Recipes, files map[string][]byte) (map[string]string, error) {
	lock, err := of.Lock()
	if err != nil {
		return nil, err
	}
	deps := map[string]string{}
	for alias, ref := range of.Recipes {
		deps[alias] = ref
	}
	for name, text := range files {
		if path.Ext(name) != ".star" {
			continue
		}
		for _, ref := range runtime.Loads(text) {
			if strings.HasPrefix(ref, artifact.RecipeScheme) {
				deps[ref] = ref
			}
		}
	}
	for name, ref := range deps {
		n, err := artifact.ParseRecipeName(ref)
		if err != nil {
			return nil, err
		}
		if n.Digest == "" {
			pin, found := lock.Find(lockKey(n))
			if !found {
				return nil, fault.New(fault.Invalid, ref, "not pinned in %s", lockfile.Name).WithHint("policy recipe add %s", ref)
			}
			n.Digest = pin.Digest
		}
		recipe, err := shelf.Open(ctx, n)
		if err != nil {
			return nil, err
		}
		if more := recipe.Config.Needs.Without(of.Recipe.Needs); !more.IsZero() {
			return nil, fault.New(fault.Invalid, ref, "it needs %s, which this recipe does not say it needs", strings.Join(needTexts(more), ", ")).
				WithHint("add it to [recipe.needs] in %s", project.Name)
		}
		deps[name] = artifact.RecipeScheme + n.String()
	}
	return deps, nil
}
