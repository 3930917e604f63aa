package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/lockfile"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/runtime/fault"
)

type recipeVendor struct {
	output
	Check bool `help:"Change nothing, and fail if the folder is not what policy.lock says."`
}

func (*recipeVendor) Help() string {
	return `All that policy.lock pins, and all that it depends on, is put into vendor/recipes,
an OCI image layout; what is not needed any more is taken out. Runs read that
folder before they ask a registry: with it in the repository, a checkout runs
without a network.

Example:

    policy recipe vendor
    policy recipe vendor --check`
}

func (c *recipeVendor) run(ctx context.Context, a *app, flags *config.Flags) error {
	return a.onShelf(ctx, flags, c.output, c.vendor)
}

// vendored is the answer of recipe vendor.
type vendored struct {
	Folder  string   `json:"folder"`
	Recipes []string `json:"recipes"` // all that is needed, with digests
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
}

func (v *vendored) text() string {
	var b strings.Builder
	for _, ref := range v.Added {
		b.WriteString("+ " + ref + "\n")
	}
	for _, ref := range v.Removed {
		b.WriteString("- " + ref + "\n")
	}
	return b.String()
}

func (c *recipeVendor) vendor(ctx context.Context, s *session, r *recipes) (any, error) {
	pins, err := r.pins()
	if err != nil {
		return nil, err
	}
	all, err := r.closure(ctx, pins)
	if err != nil {
		return nil, err
	}
	work := r.shelf.Vendor
	if c.Check {
		work = r.shelf.VendorChanges
	}
	added, removed, err := work(ctx, all)
	if err != nil {
		return nil, err
	}
	v := &vendored{Folder: r.project.Vendor(), Recipes: contents(all), Added: contents(added), Removed: []string{}}
	if wd, err := filepath.Abs("."); err == nil {
		if rel, err := filepath.Rel(wd, v.Folder); err == nil {
			v.Folder = rel
		}
	}
	for _, name := range removed {
		v.Removed = append(v.Removed, artifact.RecipeScheme+name)
	}
	if c.Check && len(added)+len(removed) > 0 {
		return v, fault.New(fault.Rejected, v.Folder, "not what %s says: %d to add, %d to remove", lockfile.Name, len(added), len(removed)).
			WithHint("policy recipe vendor")
	}
	if len(all) > 0 {
		s.say("%s has all that is pinned", v.Folder)
	} else {
		s.say("%s pins nothing", lockfile.Name)
	}
	return v, nil
}

// contents are recipes with their digests.
func contents(all []*builtins.Recipe) []string {
	refs := []string{}
	for _, recipe := range all {
		refs = append(refs, recipe.Content())
	}
	slices.Sort(refs)
	return refs
}
