package main

import (
	"context"

	"github.com/policyhost/policy/cmd/internal/config"
)

type recipeDiff struct {
	output
	Before string `arg:"" complete:"pinned,folder" help:"One edition: @alias for what is pinned, a reference with tag or digest for what the registry has, or a folder."`
	After  string `arg:"" complete:"pinned,folder" help:"Another."`
	Diff   bool   `default:"true" negatable:"" help:"Show the lines of the files that differ, too."`
}

func (*recipeDiff) Help() string {
	return `What differs: version, signatures of functions, needs, dependencies, changelog and
files.

Examples:

    policy recipe diff ghcr.io/acme/recipes:v1 ghcr.io/acme/recipes:v2
    policy recipe diff @acme ghcr.io/acme/recipes:v2 --no-diff
    policy recipe diff ghcr.io/acme/gates:v1 ./gates`
}

func (c *recipeDiff) run(ctx context.Context, a *app, flags *config.Flags) error {
	return a.onShelf(ctx, flags, c.output, c.diff)
}

func (c *recipeDiff) diff(ctx context.Context, s *session, r *recipes) (any, error) {
	before, err := r.edition(ctx, c.Before)
	if err != nil {
		return nil, err
	}
	after, err := r.edition(ctx, c.After)
	if err != nil {
		return nil, err
	}
	change := compare(before, after)
	change.diffs = c.Diff
	if len(change.Files) == 0 {
		s.say("the files are the same")
	}
	return change, nil
}
