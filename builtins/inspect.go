package builtins

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/engine"
	"github.com/policyhost/policy/runtime/fault"
)

// InspectArgs are the arguments of [Inspect].
type InspectArgs struct {
	Policy string `arg:"" complete:"image,file" help:"An image or a bundle tarball."`
	Pull   string `default:"missing" enum:"always,missing,never" help:"When to fetch the image: always, missing or never."`
}

// Inspection is the answer of inspect: the image and what is in its bundle. Of a
// tarball that is no image, only the bundle is set.
type Inspection struct {
	Image
	Manifest *artifact.Manifest    `json:"manifest"`
	Layers   []artifact.Descriptor `json:"layers"`
	Bundle   *engine.Inspection    `json:"bundle"`
}

// Inspect looks into an image or a bundle without evaluating it: packages,
// roots, entrypoints, required built-ins and signatures.
func Inspect(ctx context.Context, e *Env, args *InspectArgs) (*Inspection, error) {
	o := engine.OpenOptions{Name: args.Policy, Limits: e.Settings.Limits}
	if looksLikePath(args.Policy) {
		real, err := e.Files.Path(args.Policy)
		if err != nil {
			return nil, err
		}
		return inspectFile(ctx, real, o)
	}
	r, err := ParseRef(args.Policy)
	if err != nil {
		return nil, err
	}
	l, err := e.openOrPull(ctx, r, args.Pull)
	if err != nil {
		return nil, e.hintAtPath(err, args.Policy)
	}
	defer l.Close()
	layer, content, err := l.bundle(ctx)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	o.Name = l.name.Tagged()
	o.RegoVersion = l.manifest.RegoVersion()
	verified := newVerifier(content, layer)
	bundle, err := engine.Inspect(ctx, verified, o)
	if err := verified.finish(); err != nil { // altered content explains any other failure
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	return &Inspection{Image: *l.image(), Manifest: l.manifest, Layers: l.manifest.Layers, Bundle: bundle}, nil
}

func inspectFile(ctx context.Context, path string, o engine.OpenOptions) (*Inspection, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.File(o.Name, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fault.New(fault.Usage, o.Name, "is a folder, neither an image nor a bundle").
			WithHint("build it first: policy build %s -t NAME", o.Name)
	}
	bundle, err := engine.Inspect(ctx, f, o)
	if err != nil {
		return nil, err
	}
	digest, size, err := digestOf(f)
	if err != nil {
		return nil, fault.File(o.Name, err)
	}
	image := Image{Ref: strings.TrimSuffix(o.Name, "/"), Digest: ManifestDigest(digest), Size: &size, Annotations: map[string]string{}}
	return &Inspection{Image: image, Bundle: bundle}, nil
}

func digestOf(f *os.File) (artifact.Digest, int64, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", 0, err
	}
	hasher := sha256.New()
	size, err := io.Copy(hasher, f)
	return artifact.Digest(fmt.Sprintf("sha256:%x", hasher.Sum(nil))), size, err
}
