package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/lockfile"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/runtime/fault"
)

type recipeUpdate struct {
	output
	Recipes []string `arg:"" optional:"" name:"recipe" complete:"pinned" help:"Recipes to update: @alias or reference; all that policy.lock has without any."`
	Yes     bool     `short:"y" help:"Write policy.lock without asking."`
	DryRun  bool     `name:"dry-run" help:"Show what would change, and write nothing."`
	Check   bool     `help:"Write nothing, and fail when a tag has moved."`
	Diff    bool     `help:"Show the lines of the files that changed, too."`
}

func (*recipeUpdate) Help() string {
	return `Each tag is resolved anew. Of those that moved it shows version, changed signatures,
needs, files and the new part of the changelog, then asks before policy.lock is
written. What was granted stays granted as far as it is still needed; what is
needed anew is not granted by that, but by

    policy recipe add @acme --grant needs

Example:

    policy recipe update
    policy recipe update @acme --diff --dry-run`
}

// Answer takes the answer to the question whether to write.
func (c *recipeUpdate) Answer(string) { c.Yes = true }

func (c *recipeUpdate) run(ctx context.Context, a *app, flags *config.Flags) error {
	return a.onShelf(ctx, flags, c.output, func(ctx context.Context, s *session, r *recipes) (any, error) {
		moved, err := c.moved(ctx, s, r)
		if len(moved) == 0 {
			if err == nil {
				s.say("%s is up to date", lockfile.Name)
			}
			return recipeChanges{}, err
		}
		all := recipeChanges{}
		for _, m := range moved {
			all = append(all, m.change)
		}
		if err := s.answer(c.shownAs(all), nil); err != nil { // what the question is about
			return nil, err
		}
		return nil, fault.Join(err, c.write(s, r, moved))
	})
}

// movedRecipe is a recipe whose tag stands for something else than its pin.
type movedRecipe struct {
	pin    lockfile.Entry // the new one
	change *recipeChange
}

// moved asks the registries for all that shall be updated, several at once.
func (c *recipeUpdate) moved(ctx context.Context, s *session, r *recipes) ([]*movedRecipe, error) {
	pins, err := c.pins(s, r)
	if err != nil {
		return nil, err
	}
	found, faults := make([]*movedRecipe, len(pins)), make([]error, len(pins))
	var g errgroup.Group
	g.SetLimit(16)
	for i, pin := range pins {
		g.Go(func() error {
			defer fault.Recover("", &faults[i])
			found[i], faults[i] = c.look(ctx, r, pin)
			return nil
		})
	}
	_ = g.Wait()
	var moved []*movedRecipe
	for _, m := range found {
		if m != nil {
			moved = append(moved, m)
		}
	}
	return moved, fault.Join(faults...)
}

// pins are the lines of policy.lock that are meant.
func (c *recipeUpdate) pins(s *session, r *recipes) ([]lockfile.Entry, error) {
	if len(c.Recipes) == 0 {
		return r.lock.Entries(), nil
	}
	var pins []lockfile.Entry
	for _, word := range c.Recipes {
		n, err := r.nameOf(word)
		if err != nil {
			return nil, err
		}
		pin, found := r.lock.Find(lockKey(n))
		if !found {
			return nil, r.notPinned(lockKey(n))
		}
		if n.Digest != "" {
			s.say("%s has a digest: it stays what it is", pin.Ref)
		}
		pins = append(pins, pin)
	}
	return pins, nil
}

// look compares a pin with what its tag stands for now. It is nil when that is the
// same.
func (c *recipeUpdate) look(ctx context.Context, r *recipes, pin lockfile.Entry) (*movedRecipe, error) {
	n, err := artifact.ParseRecipeName(pin.Ref)
	if err != nil || n.Digest != "" {
		return nil, err
	}
	digest, err := r.shelf.Resolve(ctx, n)
	if err != nil {
		return nil, fault.In("", pin.Ref, err)
	}
	if digest == pin.Digest {
		return nil, nil //nolint:nilnil // it did not move
	}
	n.Digest = digest // the tag may have moved on by now
	recipe, fresh, err := r.resolve(ctx, n)
	if err != nil {
		return nil, err
	}
	fresh.Ref = pin.Ref
	after, err := editionOf(recipe)
	if err != nil {
		return nil, err
	}
	if _, err := r.closure(ctx, []artifact.Name{n}); err != nil { // what it depends on is part of it
		return nil, err
	}
	n.Digest = pin.Digest
	before := &edition{ref: pin.Ref, digest: pin.Digest}
	if old, err := r.shelf.Open(ctx, n); err == nil {
		if before, err = editionOf(old); err != nil {
			return nil, err
		}
	} else if !errors.Is(err, fault.NotFound) {
		return nil, err
	}
	fresh.Needs = keptGrants(pin.Needs, before.config.Needs, after.config.Needs)
	m := &movedRecipe{pin: fresh, change: compare(before, after)}
	m.change.diffs = c.Diff
	m.change.NotGranted = listed(needTexts(after.config.Needs.Without(fresh.Needs)))
	for _, name := range r.namesOf(pin.Ref) {
		if strings.HasPrefix(name, "@") {
			m.change.Aliases = append(m.change.Aliases, name)
		}
	}
	return m, nil
}

// keptGrants are the grants that stay: all but what only the needs of before were
// the reason for.
func keptGrants(granted, before, after artifact.Needs) artifact.Needs {
	var kept artifact.Needs
	for need := range granted.All() {
		var one artifact.Needs
		_ = one.Add(need) // it was granted, so it is sound
		used := after.Within(one)
		switch {
		case after.Allows(need), before.Within(one).IsZero() && !before.Allows(need), !before.Allows(need) && !used.IsZero():
			_ = kept.Add(need)
		default:
			for still := range used.All() {
				_ = kept.Add(still)
			}
		}
	}
	return kept
}

// write puts the new pins into policy.lock, once the person there wants it.
func (c *recipeUpdate) write(s *session, r *recipes, moved []*movedRecipe) error {
	what := fmt.Sprintf("%d recipes have moved", len(moved))
	if len(moved) == 1 {
		what = moved[0].pin.Ref + " has moved"
	}
	switch {
	case c.Check:
		return fault.New(fault.Rejected, "", "%s", what).WithHint("policy recipe update")
	case c.DryRun:
		return nil
	case !c.Yes:
		asked := fault.New(fault.Usage, "", "%s, and nobody says that it shall be taken", what).WithHint("policy recipe update --yes")
		asked.Ask = &fault.Question{Text: "Write this into " + lockfile.Name + "?"}
		answered, err := s.ask(s.ctx, asked, c)
		if err != nil {
			return err
		}
		if !answered {
			return asked
		}
	}
	err := r.project.ChangeLock(func(l *lockfile.Lock) {
		for _, m := range moved {
			l.Set(m.pin)
		}
	})
	if err != nil {
		return err
	}
	for _, m := range moved {
		s.say("%s: ~ %s", lockfile.Name, m.pin)
		r.remindVendor(s.ctx, m.pin)
		if len(m.change.NotGranted) > 0 {
			name := m.pin.Ref
			if len(m.change.Aliases) > 0 {
				name = m.change.Aliases[0]
			}
			s.say("it needs %s, which is not granted; if that shall be: policy recipe add %s --grant needs", strings.Join(m.change.NotGranted, ", "), name)
		}
	}
	return nil
}
