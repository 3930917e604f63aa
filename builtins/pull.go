package builtins

import (
	"context"

	"github.com/policyhost/policy/runtime/fault"
)

// PullArgs are the arguments of [Pull].
type PullArgs struct {
	Refs     []Ref  `arg:"" help:"Images to fetch from their registries."`
	UntarDir string `name:"untardir" placeholder:"DIR" complete:"folder" help:"Folder, which must be there, to extract the policy into, too."`
}

// Pull fetches images from their registries into the local store. Content is
// kept only if it hashes to its digest; a pull that fails leaves no tag and goes
// on from there next time. It fails with NotFound for an image that the registry
// does not have, Invalid for one that is not a policy image or arrives altered.
func Pull(ctx context.Context, e *Env, args *PullArgs) (Images, error) {
	if args.UntarDir != "" && len(args.Refs) > 1 {
		return nil, fault.New(fault.Usage, args.UntarDir, "one folder, %d policies", len(args.Refs)).
			WithHint("pull them one at a time, each with a folder of its own")
	}
	return each(ctx, e, args.Refs, func(ctx context.Context, r Ref) (*Image, error) {
		image, err := e.pull(ctx, r)
		if err != nil || args.UntarDir == "" {
			return image, err
		}
		if err := e.extract(ctx, Ref{image.Ref}, args.UntarDir); err != nil {
			return image, err
		}
		stepOf(ctx).changed(Delta{Subject: args.UntarDir, Where: InFile})
		return image, nil
	})
}

func (e *Env) pull(ctx context.Context, r Ref) (*Image, error) {
	name, err := e.name(r)
	if err != nil {
		return nil, err
	}
	return e.fetch(ctx, name, place{name: name, entry: name.Tagged(), store: e.Store})
}
