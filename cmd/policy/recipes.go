package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/lockfile"
	"github.com/policyhost/policy/cmd/internal/project"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

// pinning says what becomes of a recipe that policy.lock does not pin.
type pinning int

const (
	pinNew   pinning = iota // it is pinned, if it needs nothing, and the line is shown
	pinNone                 // it is refused, with the line to add
	pinKnown                // it is refused, and nothing is asked
)

// recipes opens what the load statements of a project name: content by digest,
// which policy.lock says, or the recipe that loads it.
type recipes struct {
	*app
	project *project.Project
	pinning pinning
	connect connect
	offline bool // only what is here already

	once  sync.Once
	shelf *builtins.Recipes
	lock  *lockfile.Lock
	err   error

	mu    sync.Mutex
	used  map[string]*usedRecipe // by the ID of its package
	named map[string]string      // by what traces show, the ID
	added []lockfile.Entry
	main  *usedRecipe // when a file of a recipe is run itself

	denied artifact.Needs // to every recipe, in this run
}

// connect gives the Env that recipes of a project are fetched with, when one is
// needed.
type connect func(context.Context, *project.Project) (*builtins.Env, error)

// usedRecipe is a recipe that a project loads from, itself or through another.
type usedRecipe struct {
	*builtins.Recipe
	Granted artifact.Needs
	loader  *usedRecipe // the recipe that loads it; nil: the project does
	ask     string      // what to type before a need to grant it
}

// recipesOf are those of the project in which a pipeline lies.
func (a *app) recipesOf(source runtime.Source, p pinning, connect connect) (*recipes, error) {
	of, err := projectOf(source)
	if err != nil {
		return nil, err
	}
	return &recipes{app: a, project: of, pinning: p, connect: connect, used: map[string]*usedRecipe{}, named: map[string]string{}}, nil
}

// begin opens the shelf and the lock, when the first recipe is asked for.
func (r *recipes) begin(ctx context.Context) error {
	r.once.Do(func() {
		if r.lock, r.err = r.project.Lock(); r.err != nil {
			return
		}
		var env *builtins.Env
		if env, r.err = r.connect(ctx, r.project); r.err == nil {
			r.shelf = env.Recipes(r.project.Vendor())
			r.shelf.Offline = r.offline
		}
	})
	return r.err
}

// Package opens what a load statement names: it is runtime.Host's.
func (r *recipes) Package(ctx context.Context, from runtime.Module, name string) (*runtime.Package, error) {
	if err := r.begin(ctx); err != nil {
		return nil, err
	}
	if from.Recipe != "" {
		return r.dependency(ctx, from.Recipe, name)
	}
	n, err := r.nameOf(name)
	if err != nil {
		return nil, err
	}
	u, err := r.pinned(ctx, n)
	if err != nil {
		return nil, err
	}
	return r.offer(u), nil
}

// reference is what a name in a file of the project stands for.
func (r *recipes) reference(name string) (string, error) {
	alias, isAlias := strings.CutPrefix(name, "@")
	if !isAlias {
		return name, nil
	}
	if ref, ok := r.project.Recipes[alias]; ok {
		return ref, nil
	}
	f := fault.New(fault.NotFound, name, "no recipe has this alias in %s", project.Name)
	if near := fault.Nearest(alias, slices.Sorted(maps.Keys(r.project.Recipes))); near != "" {
		return "", f.WithHint("did you mean @%s?", near)
	}
	return "", f.WithHint("give it one: policy recipe add oci://HOST/ORG/NAME:TAG --alias %s", alias)
}

// nameOf is the recipe that a name stands for: an alias, or a reference.
func (r *recipes) nameOf(name string) (artifact.Name, error) {
	ref, err := r.reference(name)
	if err != nil {
		return artifact.Name{}, err
	}
	return artifact.ParseRecipeName(ref)
}

// pinned opens a recipe that the project itself names.
func (r *recipes) pinned(ctx context.Context, n artifact.Name) (*usedRecipe, error) {
	key := lockKey(n)
	pin, found := r.lock.Find(key)
	if !found {
		return r.unpinned(ctx, n, key)
	}
	n.Digest = pin.Digest
	recipe, err := r.shelf.Open(ctx, n)
	switch {
	case errors.Is(err, fault.NotFound) && !r.offline:
		return nil, fault.Of(err).WithHint("nobody has that content any more; pin what the tag is now: policy recipe update %s", key)
	case err != nil:
		return nil, err
	case pin.Size > 0 && pin.Size != recipe.Size:
		return nil, fault.New(fault.Invalid, key, "its line in %s says %d bytes, and its content has %d", lockfile.Name, pin.Size, recipe.Size).
			WithHint("somebody edited the line: take it from a branch that has the right one, or policy recipe rm and add")
	}
	return &usedRecipe{Recipe: recipe, Granted: pin.Needs, ask: addTo(key)}, nil
}

// addTo is what to type to grant more to a recipe that is pinned.
func addTo(key string) string { return "policy recipe add " + key + " --grant" }

