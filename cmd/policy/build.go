package main

import (
	"context"
	"errors"
	goruntime "runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/project"
	"github.com/policyhost/policy/runtime/fault"
)

// buildCommand builds an image, which the verb does, or one of each policy of the
// project.
type buildCommand struct {
	output
	builtins.BuildArgs
	ofProject
	rehearsing
}

func (*buildCommand) Help() string {
	return `Without PATHS, the policies that the project lists in its policy.toml are built,
each into an image of its own, with the tag and the entrypoints that it has
there; what fails does not keep the others from being built.

Example:

    policy build ./policies -t ghcr.io/acme/authz:1.0.0
    policy build --policy authz --revision "$(git rev-parse HEAD)"`
}

func (c *buildCommand) run(ctx context.Context, a *app, flags *config.Flags) error {
	a.printer.Format = c.Output
	s, err := a.open(ctx, flags)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.rehearse(c.rehearsing); err != nil {
		return err
	}
	result, err := c.build(s)
	return s.answerOrPlan(result, fault.In("build", "", err))
}

func (c *buildCommand) build(s *session) (any, error) {
	policies, err := c.policies(s, c.Paths)
	switch {
	case err != nil:
		return nil, err
	case len(c.Paths) > 0:
		image, err := buildOne(s, &c.BuildArgs)
		return image, c.meant(s, err)
	case len(policies) == 0:
		return nil, fault.New(fault.Usage, "", "no path to build, and the project lists no policies").
			WithHint("policy build PATH, or list them in %s: [[policy]], with a name and a path", project.Name)
	case len(policies) > 1 && c.Named():
		return nil, fault.New(fault.Usage, "--tag", "names one image, and the project has %d policies", len(policies)).
			WithHint("choose one with --policy %s", policies[0].Name)
	}
	images, err := c.each(s, policies)
	if len(c.Policy) == 1 && len(images) == 1 {
		return images[0], err
	}
	return images, err
}

// each builds the policies, several at once, and gives the images of those that
// succeed, in order.
func (c *buildCommand) each(s *session, policies []project.Policy) (builtins.Images, error) {
	images, errs := make([]*builtins.Image, len(policies)), make([]error, len(policies))
	var g errgroup.Group
	g.SetLimit(goruntime.GOMAXPROCS(0))
	for i, p := range policies {
		g.Go(func() error {
			defer fault.Recover("", &errs[i])
			images[i], errs[i] = c.one(s, p)
			return nil
		})
	}
	_ = g.Wait() // errs has them all
	var built builtins.Images
	for _, image := range images {
		if image != nil {
			built = append(built, image)
		}
	}
	return built, fault.Join(errs...)
}

// buildOne calls the verb.
func buildOne(s *session, args *builtins.BuildArgs) (*builtins.Image, error) {
	table := builtins.Table()
	i := slices.IndexFunc(table, func(v builtins.Verb) bool { return v.Name == "build" })
	result, err := table[i].Call(s.ctx, s.env, args)
	image, _ := result.(*builtins.Image)
	return image, err
}

// one builds a policy as policy.toml describes it; what was typed goes before that.
func (c *buildCommand) one(s *session, p project.Policy) (*builtins.Image, error) {
	args := c.BuildArgs
	args.Paths = []string{pathIn(s.project, p.Path)}
	if !args.Named() {
		args.Tag = make([]builtins.Ref, 1)
		if err := args.Tag[0].UnmarshalText([]byte(p.Tag)); err != nil {
			return nil, err
		}
	}
	if len(args.Entrypoint) == 0 {
		args.Entrypoint = p.Entrypoints
	}
	image, err := buildOne(s, &args)
	if f := fault.Of(err); err != nil && f.Hint == "" && errors.Is(err, fault.NotFound) {
		err = f.WithHint("%s says that the policy %q is there", s.project.File, p.Name)
	}
	return image, err
}

// meant adds to the error about a path that is not there that it is the name of a
// policy.
func (c *buildCommand) meant(s *session, err error) error {
	f := fault.Of(err)
	if err == nil || f.Hint != "" || !errors.Is(err, fault.NotFound) {
		return err
	}
	for _, p := range s.project.Policies {
		if p.Name == f.Subject {
			return f.WithHint("a policy of the project has this name: policy build --policy %s", p.Name)
		}
	}
	return err
}
