package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/runtime/fault"
)

type recipeTree struct {
	output
	File string `arg:"" optional:"" complete:"pipeline" help:"Pipeline whose recipes to show; those of the whole project without it."`
}

func (*recipeTree) Help() string {
	return `Each recipe is shown with its content's digest, where that is read from (vendored,
cached, or from its registry), the files that load it, and below it what it
depends on. What is not pinned is said.

Example:

    policy recipe tree
    policy recipe tree release.star --output json`
}

func (c *recipeTree) run(ctx context.Context, a *app, flags *config.Flags) error {
	return a.onShelfOf(ctx, flags, c.output, c.File, func(ctx context.Context, s *session, r *recipes) (any, error) {
		nodes, _, err := r.tree(ctx, c.File)
		if err == nil && len(nodes) == 0 {
			s.say("no recipe is loaded, and none pinned")
		}
		return nodes, err
	})
}

// recipeNodes are the recipes that files of a project load.
type recipeNodes []*recipeNode

// recipeNode is a recipe, and below it what it depends on.
type recipeNode struct {
	Name     string          `json:"name"` // as it is loaded: "@acme", "oci://ghcr.io/acme/recipes:v1"
	Ref      string          `json:"ref"`
	Title    string          `json:"title"` // what it calls itself
	Version  string          `json:"version"`
	Digest   artifact.Digest `json:"digest"` // empty: not pinned
	Where    string          `json:"where"`
	LoadedBy []string        `json:"loaded_by"` // files of the project
	Granted  artifact.Needs  `json:"granted"`
	Needs    artifact.Needs  `json:"needs"`
	Problem  string          `json:"problem,omitempty"`
	Shown    bool            `json:"shown,omitempty"` // what it depends on is shown further above
	Uses     recipeNodes     `json:"uses"`
}

// tree gives the recipes that a pipeline loads, or all of the project and its lock
// when file is empty, and the files that were looked at. What cannot be opened is
// a node with a problem.
func (r *recipes) tree(ctx context.Context, file string) (recipeNodes, sources, error) {
	read := func() (sources, error) { return allSources(r.project.Root) }
	if file != "" {
		read = func() (sources, error) { return sourcesFrom(r.project.Root, file) }
	}
	files, err := read()
	if err != nil {
		return nil, nil, err
	}
	roots := r.roots(files, file == "")
	var names []artifact.Name
	for _, node := range roots {
		if n, err := artifact.ParseRecipeName(node.Ref); err == nil && node.Digest != "" {
			n.Digest = node.Digest
			names = append(names, n)
		}
	}
	_, _ = r.closure(ctx, names) // each node says itself what is wrong with it
	for _, node := range roots {
		if node.Problem == "" {
			r.fill(ctx, node, &usedRecipe{Granted: node.Granted}, map[string]bool{})
		}
	}
	return roots, files, context.Cause(ctx)
}

// roots are what files load, and with whole what else the project names; sorted.
func (r *recipes) roots(files sources, whole bool) recipeNodes {
	loads := files.loads()
	if whole {
		for alias := range r.project.Recipes {
			if _, loaded := loads["@"+alias]; !loaded {
				loads["@"+alias] = nil
			}
		}
	}
	byKey := map[string]*recipeNode{}
	for _, name := range slices.Sorted(maps.Keys(loads)) {
		ref, err := r.reference(name)
		var n artifact.Name
		if err == nil {
			n, err = artifact.ParseRecipeName(ref)
		}
		key := name
		if err == nil {
			key = lockKey(n)
		}
		node := byKey[key]
		if node == nil {
			node = &recipeNode{Name: name, Ref: key, LoadedBy: []string{}, Uses: recipeNodes{}}
			byKey[key] = node
		}
		node.LoadedBy = append(node.LoadedBy, loads[name]...)
		if err != nil {
			node.Problem = err.Error()
		}
	}
	for _, pin := range r.lock.Entries() {
		node := byKey[pin.Ref]
		if node == nil && whole {
			node = &recipeNode{Name: pin.Ref, Ref: pin.Ref, LoadedBy: []string{}, Uses: recipeNodes{}}
			byKey[pin.Ref] = node
		}
		if node != nil {
			node.Digest, node.Granted = pin.Digest, pin.Needs
		}
	}
	var all recipeNodes
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		node := byKey[key]
		slices.Sort(node.LoadedBy)
		node.LoadedBy = slices.Compact(node.LoadedBy)
		if node.Digest == "" && node.Problem == "" {
			node.Problem = "not pinned: policy recipe add " + node.Name
		}
		all = append(all, node)
	}
	return all
}

