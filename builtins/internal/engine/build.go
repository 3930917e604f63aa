package engine

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyhost/policy/builtins/artifact"
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
}

// Built is what is in the bundle.
type Built struct {
	Revision    string
	RegoVersion string // as in [BuildOptions]
	Roots       []string
	Entrypoints []string // those asked for, and those that annotations name
	Files       int
	Skipped     []string // files that look like data and are not: OPA reads data.json and data.yaml only
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
	b, err := newBuild(ctx, o)
	if err != nil {
		return nil, err
	}
	if b.o.Target == targetRego && b.o.Optimize == 0 {
		err = b.copySources(ctx, w)
	} else {
		err = b.translate(ctx, w)
	}
	if err != nil {
		return nil, b.blame(ctx, err)
	}
	return b.built, nil
}

const targetRego = "rego"

// build is one run of [Build].
type build struct {
	o        BuildOptions
	version  ast.RegoVersion
	caps     *capabilitySet
	manifest *bundleManifest
	modules  []*buildModule
	data     []*source // each called data.json, no two in one folder
	others   []*source // policy.wasm, plan.json
	built    *Built
}

// newBuild reads and parses everything but the data.
func newBuild(ctx context.Context, o BuildOptions) (*build, error) {
	if err := o.readConfig(); err != nil {
		return nil, err
	}
	version, err := regoVersion(o.RegoVersion)
	if err != nil {
		return nil, err
	}
	b := &build{o: o, version: version}
	if b.caps, err = loadCapabilities(o.Capabilities); err != nil {
		return nil, err
	}
	inputs, err := gather(ctx, &o)
	if err != nil {
		return nil, err
	}
	if err := b.collect(inputs); err != nil {
		return nil, err
	}
	if err := b.verify(inputs); err != nil {
		return nil, err
	}
	if err := parseModules(ctx, b.modules, b.caps); err != nil {
		return nil, err
	}
	roots := *b.manifest.Roots
	if err := checkPackages(b.modules, roots); err != nil {
		return nil, err
	}
	annotated, err := entrypointAnnotations(b.modules)
	if err != nil {
		return nil, b.blame(ctx, err)
	}
	b.built = &Built{
		Revision:    b.manifest.Revision,
		RegoVersion: b.regoName(),
		Roots:       roots,
	}
	for _, e := range append(slices.Clone(o.Entrypoints), annotated...) {
		if e = strings.Trim(e, "/"); !slices.Contains(b.built.Entrypoints, e) {
			b.built.Entrypoints = append(b.built.Entrypoints, e)
		}
	}
	for _, in := range inputs {
		b.built.Skipped = append(b.built.Skipped, in.skipped...)
	}
	return b, nil
}

// collect sorts the files of all inputs into modules, data and the rest.
func (b *build) collect(inputs []*input) error {
	var manifests []*bundleManifest
	total := 0
	for _, in := range inputs {
		m, err := readManifest(in)
		if err != nil {
			return err
		}
		manifests = append(manifests, m)
		if n := len(in.files); n > 0 {
			total += n
		}
	}
	if total == 0 {
		return b.nothing(inputs)
	}
	var err error
	if b.manifest, err = mergeManifests(manifests, b.o.Revision, b.version); err != nil {
		return err
	}
	stubs, err := requiredBuiltins(&b.manifest.Manifest)
	if err != nil {
		return fault.New(fault.Invalid, b.manifest.typed, "%w", err)
	}
	b.caps.stub(stubs)
	if b.modules, err = moduleSet(inputs, manifests, b.version); err != nil {
		return err
	}
	b.fileVersions()
	return b.collectFiles(inputs)
}

// nothing says why there is nothing to build.
func (b *build) nothing(inputs []*input) error {
	var names, skipped []string
	for _, in := range inputs {
		names = append(names, in.path.Typed)
		skipped = append(skipped, in.skipped...)
	}
	f := fault.New(fault.NotFound, strings.Join(names, ", "), "no .rego and no data in it")
	if len(skipped) > 0 {
		return f.WithHint("in a folder, data is read from data.json and data.yaml only; there is %s", skipped[0])
	}
	return f.WithHint("hidden files and *_test.rego do not count, unless --include-hidden or --include-tests is given")
}

// fileVersions notes the modules whose version is not that of the whole.
func (b *build) fileVersions() {
	if len(b.manifest.FileRegoVersions) > 0 {
		return // the only manifest there is says it with its own patterns
	}
	for _, m := range b.modules {
		if n := m.version.Int(); n != *b.manifest.RegoVersion {
			if b.manifest.FileRegoVersions == nil {
				b.manifest.FileRegoVersions = map[string]int{}
			}
			b.manifest.FileRegoVersions[m.name] = n
			b.manifest.FileRegoVersions["/"+m.name] = n // for when it is unpacked
		}
	}
}

func (b *build) regoName() string {
	if *b.manifest.RegoVersion == 0 {
		if b.version == ast.RegoV0CompatV1 {
			return versionName(ast.RegoV0CompatV1)
		}
		return versionName(ast.RegoV0)
	}
	return versionName(ast.RegoVersionFromInt(*b.manifest.RegoVersion))
}

