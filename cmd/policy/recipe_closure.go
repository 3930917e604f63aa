package main

import (
	"context"
	"errors"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// maxClosure bounds the recipes that one project needs: as many as one script may
// load from.
const maxClosure = 256

// closure opens recipes and all that they depend on, each once, those of one level
// at once. What can be opened is given beside the error.
func (r *recipes) closure(ctx context.Context, names []artifact.Name) ([]*builtins.Recipe, error) {
	var all []*builtins.Recipe
	var errs []error
	seen := map[artifact.Digest]bool{}
	for level := unseen(seen, names); len(level) > 0; {
		found, faults := make([]*builtins.Recipe, len(level)), make([]error, len(level))
		var g errgroup.Group
		g.SetLimit(16)
		for i, n := range level {
			g.Go(func() error {
				defer fault.Recover("", &faults[i])
				found[i], faults[i] = r.shelf.Open(ctx, n)
				return nil
			})
		}
		_ = g.Wait()
		if len(seen) > maxClosure {
			return all, fault.New(fault.Limit, "", "more than %d recipes are needed", maxClosure)
		}
		errs = append(errs, faults...)
		var next []artifact.Name
		for _, recipe := range found {
			if recipe != nil {
				all = append(all, recipe)
				next = append(next, dependencies(recipe.Config)...)
			}
		}
		level = unseen(seen, next)
	}
	return all, errors.Join(context.Cause(ctx), fault.Join(errs...))
}

// unseen are the names whose content was not asked for before.
func unseen(seen map[artifact.Digest]bool, names []artifact.Name) (fresh []artifact.Name) {
	for _, n := range names {
		if !seen[n.Digest] {
			seen[n.Digest] = true
			fresh = append(fresh, n)
		}
	}
	return fresh
}

// dependencies are what a recipe depends on, by alias.
func dependencies(c artifact.RecipeConfig) (all []artifact.Name) {
	for _, alias := range slices.Sorted(maps.Keys(c.Deps)) {
		if n, err := artifact.ParseRecipeName(c.Deps[alias]); err == nil { // the config was checked
			all = append(all, n)
		}
	}
	return all
}

// pins are the contents that policy.lock names.
func (r *recipes) pins() (all []artifact.Name, err error) {
	for _, pin := range r.lock.Entries() {
		n, err := artifact.ParseRecipeName(pin.Ref)
		if err != nil {
			return nil, err
		}
		n.Digest = pin.Digest
		all = append(all, n)
	}
	return all, nil
}
