package engine

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyhost/policy/runtime/fault"
)

// BuildOptions say what to build, and how. Only Paths are required.
type BuildOptions struct {
	Paths      []Path   // folders, single .rego, .json or .yaml files, bundle tarballs
	Ignore     []string // patterns of names to leave out
	KeepTests  bool     // *_test.rego too
	KeepHidden bool     // what begins with a dot too

	Target       string // "rego" (also when empty), "wasm" or "plan"
	Optimize     int    // 0, 1 or 2
	Entrypoints  []string
	Revision     string
	RegoVersion  string // of sources whose .manifest says nothing: rego.v0, rego.v0v1, rego.v1 (also when empty)
	Capabilities string // a file, or a version of OPA such as "v1.0.0"; empty: all that this OPA can

	Created time.Time // the time that all files bear, in whole seconds; zero: none
	Limits  Limits    // on tarballs that are read, and on the result

	Signing      Signing
	Verification Verification

	BuildConfigFile string // YAML or JSON with values for the options that are not set

	// Resolve says where a file that the build config names really is, or that the
	// caller may not read it; nil takes it as written.
	Resolve func(name string) (string, error)
}

// Built is what is in the bundle.
type Built struct {
	Revision    string   `json:"revision"`
	RegoVersion string   `json:"rego_version"` // as in [BuildOptions]
	Roots       []string `json:"roots"`
	Entrypoints []string `json:"entrypoints"` // those asked for, and those that annotations name
	Files       int      `json:"files"`
	Skipped     []string `json:"-"` // files that look like data and are not: OPA reads data.json and data.yaml only
}

// Build compiles the sources and writes a bundle, the layer of a policy image, to
// w. The same sources and options give the same bytes, wherever they lie and
// however the paths are written (but for ECDSA and PSS signatures, which are
// random by design). Sources are kept as they are, unless they are optimized or
// compiled to another target; data never stands in memory as a whole, unless for
// these or for a signature.
//
// It fails with NotFound for a path that is not there or has nothing in it, with
// Invalid for Rego that does not compile, data that is no JSON or stands where a
// rule or another file does, a signature that does not hold, with Limit for more
// than may be in a bundle, with Usage for options that contradict. What was
// written to w by then is no bundle.
func Build(ctx context.Context, o BuildOptions, w io.Writer) (*Built, error) {
	p, err := Prepare(ctx, o)
	if err != nil {
		return nil, err
	}
	return p.Build(ctx, w)
}

// Prepared are sources that have been found and listed, and not yet compiled. It
// is for one Build.
type Prepared struct{ build }

// Prepare finds the sources and reads all but the large ones. It is the first
// half of [Build], for callers that keep results and can tell by [Prepared.Key]
// whether they have this one.
func Prepare(ctx context.Context, o BuildOptions) (*Prepared, error) {
	p := &Prepared{}
	if err := p.prepare(ctx, o); err != nil {
		return nil, err
	}
	return p, nil
}

// Build is the other half of [Build].
func (p *Prepared) Build(ctx context.Context, w io.Writer) (*Built, error) {
	if err := p.parse(ctx); err != nil {
		return nil, p.blame(ctx, err)
	}
	translate := p.translate
	if p.o.Target == targetRego && p.o.Optimize == 0 {
		translate = p.copySources
	}
	if err := translate(ctx, w); err != nil {
		return nil, p.blame(ctx, err)
	}
	return p.built, nil
}

const targetRego = "rego"

// build is one run of [Build].
type build struct {
	o        BuildOptions
	version  ast.RegoVersion
	caps     *capabilitySet
	inputs   []*input
	manifest *bundleManifest
	modules  []*buildModule
	data     []*source // each called data.json, no two in one folder
	others   []*source // policy.wasm, plan.json
	built    *Built
}

func (b *build) prepare(ctx context.Context, o BuildOptions) error {
	err := o.readConfig()
	if err != nil {
		return err
	}
	b.o = o
	if b.version, err = regoVersion(o.RegoVersion); err != nil {
		return err
	}
	if b.caps, err = loadCapabilities(o.Capabilities); err != nil {
		return err
	}
	if b.inputs, err = gather(ctx, &b.o); err != nil {
		return fault.Of(err)
	}
	return b.collect(b.inputs)
}

// parse verifies the sources and parses the modules.
func (b *build) parse(ctx context.Context) error {
	if err := b.verify(); err != nil {
		return err
	}
	if err := parseModules(ctx, b.modules, b.caps); err != nil {
		return err
	}
	roots := *b.manifest.Roots
	if err := checkPackages(b.modules, roots); err != nil {
		return err
	}
	annotated, err := entrypointAnnotations(b.modules)
	if err != nil {
		return err
	}
	b.built = &Built{
		Revision:    b.manifest.Revision,
		RegoVersion: b.regoName(),
		Roots:       roots,
	}
	for _, e := range append(slices.Clone(b.o.Entrypoints), annotated...) {
		if e = strings.Trim(e, "/"); !slices.Contains(b.built.Entrypoints, e) {
			b.built.Entrypoints = append(b.built.Entrypoints, e)
		}
	}
	for _, in := range b.inputs {
		b.built.Skipped = append(b.built.Skipped, in.skipped...)
	}
	return nil
}

func (b *build) verify() error {
	config, err := b.o.Verification.config()
	if err != nil {
		return err
	}
	for _, in := range b.inputs {
		if err := verify(in, config, b.caps, b.version); err != nil {
			return err
		}
	}
	return nil
}

// blame turns an error of any stage into a fault with the user's names.
func (b *build) blame(ctx context.Context, err error) error {
	if we, ok := errors.AsType[*writeError](err); ok {
		return we.err
	}
	return typedNames(b.modules, fromOPA(ctx, "", err))
}

// writeError is a failure of the writer given to [Build]: not about the policy.
type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }
