package builtins

import (
	"context"

	"github.com/policyhost/policy/runtime/fault"
)

// SaveArgs are the arguments of [Save].
type SaveArgs struct {
	Ref  Ref    `arg:"" help:"Image to save."`
	File string `short:"f" default:"bundle.tar.gz" complete:"file" help:"File to write; - for standard output."`
	Pull string `default:"missing" enum:"always,missing,never" help:"When to fetch the image: always, missing or never."`
}

// Save writes an image's bundle to a tarball that OPA loads. The file appears
// whole or not at all. Written to standard output, the answer is empty, since
// the content is the answer.
func Save(ctx context.Context, e *Env, args *SaveArgs) (*Saved, error) {
	l, err := e.openOrPull(ctx, args.Ref, args.Pull)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	layer, content, err := l.bundle(ctx)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	saved := &Saved{Ref: l.name.Tagged(), Path: args.File, Digest: layer.Digest.String(), Size: layer.Size}
	verified := newVerifier(content, layer)
	if args.File == "-" {
		if e.Out == nil {
			return nil, fault.New(fault.Usage, "-", "there is no standard output to save to here").WithHint("name a file")
		}
		if err := verified.copyTo(ctx, e.Out); err != nil {
			return nil, fault.File("standard output", err)
		}
		return saved, verified.finish()
	}
	out, err := e.Files.Create(args.File)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	if err := verified.copyTo(ctx, out); err != nil {
		return nil, err
	}
	if err := verified.finish(); err != nil {
		return nil, err
	}
	if err := out.Commit(); err != nil {
		return nil, err
	}
	return saved, nil
}
