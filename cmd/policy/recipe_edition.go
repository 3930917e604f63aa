package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/cmd/internal/project"
	"github.com/policyhost/policy/runtime/fault"
)

// edition is a recipe as it is at one time: published, or a folder that may be.
type edition struct {
	ref    string // as a person would type it
	digest artifact.Digest
	config artifact.RecipeConfig
	files  map[string][]byte // by path
}

// edition opens what a word names: an @alias what policy.lock pins, a reference
// what its registry has now, and anything else is a folder.
func (r *recipes) edition(ctx context.Context, word string) (*edition, error) {
	if isFolder(word) {
		return r.folderEdition(ctx, word)
	}
	if strings.HasPrefix(word, "@") {
		return r.pinnedEdition(ctx, word)
	}
	n, err := r.nameOf(word)
	if err != nil {
		return nil, err
	}
	return r.editionNow(ctx, n)
}

// pinnedEdition is what policy.lock pins under a name, else what its registry has.
func (r *recipes) pinnedEdition(ctx context.Context, word string) (*edition, error) {
	n, err := r.nameOf(word)
	if err != nil {
		return nil, err
	}
	if pin, found := r.lock.Find(lockKey(n)); found {
		n.Digest = pin.Digest
	}
	return r.editionNow(ctx, n)
}

// editionNow is what a name stands for in its registry; with a digest that.
func (r *recipes) editionNow(ctx context.Context, n artifact.Name) (_ *edition, err error) {
	if n.Digest, err = r.shelf.Resolve(ctx, n); err != nil {
		return nil, err
	}
	recipe, err := r.shelf.Open(ctx, n)
	if err != nil {
		return nil, err
	}
	return editionOf(recipe)
}

// isFolder tells a folder with a recipe from what names one in a registry.
func isFolder(word string) bool {
	if strings.HasPrefix(word, "@") || strings.HasPrefix(word, artifact.RecipeScheme) {
		return false
	}
	info, err := os.Stat(word)
	return err == nil && info.IsDir() || filepath.IsAbs(word) || strings.HasPrefix(word, ".")
}

func editionOf(recipe *builtins.Recipe) (*edition, error) {
	e := &edition{ref: recipe.Ref, digest: recipe.Digest, config: recipe.Config, files: map[string][]byte{}}
	err := fs.WalkDir(recipe.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		e.files[name], err = fs.ReadFile(recipe.Files, name)
		return err
	})
	return e, err
}

func (r *recipes) folderEdition(ctx context.Context, folder string) (*edition, error) {
	of, err := recipeIn(folder)
	if err != nil {
		return nil, err
	}
	e := &edition{ref: folder}
	e.config, e.files, err = described(ctx, of, r.shelf)
	return e, err
}

// recipeIn is the project in a folder that is a recipe.
func recipeIn(folder string) (*project.Project, error) {
	of, err := loadProject(folder)
	if err != nil {
		return nil, err
	}
	if here, err := filepath.Abs(folder); err != nil || of.Recipe == nil || here != of.Root {
		return nil, fault.New(fault.Usage, folder, "no recipe: its %s has no [recipe]", project.Name).
			WithHint("policy recipe new %s", folder)
	}
	return of, nil
}

// described is what the recipe in a folder says of itself, and its files by path.
func described(ctx context.Context, of *project.Project, shelf *builtins.Recipes) (artifact.RecipeConfig, map[string][]byte, error) {
	files, err := recipeFiles(of.Root)
	if err != nil {
		return artifact.RecipeConfig{}, nil, err
	}
	c := artifact.RecipeConfig{
		Name: of.Recipe.Name, Version: of.Recipe.Version, Description: of.Recipe.Description, Source: of.Recipe.Source,
		Licenses: of.Recipe.Licenses, MinPolicy: of.Requires, Needs: of.Recipe.Needs, Exports: exportsOf(files),
	}
	c.Deps, err = dependenciesOf(ctx, of, shelf, files)
	return c, files, err
}
