package main

import (
	"context"
	"time"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/runtime/fault"
)

type storeCommand struct {
	Ls     storeLs     `cmd:"" help:"List the index as it is on disk."`
	Check  storeCheck  `cmd:"" help:"Check that every image is whole and hashes right."`
	Repair storeRepair `cmd:"" help:"Rebuild a damaged index from the blobs and the index before."`
	Prune  storePrune  `cmd:"" help:"Remove content that no image uses any more."`
	Path   storePath   `cmd:"" help:"Print the folder of the store."`
}

// layout picks which store a command is about.
type layout struct {
	output
	Embedded bool `help:"The embedded registry's store instead of the local one."`
}

func (l layout) keeper(ctx context.Context, a *app, flags *config.Flags) (*session, builtins.Keeper, error) {
	a.printer.Format = l.Output
	s, err := a.open(ctx, flags)
	if err != nil {
		return nil, builtins.Keeper{}, err
	}
	return s, s.settings.Keeper(l.Embedded, s.env.Events), nil
}

type storeLs struct{ layout }

func (*storeLs) Help() string { return "Example:\n\n    policy store ls --output json" }

func (c *storeLs) run(ctx context.Context, a *app, flags *config.Flags) error {
	return keep(ctx, a, flags, c.layout, builtins.Step{Verb: "store ls", Effect: builtins.Read}, func(ctx context.Context, k builtins.Keeper) (any, error) { return k.Entries(ctx) })
}

type storeCheck struct{ layout }

func (*storeCheck) Help() string {
	return "It exits with 6 when something is wrong.\n\nExample:\n\n    policy store check"
}

func (c *storeCheck) run(ctx context.Context, a *app, flags *config.Flags) error {
	return keep(ctx, a, flags, c.layout, builtins.Step{Verb: "store check", Effect: builtins.Read}, func(ctx context.Context, k builtins.Keeper) (any, error) {
		report, err := k.Check(ctx)
		if err == nil && !report.OK {
			err = fault.New(fault.Invalid, k.Path(), "the store is not sound").WithHint("policy store repair")
		}
		return report, err
	})
}

type storeRepair struct{ layout }

func (*storeRepair) Help() string { return "Example:\n\n    policy store repair" }

func (c *storeRepair) run(ctx context.Context, a *app, flags *config.Flags) error {
	return keep(ctx, a, flags, c.layout, builtins.Step{Verb: "store repair", Effect: builtins.Write}, func(ctx context.Context, k builtins.Keeper) (any, error) { return k.Repair(ctx) })
}

type storePrune struct {
	layout
	Age time.Duration `default:"24h" help:"Keep what is younger than this."`
}

func (*storePrune) Help() string { return "Example:\n\n    policy store prune --age 1h" }

func (c *storePrune) run(ctx context.Context, a *app, flags *config.Flags) error {
	return keep(ctx, a, flags, c.layout, builtins.Step{Verb: "store prune", Effect: builtins.Delete}, func(ctx context.Context, k builtins.Keeper) (any, error) { return k.Prune(ctx, c.Age) })
}

type storePath struct{ layout }

func (*storePath) Help() string { return "Example:\n\n    policy store path" }

func (c *storePath) run(ctx context.Context, a *app, flags *config.Flags) error {
	return keep(ctx, a, flags, c.layout, builtins.Step{Verb: "store path", Effect: builtins.Read}, func(_ context.Context, k builtins.Keeper) (any, error) { return k.Path(), nil })
}

// keep runs one act of upkeep and answers with its report.
func keep(ctx context.Context, a *app, flags *config.Flags, l layout, step builtins.Step, act func(context.Context, builtins.Keeper) (any, error)) error {
	s, keeper, err := l.keeper(ctx, a, flags)
	if err != nil {
		return err
	}
	defer s.Close()
	step.Subject, step.Where = keeper.Path(), builtins.InStore
	ctx, end := s.env.Begin(s.ctx, step)
	report, err := act(ctx, keeper)
	end(report, err)
	return s.answer(report, fault.In("store", "", err))
}