// fill opens the recipe of a node, and makes the nodes below it. Of is the recipe as
// a run would have it, but for its content: whose loader is.
func (r *recipes) fill(ctx context.Context, node *recipeNode, of *usedRecipe, seen map[string]bool) {
	n, err := artifact.ParseRecipeName(node.Ref)
	if err != nil {
		node.Problem = err.Error()
		return
	}
	n.Digest = node.Digest
	node.Where = r.shelf.Where(ctx, n.Digest)
	recipe, err := r.shelf.Open(ctx, n)
	if err != nil {
		node.Problem = innermost(err)
		return
	}
	node.Title, node.Version, node.Needs = recipe.Config.Name, recipe.Config.Version, recipe.Config.Needs
	of.Recipe = recipe
	node.Granted = of.grants()
	key := n.Digest.String() + " " + of.asks().String() // what it loads may do the same
	switch {
	case seen[key]:
		node.Shown = len(recipe.Config.Deps) > 0
		return
	case len(seen) >= maxClosure:
		node.Problem = "what it loads is not shown: there is too much"
		return
	}
	seen[key] = true
	for _, alias := range slices.Sorted(maps.Keys(recipe.Config.Deps)) {
		dep, err := artifact.ParseRecipeName(recipe.Config.Deps[alias])
		if err != nil {
			continue // the config was checked
		}
		name := alias
		if !strings.HasPrefix(alias, artifact.RecipeScheme) {
			name = "@" + alias
		}
		below := &recipeNode{Name: name, Digest: dep.Digest, LoadedBy: []string{}, Uses: recipeNodes{}}
		dep.Digest = ""
		below.Ref = artifact.RecipeScheme + dep.String()
		r.fill(ctx, below, &usedRecipe{loader: of}, seen)
		node.Uses = append(node.Uses, below)
	}
}

// innermost is what went wrong, without what it is about.
func innermost(err error) string {
	for f, ok := errors.AsType[*fault.Error](err); ok && f.Err != nil; f, ok = errors.AsType[*fault.Error](err) {
		err = f.Err
	}
	return err.Error()
}

// text draws the tree.
func (all recipeNodes) text() string {
	var b strings.Builder
	for _, node := range all {
		b.WriteString(node.line() + "\n")
		node.Uses.draw(&b, "")
	}
	return b.String()
}

func (all recipeNodes) draw(b *strings.Builder, indent string) {
	for i, node := range all {
		branch, further := "├─ ", "│  "
		if i == len(all)-1 {
			branch, further = "└─ ", "   "
		}
		b.WriteString(indent + branch + node.line() + "\n")
		node.Uses.draw(b, indent+further)
	}
}

func (node *recipeNode) line() string {
	parts := []string{node.Name}
	if node.Title != "" {
		parts = append(parts, node.Title+" "+node.Version)
	}
	if node.Name != node.Ref {
		parts = append(parts, node.Ref)
	}
	if node.Digest != "" {
		parts = append(parts, short(node.Digest), node.Where)
	}
	if len(node.LoadedBy) > 0 {
		parts = append(parts, "in "+strings.Join(node.LoadedBy, ", "))
	}
	if node.Shown {
		parts = append(parts, "(as above)")
	}
	if node.Problem != "" {
		parts = append(parts, "! "+node.Problem)
	}
	return strings.Join(parts, "  ")
}