// collectFiles merges data files that would have one name in the bundle, and
// refuses other files that would.
func (b *build) collectFiles(inputs []*input) error {
	byName := map[string][]*source{}
	for _, in := range inputs {
		for _, s := range in.files {
			if !s.isRego() {
				byName[s.name] = append(byName[s.name], s)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		same := byName[name]
		switch {
		case path.Base(name) != "data.json":
			if len(same) > 1 {
				return fault.New(fault.Invalid, same[1].typed, "%s is %s in the bundle already", same[0].typed, name)
			}
			b.others = append(b.others, same[0])
		case len(same) == 1:
			b.data = append(b.data, same[0])
		default:
			one, err := mergeFiles(name, same)
			if err != nil {
				return err
			}
			b.data = append(b.data, one)
		}
	}
	return nil
}

func mergeFiles(name string, same []*source) (*source, error) {
	// Each is checked on its own: after the merge nobody could say where it was wrong.
	for _, s := range same {
		if err := newDataCheck([]*source{s}, nil, []string{""}).run(context.Background()); err != nil {
			return nil, err
		}
	}
	all, err := loadData(same)
	if err != nil {
		return nil, err
	}
	var v any = all
	for _, step := range dataMount(name) {
		v = v.(map[string]any)[step]
	}
	text, err := encodeJSON(v)
	if err != nil {
		return nil, err
	}
	var typed []string
	for _, s := range same {
		typed = append(typed, s.typed)
	}
	return &source{name: name, typed: strings.Join(typed, " + "), size: int64(len(text)), text: text}, nil
}

func (b *build) verify(inputs []*input) error {
	config, err := b.o.Verification.config()
	if err != nil {
		return err
	}
	for _, in := range inputs {
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

// copySources packs the sources as they are, while they are compiled and checked.
// What compiler and check have to say is said together, the same each time.
func (b *build) copySources(ctx context.Context, w io.Writer) error {
	files := slices.Concat(moduleSources(b.modules), b.data, b.others)
	packing, stop := context.WithCancel(ctx)
	defer stop()
	var (
		wg       sync.WaitGroup
		compiler *ast.Compiler
		errs     [3]error
	)
	data := newDataCheck(b.data, b.modules, *b.manifest.Roots)
	run := func(i int, stage func() error) {
		wg.Go(func() {
			if errs[i] = stage(); errs[i] != nil {
				stop()
			}
		})
	}
	run(0, func() (err error) {
		compiler, err = compileModules(b.modules, b.caps.of(b.version))
		return err
	})
	run(1, func() error { return data.run(ctx) })
	run(2, func() error { return b.pack(packing, files, w) })
	wg.Wait()
	if errs[0] == nil && errs[1] == nil && errs[2] == nil {
		if conflicts := ast.CheckPathConflicts(compiler, data.exists); len(conflicts) > 0 {
			return conflicts
		}
		return nil
	}
	if all := slices.Concat(problemsOf(errs[0]), problemsOf(errs[1])); len(all) > 0 {
		return &fault.Error{Kind: fault.Invalid, Err: all}
	}
	return cmp.Or(errs[0], errs[1], errs[2])
}

func moduleSources(modules []*buildModule) []*source {
	var out []*source
	for _, m := range modules {
		out = append(out, m.source)
	}
	return out
}

// pack adds the manifest and the signature, and writes the bundle.
func (b *build) pack(ctx context.Context, files []*source, w io.Writer) error {
	text, err := b.manifest.text()
	if err != nil {
		return err
	}
	files = append(files, &source{name: manifestName, typed: manifestName, size: int64(len(text)), text: text})
	config, err := b.o.Signing.config()
	if err != nil {
		return err
	}
	if config != nil {
		s, err := sign(files, config, b.o.Verification.keyID())
		if err != nil {
			return err
		}
		files = append(files, s)
	}
	b.built.Files = len(files)
	var packed []artifact.File
	for _, f := range files {
		packed = append(packed, artifact.File{Path: f.name, Size: f.size, Open: f.open})
	}
	out := &output{ctx: ctx, w: w}
	err = artifact.Pack(out, packed, artifact.PackOptions{ModTime: b.o.Created, Limits: b.o.Limits})
	if out.err != nil {
		return &writeError{out.err}
	}
	if err != nil {
		return err
	}
	return b.checkSize(files, out.n)
}

// checkSize refuses what nobody could open again: a scan takes it for a bomb.
func (b *build) checkSize(files []*source, packed int64) error {
	limits := b.o.Limits.WithDefaults()
	total := int64(0)
	for _, f := range files {
		total += f.size
	}
	switch {
	case total > limits.Total:
		return fault.New(fault.Limit, "", "%d MiB of files, at most %d are allowed in a bundle", total>>20, limits.Total>>20)
	case total > 1<<20 && total/limits.Ratio > packed:
		return fault.New(fault.Limit, "", "the files shrink to less than a %dth, which is taken for an attack when the bundle is opened", limits.Ratio).
			WithHint("look for a data file that repeats itself")
	}
	return nil
}

// output counts what is written, stops when the build is over, and remembers its
// own failure, which is not about the policy.
type output struct {
	ctx context.Context
	w   io.Writer
	n   int64
	err error
}

func (o *output) Write(p []byte) (int, error) {
	if o.ctx.Err() != nil {
		return 0, context.Cause(o.ctx)
	}
	n, err := o.w.Write(p)
	o.n += int64(n)
	o.err = err
	return n, err
}
