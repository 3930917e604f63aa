package builtins

import (
	"context"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// TagArgs are the arguments of [Tag].
type TagArgs struct {
	Source  Ref  `arg:"" help:"Local image: a reference, or the beginning of its digest."`
	Target  Ref  `arg:"" help:"New name for it."`
	Clobber bool `default:"true" negatable:"" help:"Move the name if another image has it."`
}

// Tag gives a local image another name. It fails with NotFound when there is no
// such image, Conflict when the name is taken and clobber is off.
func Tag(ctx context.Context, e *Env, args *TagArgs) (*Image, error) {
	target, err := e.name(args.Target)
	if err != nil {
		return nil, err
	}
	if target.Digest != "" {
		return nil, fault.New(fault.Usage, args.Target.String(), "a tag names an image, a digest is its content").
			WithHint("leave out @%s", target.Digest)
	}
	l, err := e.open(ctx, args.Source, tagPrefixDigits)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	tx, err := e.Store.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Close()
	for digest, content := range l.made {
		mediaType := artifact.MediaTypeConfig
		if digest == l.descriptor.Digest {
			mediaType = l.descriptor.MediaType
		}
		if _, err := tx.Put(ctx, mediaType, content); err != nil {
			return nil, err
		}
	}
	image := describe(target, l.descriptor.Digest, l.manifest)
	if image.Unchanged, err = e.tagAll(ctx, tx, []artifact.Name{target}, l.descriptor, l.manifest, args.Clobber); err != nil {
		return nil, err
	}
	return image, nil
}

// tagAll gives the image its names and reports whether each had it already.
func (e *Env) tagAll(ctx context.Context, tx *store.Tx, names []artifact.Name, d artifact.Descriptor, m *artifact.Manifest, clobber bool) (unchanged bool, err error) {
	unchanged = true
	for _, name := range names {
		same, before := false, ""
		err := tx.TagIf(ctx, newEntry(name, d, m), func(old *store.Entry) error {
			before = digestOfEntry(old)
			same = before == d.Digest.String()
			if old != nil && !same && !clobber {
				return fault.New(fault.Conflict, name.Tagged(), "exists already, as %s", old.Digest).
					WithHint("choose another tag, or leave out --no-clobber")
			}
			return nil
		})
		if err != nil {
			return false, err
		}
		unchanged = unchanged && same
		stepOf(ctx).changed(Delta{Subject: name.Tagged(), Where: InStore, Before: before, After: d.Digest.String(), Unchanged: same})
	}
	return unchanged, nil
}
