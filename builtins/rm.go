package builtins

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// RmArgs are the arguments of [Rm].
type RmArgs struct {
	Refs   []Ref `arg:"" help:"Images to remove: references, or beginnings of local digests."`
	Force  bool  `short:"f" help:"Do not ask."`
	All    bool  `short:"a" help:"Remove every tag of the repository."`
	Remote bool  `short:"r" help:"Remove from the registry instead of the local store."`
}

// Answer takes the yes that Rm asked for.
func (args *RmArgs) Answer(string) { args.Force = true }

// Rm removes images from the local store, or from their registries. Removing one
// tag never removes another that names the same content. Without force it
// changes nothing: it fails with NotFound when none of the images is there, else
// with Usage, carrying the question to ask.
func Rm(ctx context.Context, e *Env, args *RmArgs) (Removed, error) {
	if args.Remote && args.All {
		return e.rmRepositories(ctx, args)
	}
	remove := e.removeLocal
	if args.Remote {
		remove = e.removeRemote
	}
	targets, absent, err := e.targets(ctx, args)
	switch {
	case errors.Is(err, fault.Usage), err != nil && !args.Force:
		return nil, err
	case !args.Force && len(targets) == 0:
		return nil, fault.Join(absent...)
	case !args.Force:
		return nil, args.ask(targets, absent)
	}
	removed, failed := each(ctx, e, targets, remove)
	return removed, fault.Join(append(absent, err, failed)...)
}

// ask is the question about names; it mentions what is not there anyway.
func (args *RmArgs) ask(names []string, absent []error) error {
	where := "the local store"
	if args.Remote {
		where = "the registry"
	}
	but := ""
	for _, err := range absent {
		but += fmt.Sprintf(" (%s is not there)", fault.Of(err).Subject)
	}
	f := fault.New(fault.Usage, strings.Join(names, " "), "would be removed from %s for good; nothing was removed%s", where, but).
		WithHint("add -f (in a script: force = True) to remove without asking")
	f.Ask = &fault.Question{Text: fmt.Sprintf("Remove %s from %s?%s", strings.Join(names, ", "), where, but)}
	return f
}

// targets are the exact names that the arguments mean: of entries in the store,
// or of images in registries. What is not there is apart from what went wrong.
func (e *Env) targets(ctx context.Context, args *RmArgs) (all []string, absent []error, err error) {
	var errs []error
	for _, r := range args.Refs {
		names, err := e.target(ctx, r, args)
		all = append(all, names...)
		if err = fault.In("", r.String(), err); errors.Is(err, fault.NotFound) {
			absent = append(absent, err)
		} else {
			errs = append(errs, err)
		}
	}
	return all, absent, fault.Join(errs...)
}

func (e *Env) target(ctx context.Context, r Ref, args *RmArgs) ([]string, error) {
	if !args.Remote && !args.All {
		return e.localTargets(ctx, r, args.Force)
	}
	name, err := e.name(r)
	if err != nil {
		return nil, err
	}
	if !args.All {
		if !args.Force { // ask about what is there
			_, err = e.Remote.Resolve(ctx, name)
		}
		if err != nil {
			return nil, err
		}
		return []string{name.String()}, nil
	}
	tags, err := e.tagsOf(ctx, name, false)
	var names []string
	for _, t := range tags {
		names = append(names, t.Tagged())
	}
	return names, err
}

// localTargets are the entries that r means: one, or with force all the names of
// a digest.
func (e *Env) localTargets(ctx context.Context, r Ref, force bool) ([]string, error) {
	entry, err := e.entry(ctx, r, prefixDigits)
	if errors.Is(err, fault.NotFound) {
		if name, nameErr := e.name(r); nameErr == nil && e.near(ctx, name) == "" { // who removes it will not pull it
			err = fault.Of(err).WithHint("see what there is: policy images")
		}
	}
	if err != nil {
		return nil, err
	}
	if name, err := e.name(r); err == nil && slices.Contains(tagged(spellings(r.text, name)), entry.Name) {
		return []string{entry.Name}, nil
	}
	same, err := e.Store.FindDigest(ctx, entry.Digest.String())
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range same {
		if s.Name != "" {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return nil, fault.New(fault.NotFound, r.text, "has no name that could be removed").
			WithHint("what no name leads to goes with policy store prune")
	}
	if len(names) > 1 && !force {
		return nil, fault.New(fault.Usage, r.text, "is the content of %s", strings.Join(names, ", ")).
			WithHint("remove one by its name, or all of them with -f")
	}
	return names, nil
}

func tagged(names []artifact.Name) []string {
	var all []string
	for _, n := range names {
		all = append(all, n.Tagged())
	}
	return all
}

// tagsOf are all the tags of a repository, local or remote.
func (e *Env) tagsOf(ctx context.Context, repository artifact.Name, remote bool) ([]artifact.Name, error) {
	var names []artifact.Name
	add := func(tag string) {
		n := repository
		n.Tag, n.Digest = tag, ""
		names = append(names, n)
	}
	if remote {
		err := e.Remote.Tags(ctx, repository.Registry, repository.Repository, func(page []string) error {
			for _, tag := range page {
				add(tag)
			}
			return nil
		})
		return names, err
	}
	entries, err := e.Store.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if tag, ok := strings.CutPrefix(entry.Name, repository.Familiar()+":"); ok && !strings.Contains(tag, "/") {
			add(tag)
		}
	}
	if len(names) == 0 {
		return nil, fault.New(fault.NotFound, repository.Familiar(), "no image of this repository is in the local store").
			WithHint("see what there is: policy images")
	}
	return names, nil
}

func (e *Env) removeLocal(ctx context.Context, name string) (*Removal, error) {
	removed, err := e.Store.Remove(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(removed.Entries) == 0 {
		return nil, errors.New("the store removed nothing")
	}
	gone := removed.Entries[0]
	stepOf(ctx).changed(Delta{Subject: gone.Name, Where: InStore, Before: gone.Digest.String()})
	return &Removal{Ref: gone.Name, Digest: ManifestDigest(gone.Digest), BytesFreed: removed.BytesFreed}, nil
}
