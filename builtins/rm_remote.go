package builtins

import (
	"context"
	"fmt"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// removeRemote removes one tag from its registry.
func (e *Env) removeRemote(ctx context.Context, typed string) (*Removal, error) {
	name, err := artifact.ParseName(typed, e.Settings.DefaultDomain)
	if err != nil {
		return nil, err
	}
	d, err := e.Remote.Resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := e.Remote.DeleteTag(ctx, name); err != nil {
		return nil, err
	}
	stepOf(ctx).changed(Delta{Subject: name.Tagged(), Where: InRegistry, Before: d.Digest.String()})
	return &Removal{Ref: name.Tagged(), Digest: ManifestDigest(d.Digest), Remote: true}, nil
}

// rmRepositories removes whole repositories from their registries, in one
// request where a registry has one for that, else tag by tag. Without force it
// looks what there is and fails with Usage, carrying the question.
func (e *Env) rmRepositories(ctx context.Context, args *RmArgs) (Removed, error) {
	var repositories []artifact.Name
	for _, r := range args.Refs {
		name, err := e.name(r)
		if err != nil {
			return nil, err
		}
		name.Tag, name.Digest = "", ""
		repositories = append(repositories, name)
	}
	tags, err := each(apart(ctx), e, repositories, func(ctx context.Context, repository artifact.Name) ([]artifact.Name, error) {
		return e.tagsOf(ctx, repository, true)
	})
	if !args.Force {
		if err == nil {
			err = askRepositories(repositories, tags)
		}
		return nil, err
	}
	found := map[artifact.Name][]artifact.Name{}
	var known []artifact.Name
	for _, list := range tags {
		if len(list) > 0 {
			repository := list[0]
			repository.Tag = ""
			found[repository] = list
		}
	}
	for _, repository := range repositories {
		if err == nil || found[repository] != nil {
			known = append(known, repository)
		}
	}
	removals, failed := each(ctx, e, known, func(ctx context.Context, repository artifact.Name) (removals, error) {
		removed, err := e.removeRepository(ctx, repository, found[repository])
		return removals{removed, err}, nil
	})
	var all Removed
	errs := []error{err, failed}
	for _, r := range removals {
		all = append(all, r.removed...)
		errs = append(errs, r.err)
	}
	return all, fault.Join(errs...)
}

// removals are those of one repository, of which some may have failed.
type removals struct {
	removed Removed
	err     error
}

func askRepositories(repositories []artifact.Name, tags [][]artifact.Name) error {
	var names, all []string
	for i, r := range repositories {
		count := fmt.Sprintf("its %d tags", len(tags[i]))
		switch len(tags[i]) {
		case 0:
			count = "no tags"
		case 1:
			count = "its tag " + tags[i][0].Tag
		}
		names = append(names, r.Familiar())
		all = append(all, fmt.Sprintf("%s with %s", r.Familiar(), count))
	}
	f := fault.New(fault.Usage, strings.Join(names, " "), "%s would be removed from the registry for good; nothing was removed", strings.Join(all, ", ")).
		WithHint("add -f (in a script: force = True) to remove without asking")
	f.Ask = &fault.Question{Text: fmt.Sprintf("Remove %s from the registry?", strings.Join(all, ", "))}
	return f
}

func (e *Env) removeRepository(ctx context.Context, repository artifact.Name, tags []artifact.Name) (Removed, error) {
	done, err := e.Remote.DeleteRepository(ctx, repository)
	if err != nil {
		return nil, err
	}
	if !done && len(tags) == 0 {
		return nil, fault.New(fault.NotFound, repository.Familiar(), "it has no tags to remove").
			WithHint("see what is there: policy images --remote %s", repository.Registry)
	}
	if !done {
		return each(ctx, e, tagged(tags), e.removeRemote)
	}
	removed := Removed{}
	for _, tag := range tags {
		removed = append(removed, &Removal{Ref: tag.Tagged(), Remote: true})
		stepOf(ctx).changed(Delta{Subject: tag.Tagged(), Where: InRegistry})
	}
	if len(tags) == 0 {
		removed = append(removed, &Removal{Ref: repository.Familiar(), Remote: true})
		stepOf(ctx).changed(Delta{Subject: repository.Familiar(), Where: InRegistry})
	}
	return removed, nil
}