// lockKey is what policy.lock calls a recipe: a digest that was typed belongs to it.
func lockKey(n artifact.Name) string {
	if n.Digest != "" {
		return artifact.RecipeScheme + n.String()
	}
	return builtins.RecipeRef(n)
}

// unpinned is a recipe that the lock does not know.
func (r *recipes) unpinned(ctx context.Context, n artifact.Name, key string) (*usedRecipe, error) {
	f := fault.New(fault.Invalid, key, "not pinned in %s", lockfile.Name).WithHint("policy recipe add %s", key)
	if r.pinning == pinKnown {
		return nil, f
	}
	recipe, pin, err := r.resolve(ctx, n)
	if err != nil {
		return nil, err
	}
	needs := recipe.Config.Needs
	switch {
	case r.pinning == pinNone:
		return nil, f.WithHint("policy recipe add %s, or add the line: %s", key, pin)
	case !needs.IsZero():
		return nil, fault.New(fault.Denied, key, "it needs %s", strings.Join(needTexts(needs), ", ")).
			WithHint("if that shall be granted: policy recipe add %s", key)
	}
	r.mu.Lock()
	r.added = append(r.added, pin)
	r.mu.Unlock()
	return &usedRecipe{Recipe: recipe, ask: addTo(key)}, nil
}

// resolve asks which recipe a name stands for now, and gives its line of the lock,
// granting all that it needs.
func (r *recipes) resolve(ctx context.Context, n artifact.Name) (*builtins.Recipe, lockfile.Entry, error) {
	key := lockKey(n)
	var err error
	if n.Digest, err = r.shelf.Resolve(ctx, n); err != nil {
		return nil, lockfile.Entry{}, err
	}
	recipe, err := r.shelf.Open(ctx, n)
	if err != nil {
		return nil, lockfile.Entry{}, err
	}
	if err := project.Satisfies(version(), recipe.Config.MinPolicy); err != nil {
		return nil, lockfile.Entry{}, fault.In("", key, err)
	}
	return recipe, lockfile.Entry{Ref: key, Digest: n.Digest, Size: recipe.Size, Needs: recipe.Config.Needs}, nil
}

func needTexts(needs artifact.Needs) (all []string) {
	for need := range needs.All() {
		all = append(all, need.String())
	}
	return all
}

// dependency opens what a recipe loads: the digest is in its config.
func (r *recipes) dependency(ctx context.Context, from, name string) (*runtime.Package, error) {
	r.mu.Lock()
	loader := r.used[from]
	r.mu.Unlock()
	ref, ok := loader.Config.Deps[strings.TrimPrefix(name, "@")]
	if !ok {
		return nil, fault.New(fault.Invalid, name, "%s does not say what it is: it is no dependency of it", loader.Ref).
			WithHint("its author has to publish it anew")
	}
	n, err := artifact.ParseRecipeName(ref)
	if err != nil {
		return nil, err
	}
	recipe, err := r.shelf.Open(ctx, n)
	if err != nil {
		return nil, err
	}
	return r.offer(&usedRecipe{Recipe: recipe, loader: loader, ask: loader.ask}), nil
}

// offer is the package of a recipe. A recipe that several load is one for each
// that the project loads, and for each that may do something else.
func (r *recipes) offer(u *usedRecipe) *runtime.Package {
	id := u.Ref + "@" + u.Digest.String()
	if root := u.root(); root != u {
		id += " for " + root.Ref + "@" + root.Digest.String() + " asking " + u.asks().String()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used[id] = u
	name := u.Ref
	for n := 2; r.named[name] != "" && r.named[name] != id; n++ {
		name = fmt.Sprintf("%s@%.12s#%d", u.Ref, u.Digest.Encoded(), n)
	}
	r.named[name] = id
	return &runtime.Package{ID: id, Name: name, Files: u.Files}
}

// keep writes the pins that loading has added, and shows them.
func (r *recipes) keep() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.added) == 0 {
		return nil
	}
	err := r.project.ChangeLock(func(l *lockfile.Lock) {
		for _, pin := range r.added {
			l.Set(pin)
		}
	})
	if err != nil {
		return err
	}
	for _, pin := range r.added {
		r.say("%s: + %s", lockfile.Name, pin)
	}
	r.added = nil
	return nil
}

// projects are the recipes of several projects: of the files that one command
// checks or tests.
type projects struct {
	*session

	mu     sync.Mutex
	byRoot map[string]*recipes
}

func (s *session) projects() *projects {
	p := &projects{session: s, byRoot: map[string]*recipes{}}
	if s.unpacked != nil {
		p.byRoot[s.unpacked.project.Root] = s.unpacked
	}
	return p
}

// of gives those of the project that a pipeline lies in. None is pinned by them.
func (p *projects) of(source runtime.Source) (*recipes, error) {
	r, err := p.recipesOf(source, pinKnown, func(context.Context, *project.Project) (*builtins.Env, error) { return p.env, nil })
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.byRoot[r.project.Root]; known != nil {
		return known, nil
	}
	p.byRoot[r.project.Root] = r
	return r, nil
}
