package main

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/lockfile"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

// isRecipeFile reports a file of a recipe, as load statements name it.
func isRecipeFile(name string) bool {
	return strings.HasPrefix(name, artifact.RecipeScheme) || strings.HasPrefix(name, "@") && strings.Contains(name, "//")
}

// run opens a file of a recipe to be run itself: by the pin, when the project
// around has one, else as its tag is now. Nothing is pinned by that.
func (r *recipes) run(ctx context.Context, typed string) (runtime.Source, error) {
	none := runtime.Source{}
	name, file, err := runtime.SplitLoad(typed)
	if err != nil {
		return none, err
	}
	if name == "" {
		return none, fault.New(fault.Usage, typed, "the standard library is loaded, not run").WithHint("what it offers: policy doc %s", typed)
	}
	if err := r.begin(ctx); err != nil {
		return none, err
	}
	n, err := r.nameOf(name)
	if err != nil {
		return none, err
	}
	ref := lockKey(n)
	if _, found := r.lock.Find(lockKey(n)); found {
		if r.main, err = r.pinned(ctx, n); err != nil {
			return none, err
		}
	} else {
		if r.pinning == pinNone && n.Digest == "" {
			return none, fault.New(fault.Invalid, ref, "not pinned in %s, and has no digest", lockfile.Name).
				WithHint("name the content: %s@sha256:…//%s", ref, file)
		}
		recipe, pin, err := r.resolve(ctx, n)
		if err != nil {
			return none, err
		}
		if n.Digest == "" {
			r.say("%s is %s %s, %s", ref, recipe.Config.Name, recipe.Config.Version, pin.Digest)
		}
		r.main = &usedRecipe{Recipe: recipe, ask: "--grant"}
	}
	text, err := fs.ReadFile(r.main.Files, path.Clean(file))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		f := fault.New(fault.NotFound, typed, "no such file in the recipe")
		if near := fault.Nearest(file, r.main.modules()); near != "" {
			return none, f.WithHint("did you mean %s//%s?", name, near)
		}
		return none, f.WithHint("it has %s", strings.Join(r.main.modules(), ", "))
	}
	return runtime.Source{Name: path.Clean(file), Text: text, Package: r.offer(r.main)}, err
}

// modules are the files of a recipe that can be loaded or run.
func (u *usedRecipe) modules() (all []string) {
	_ = fs.WalkDir(u.Files, ".", func(name string, e fs.DirEntry, _ error) error { // in memory
		if path.Ext(name) == ".star" && !strings.HasSuffix(name, "_test.star") {
			all = append(all, name)
		}
		return nil
	})
	return all
}

// permit grants what was asked for to the recipe that is run itself, and denies
// what every recipe shall do without. One that is run itself, needs something and
// was granted nothing does not begin.
func (r *recipes) permit(asked, denied []string) (err error) {
	if r.denied, err = granting(artifact.Needs{}, denied, artifact.Needs{}); err != nil {
		return err
	}
	if r.main == nil {
		if len(asked) > 0 {
			return fault.New(fault.Usage, "--grant", "it is for a recipe that is run from its registry").
				WithHint("what a pipeline loads is granted in %s: policy recipe add REF --grant %s", lockfile.Name, asked[0])
		}
		return nil
	}
	declared := r.main.Config.Needs
	if r.main.Granted, err = granting(r.main.Granted, asked, declared); err != nil {
		return err
	}
	if missing := declared.Without(r.main.Granted); len(asked) == 0 && r.main.Granted.IsZero() && !missing.IsZero() {
		return fault.New(fault.Denied, r.main.Ref, "it needs %s", strings.Join(needTexts(missing), ", ")).
			WithHint("grant all of it: --grant needs; or what you choose, each with its own --grant")
	}
	return nil
}
