package main

import (
	"context"
	"maps"
	"slices"

	"github.com/policyhost/policy/cmd/internal/complete"
)

// pinned offers the recipes of the project: aliases of policy.toml and references
// of policy.lock.
func (c *completer) pinned(context.Context, complete.Place, string) (a complete.Answer) {
	p, err := loadProject(".")
	if err != nil {
		return a
	}
	for _, alias := range slices.Sorted(maps.Keys(p.Recipes)) {
		a.Candidates = append(a.Candidates, complete.Candidate{Word: "@" + alias, About: p.Recipes[alias]})
	}
	lock, err := p.Lock()
	if err != nil {
		return a
	}
	for _, pin := range lock.Entries() {
		a.Candidates = append(a.Candidates, complete.Candidate{Word: pin.Ref, About: pin.Digest.String()})
	}
	return a
}
