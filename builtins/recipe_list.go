package builtins

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// List finds the recipes that a registry has below a host, an organisation or a
// repository: of each repository the latest version, or with all of them every one.
// What is no recipe is left out. Their files are not fetched. It fails like [List].
func (r *Recipes) List(ctx context.Context, below string, all bool) ([]*Recipe, error) {
	e := r.env
	host, path, err := (&ListArgs{Prefix: strings.TrimPrefix(below, artifact.RecipeScheme), Remote: true}).scope(e)
	if err != nil {
		return nil, err
	}
	var repositories []artifact.Name
	err = e.Remote.Repositories(ctx, host, path, func(page []string) error {
		for _, repository := range page {
			if within(host+"/"+repository, host, path) {
				repositories = append(repositories, artifact.Name{Registry: host, Repository: repository})
			}
		}
		e.Events.send(Event{State: Counting, Subject: host, Done: int64(len(repositories))})
		return nil
	})
	if err != nil {
		return r.unlisted(ctx, artifact.Name{Registry: host, Repository: path}, all, err)
	}
	slices.SortFunc(repositories, func(a, b artifact.Name) int { return strings.Compare(a.Repository, b.Repository) })
	repositories = slices.Compact(repositories)
	found, err := eachOf(ctx, e.Settings.atOnce(host), repositories, func(ctx context.Context, repository artifact.Name) ([]*Recipe, error) {
		return r.versions(ctx, repository, all)
	})
	return slices.Concat(found...), err
}

// unlisted is for a registry that does not list its repositories: one that is named
// can be asked for its tags.
func (r *Recipes) unlisted(ctx context.Context, repository artifact.Name, all bool, why error) ([]*Recipe, error) {
	if strings.Contains(repository.Repository, "/") {
		if found, err := r.versions(ctx, repository, all); err != nil || len(found) > 0 {
			return found, err
		}
	}
	f := *fault.Of(fault.In("", repository.Registry, why))
	if f.Kind == fault.Usage {
		f.Hint = "name a repository: policy recipe ls " + repository.Registry + "/ORG/NAME"
	}
	return nil, &f
}

// versions are the recipes in a repository, the latest first.
func (r *Recipes) versions(ctx context.Context, repository artifact.Name, all bool) ([]*Recipe, error) {
	names, err := r.env.tagsOf(ctx, repository, true)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return nil, err
	}
	slices.SortFunc(names, func(a, b artifact.Name) int { return laterTag(a.Tag, b.Tag) })
	var found []*Recipe
	for _, n := range names {
		recipe, err := r.about(ctx, n)
		switch {
		case errors.Is(err, fault.Invalid), errors.Is(err, fault.NotFound): // something else, or gone meanwhile
		case err != nil:
			return found, fault.In("", n.Tagged(), err)
		default:
			found = append(found, recipe)
		}
		if !all {
			break
		}
	}
	return found, nil
}

// laterTag sorts versions before tags that are none, releases before candidates,
// and the latest first.
func laterTag(a, b string) int {
	va, vb := "v"+strings.TrimPrefix(a, "v"), "v"+strings.TrimPrefix(b, "v")
	rank := func(v string) int {
		switch {
		case !semver.IsValid(v):
			return 2
		case semver.Prerelease(v) != "":
			return 1
		}
		return 0
	}
	if c := cmp.Compare(rank(va), rank(vb)); c != 0 {
		return c
	}
	precision := func(v string) int { return strings.Count(v, ".") } // v1.2.0 says more than v1
	return cmp.Or(semver.Compare(vb, va), cmp.Compare(precision(vb), precision(va)), strings.Compare(a, b))
}

// about is a recipe without its files.
func (r *Recipes) about(ctx context.Context, n artifact.Name) (*Recipe, error) {
	tx, err := r.cache.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Close()
	d, raw, err := r.env.Remote.Pull(ctx, n, &configSink{sink{tx: tx}}, isRecipe)
	if err != nil {
		return nil, err
	}
	recipe, _, err := withoutFiles(ctx, r.cache, d.Digest, raw)
	if err != nil {
		return nil, err
	}
	recipe.Ref = RecipeRef(n)
	return recipe, nil
}

// configSink takes what a recipe says of itself, and not its files.
type configSink struct{ sink }

func (s *configSink) Has(ctx context.Context, d artifact.Descriptor) bool {
	return d.MediaType != artifact.MediaTypeRecipeConfig || s.sink.Has(ctx, d)
}
