package main

import (
	"context"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/cmd/internal/config"
)

type recipeLs struct {
	output
	Where string `arg:"" optional:"" complete:"repository" help:"Registry, organisation or repository: ghcr.io/acme. Without a host, the default domain's."`
	All   bool   `help:"List every version, not only the latest."`
}

func (*recipeLs) Help() string {
	return `The latest version is the highest semantic version among the tags, releases before
candidates. What is no recipe is left out.

Example:

    policy recipe ls ghcr.io/acme
    policy recipe ls ghcr.io/acme/gates --all`
}

func (c *recipeLs) run(ctx context.Context, a *app, flags *config.Flags) error {
	return a.onShelf(ctx, flags, c.output, c.list)
}

// listedRecipe is a recipe in a registry.
type listedRecipe struct {
	Ref         string          `json:"ref"`
	Name        string          `json:"name"`
	Version     string          `json:"version"`
	Description string          `json:"description"`
	Needs       []string        `json:"needs"`
	Digest      artifact.Digest `json:"digest"`
}

func (c *recipeLs) list(ctx context.Context, s *session, r *recipes) (any, error) {
	found, err := r.shelf.List(ctx, c.Where, c.All)
	all := []listedRecipe{}
	for _, recipe := range found {
		all = append(all, listedRecipe{
			Ref: recipe.Ref, Name: recipe.Config.Name, Version: recipe.Config.Version, Description: recipe.Config.Description,
			Needs: listed(needTexts(recipe.Config.Needs)), Digest: recipe.Digest,
		})
	}
	if len(all) == 0 && err == nil {
		s.say("no recipes there")
	}
	return all, err
}
