package main

import (
	"context"
	"slices"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/lockfile"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/runtime/fault"
)

type recipeRm struct {
	output
	Recipe string `arg:"" complete:"pinned" help:"Recipe to forget: @alias, or its reference in policy.lock."`
}

func (*recipeRm) Help() string {
	return `Its line is taken out of policy.lock, and its alias out of policy.toml. Files that
still load it are named; they fail until they stop, or it is added again.

Example:

    policy recipe rm @acme`
}

func (c *recipeRm) run(ctx context.Context, a *app, flags *config.Flags) error {
	return a.onShelf(ctx, flags, c.output, c.rm)
}

// forgotten is the answer of recipe rm.
type forgotten struct {
	Ref      string   `json:"ref"`
	Aliases  []string `json:"aliases"`
	Unpinned bool     `json:"unpinned"`  // there was a line in policy.lock
	LoadedBy []string `json:"loaded_by"` // files of the project that still load it
}

func (f *forgotten) text() string { return f.Ref }

func (c *recipeRm) rm(_ context.Context, s *session, r *recipes) (any, error) {
	n, err := r.nameOf(c.Recipe)
	if err != nil {
		return nil, err
	}
	gone := &forgotten{Ref: lockKey(n), Aliases: []string{}, LoadedBy: []string{}}
	all, err := allSources(r.project.Root)
	if err != nil {
		return nil, err
	}
	loads := all.loads()
	names := r.namesOf(gone.Ref)
	for _, name := range names {
		gone.LoadedBy = append(gone.LoadedBy, loads[name]...)
	}
	slices.Sort(gone.LoadedBy)
	gone.LoadedBy = slices.Compact(gone.LoadedBy)
	for _, name := range names {
		alias, isAlias := strings.CutPrefix(name, "@")
		if !isAlias {
			continue
		}
		if err := r.project.RemoveRecipe(alias); err != nil {
			return nil, err
		}
		gone.Aliases = append(gone.Aliases, alias)
	}
	if err := r.project.ChangeLock(func(l *lockfile.Lock) { gone.Unpinned = l.Remove(gone.Ref) }); err != nil {
		return nil, err
	}
	if !gone.Unpinned && len(gone.Aliases) == 0 {
		return nil, r.notPinned(gone.Ref)
	}
	if len(gone.LoadedBy) > 0 {
		s.say("still loaded by %s", strings.Join(gone.LoadedBy, ", "))
	}
	return gone, nil
}

// namesOf are what files of the project can call a recipe of policy.lock: its
// reference, however it is written, and aliases.
func (r *recipes) namesOf(ref string) []string {
	names := []string{ref}
	for alias, of := range r.project.Recipes {
		if n, err := artifact.ParseRecipeName(of); err == nil && lockKey(n) == ref {
			names = append(names, "@"+alias)
		}
	}
	slices.Sort(names)
	return names
}

// notPinned is the fault for a recipe that the project does not have.
func (r *recipes) notPinned(ref string) error {
	f := fault.New(fault.NotFound, ref, "not pinned in %s", lockfile.Name)
	var known []string
	for _, pin := range r.lock.Entries() {
		known = append(known, pin.Ref)
	}
	switch near := fault.Nearest(ref, known); {
	case near != "":
		return f.WithHint("did you mean %s?", near)
	case len(known) > 0:
		return f.WithHint("pinned are %s", strings.Join(known, ", "))
	}
	return f.WithHint("policy recipe add %s", ref)
}
