package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/runtime/fault"
)

type recipeAudit struct {
	output
	File   string `arg:"" optional:"" complete:"pipeline" help:"Pipeline to look at; the whole project without it."`
	Strict bool   `help:"Fail when something is granted that is not needed."`
}

func (*recipeAudit) Help() string {
	return `A table of what may touch what: the files of the project everything, a recipe what
policy.lock grants it, what it depends on no more than that. What a recipe needs
and was not granted, and what it was granted and does not need, have columns of
their own. Images and secrets that are passed to a recipe are not in the table.

Example:

    policy recipe audit release.star
    policy recipe audit --strict --output json`
}

func (c *recipeAudit) run(ctx context.Context, a *app, flags *config.Flags) error {
	return a.onShelfOf(ctx, flags, c.output, c.File, c.audit)
}

// audited is what some modules may touch.
type audited struct {
	Module   string   `json:"module"` // those of the project: "the project", or of a recipe: its reference
	Version  string   `json:"version"`
	Through  string   `json:"through"`   // the recipe that loads it, when the project does not
	LoadedBy []string `json:"loaded_by"` // files of the project; those that are meant, for the project itself
	Read     []string `json:"read"`
	Write    []string `json:"write"`
	Delete   []string `json:"delete"`
	Files    []string `json:"files"`
	Env      []string `json:"env"`
	Lacks    []string `json:"not_granted"` // and needed
	Extra    []string `json:"not_needed"`  // and granted
	Problem  string   `json:"problem,omitempty"`
}

func (c *recipeAudit) audit(ctx context.Context, _ *session, r *recipes) (any, error) {
	nodes, files, err := r.tree(ctx, c.File)
	if err != nil {
		return nil, err
	}
	everything := []string{"*"}
	all := []audited{{
		Module: "the project", LoadedBy: files.names(),
		Read: everything, Write: everything, Delete: everything, Files: []string{".:rw"}, Env: everything, Lacks: []string{}, Extra: []string{},
	}}
	var extra []string
	for _, node := range nodes {
		all = append(all, node.audit("")...)
		for need := range node.Granted.Without(node.Needs).All() {
			if node.Problem == "" {
				extra = append(extra, fmt.Sprintf("%s: %s", node.Name, need))
			}
		}
	}
	if c.Strict && len(extra) > 0 {
		return all, fault.New(fault.Rejected, "", "granted and not needed: %s", strings.Join(extra, "; ")).
			WithHint("policy recipe add %s --grant none --grant needs", strings.SplitN(extra[0], ": ", 2)[0])
	}
	return all, nil
}

// audit are the rows of a recipe and of what it depends on.
func (node *recipeNode) audit(through string) []audited {
	row := audited{
		Module: node.Ref, Version: node.Version, Through: through, LoadedBy: node.LoadedBy, Problem: node.Problem,
		Read: listed(node.Granted.Read), Write: listed(node.Granted.Write), Delete: listed(node.Granted.Delete),
		Files: listed(node.Granted.Files), Env: listed(node.Granted.Env),
		Lacks: listed(needTexts(node.Needs.Without(node.Granted))), Extra: []string{},
	}
	if node.Problem == "" {
		row.Extra = listed(needTexts(node.Granted.Without(node.Needs)))
	}
	rows := []audited{row}
	for _, below := range node.Uses {
		rows = append(rows, below.audit(node.Ref)...)
	}
	return rows
}

// listed is a list that JSON shows when it is empty, too.
func listed(values []string) []string { return append([]string{}, values...) }
