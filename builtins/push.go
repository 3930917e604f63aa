package builtins

import (
	"context"

	"github.com/policyhost/policy/runtime/fault"
)

// PushArgs are the arguments of [Push].
type PushArgs struct {
	Refs []Ref `arg:"" help:"Images of the local store to push to the registries they name."`
}

// Push sends local images to their registries. What a registry has already is
// not sent again: an image that was there whole comes back unchanged. The local
// store is never written. It fails with NotFound for an image that is not in
// the store, Denied when the registry refuses, Unavailable when it cannot
// answer.
func Push(ctx context.Context, e *Env, args *PushArgs) (Images, error) {
	return each(ctx, e, args.Refs, e.push)
}

func (e *Env) push(ctx context.Context, r Ref) (*Image, error) {
	l, err := e.open(ctx, r, prefixDigits)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	if l.name.Repository == "" {
		return nil, fault.New(fault.Usage, r.String(), "the image has no name that says where to push it").
			WithHint("name it first: policy tag %s REGISTRY/ORG/NAME:TAG", r)
	}
	if _, err := l.manifest.Layer(); err != nil {
		return nil, err
	}
	image := l.image()
	if image.Unchanged, err = e.Remote.Push(ctx, l.name, l.manifest.Raw, l.descriptor, l); err != nil {
		return nil, err
	}
	return image, nil
}
