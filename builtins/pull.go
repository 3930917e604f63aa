package builtins

import "context"

// PullArgs are the arguments of [Pull].
type PullArgs struct {
	Refs []Ref `arg:"" help:"Images to fetch from their registries."`
}

// Pull fetches images from their registries into the local store. Content is
// kept only if it hashes to its digest; a pull that fails leaves no tag and goes
// on from there next time. It fails with NotFound for an image that the registry
// does not have, Invalid for one that is not a policy image or arrives altered.
func Pull(ctx context.Context, e *Env, args *PullArgs) (Images, error) {
	return each(ctx, e, args.Refs, e.pull)
}

func (e *Env) pull(ctx context.Context, r Ref) (*Image, error) {
	name, err := e.name(r)
	if err != nil {
		return nil, err
	}
	return e.fetch(ctx, name, place{name: name, entry: name.Tagged(), store: e.Store})
}
