package builtins

import (
	"context"
	"maps"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/engine"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// BuildArgs are the arguments of [Build].
type BuildArgs struct {
	Paths       []string          `arg:"" cli:"optional" complete:"file" help:"Folders, Rego or data files, and bundle tarballs that make up the policy."`
	Tag         []Ref             `short:"t" default:"default" help:"Name of the image; the first names it, the others tag it too."`
	Annotations map[string]string `short:"a" mapsep:";" help:"Annotation of the manifest, KEY=VALUE."`
	Revision    string            `short:"r" help:"Revision of the sources, for example a git commit; kept in the bundle and as an annotation."`
	Source      string            `placeholder:"URL" help:"URL of the sources, kept as an annotation."`
	Created     string            `placeholder:"TIME" help:"Time of the build, RFC 3339; without it (and without SOURCE_DATE_EPOCH) the image has none and is the same each time."`
	Clobber     bool              `default:"true" negatable:"" help:"Replace an image that has the tag already."`
	Cache       bool              `default:"true" negatable:"" help:"Use the result of an earlier build of the same sources."`

	Target          string   `default:"rego" enum:"rego,wasm,plan" help:"What to compile to: rego, wasm or plan."`
	Optimize        int      `short:"O" default:"0" help:"Optimization level, 0 to 2; above 0 it needs an entrypoint."`
	Entrypoint      []string `short:"e" placeholder:"RULE" help:"Rule that callers ask for, for example authz/allow."`
	RegoVersion     string   `default:"rego.v1" enum:"rego.v0,rego.v0v1,rego.v1" help:"Language of the sources: rego.v0, rego.v0v1 or rego.v1."`
	Capabilities    string   `placeholder:"FILE" complete:"file" help:"Capabilities file, or version such as v1.0.0, that the policy must keep to."`
	Ignore          []string `placeholder:"PATTERN" help:"Pattern of files and folders to leave out."`
	IncludeTests    bool     `help:"Keep *_test.rego files."`
	IncludeHidden   bool     `help:"Keep hidden files and folders."`
	BuildConfigFile string   `complete:"file" help:"YAML file with build settings, as opcr policy reads it."`

	SigningKey         string   `complete:"file" help:"Secret or PEM file of the private key that signs the bundle."`
	SigningAlg         string   `default:"RS256" help:"Signing algorithm."`
	ClaimsFile         string   `complete:"file" help:"JSON file with claims of the signature."`
	VerificationKey    string   `complete:"file" help:"Secret or PEM file of the public key that verifies signed bundles among the paths."`
	VerificationKeyID  string   `name:"verification-key-id" default:"default" help:"Name of the verification key."`
	Scope              string   `help:"Scope that the signature must have."`
	ExcludeFilesVerify []string `placeholder:"PATTERN" help:"Pattern of files that are not verified."`
}

// Build compiles sources into a policy image in the local store. The same
// sources and options give the same digest, wherever and by whomever they are
// built (spec artifact.md). It fails with Invalid when the Rego does not
// compile, with NotFound when a path is missing, and with Conflict when the tag
// exists and clobber is off.
func Build(ctx context.Context, e *Env, args *BuildArgs) (*Image, error) {
	names, err := args.names(e)
	if err != nil {
		return nil, err
	}
	options, err := args.options(e)
	if err != nil {
		return nil, err
	}
	tx, err := e.Store.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Close()
	layer, built, err := e.layer(ctx, tx, options, args.Cache)
	if err != nil {
		return nil, err
	}
	if len(built.Skipped) > 0 {
		e.Events.send(Event{State: Warning, Subject: names[0].Tagged(), Message: "left out, since OPA reads data only from data.json and data.yaml: " + strings.Join(built.Skipped, ", ")})
	}
	raw, d, config, _ := artifact.NewManifest(layer, args.annotations(options, built))
	manifest, err := artifact.ParseManifest(raw)
	if err != nil {
		return nil, err
	}
	for _, b := range []struct {
		mediaType string
		content   []byte
	}{{artifact.MediaTypeConfig, config}, {d.MediaType, raw}} {
		if _, err := tx.Put(ctx, b.mediaType, b.content); err != nil {
			return nil, err
		}
	}
	image := describe(names[0], d.Digest, manifest)
	if image.Unchanged, err = e.tagAll(ctx, tx, names, d, manifest, args.Clobber); err != nil {
		return nil, err
	}
	return image, nil
}

// untagged is the name of an image that nobody named, as opcr policy has it.
const untagged = "default"

// Named reports whether the image was given a name.
func (args *BuildArgs) Named() bool {
	return len(args.Tag) > 1 || len(args.Tag) == 1 && args.Tag[0].text != untagged
}

func (args *BuildArgs) names(e *Env) ([]artifact.Name, error) {
	tags := args.Tag
	if len(tags) == 0 {
		tags = []Ref{{untagged}}
	}
	var names []artifact.Name
	for _, r := range tags {
		n, err := e.name(r)
		if err != nil {
			return nil, err
		}
		if n.Digest != "" {
			return nil, fault.New(fault.Usage, r.String(), "a digest cannot be chosen: it comes from the content").
				WithHint("name it %s", artifact.Name{Registry: n.Registry, Repository: n.Repository, Tag: n.Tag}.Tagged())
		}
		names = append(names, n)
	}
	return names, nil
}

func (args *BuildArgs) options(e *Env) (engine.BuildOptions, error) {
	created, err := args.created(e)
	if err != nil {
		return engine.BuildOptions{}, err
	}
	o := engine.BuildOptions{
		Ignore:          args.Ignore,
		KeepTests:       args.IncludeTests,
		KeepHidden:      args.IncludeHidden,
		Target:          args.Target,
		Optimize:        args.Optimize,
		Entrypoints:     args.Entrypoint,
		Revision:        args.Revision,
		RegoVersion:     args.RegoVersion,
		Capabilities:    args.Capabilities,
		Created:         created,
		BuildConfigFile: args.BuildConfigFile,
		Limits:          e.Settings.Limits,
		Resolve:         e.fileOrText,
		Signing:         engine.Signing{Key: args.SigningKey, Algorithm: args.SigningAlg, ClaimsFile: args.ClaimsFile},
		Verification: engine.Verification{
			Key:          args.VerificationKey,
			KeyID:        args.VerificationKeyID,
			Algorithm:    args.SigningAlg,
			Scope:        args.Scope,
			ExcludeFiles: args.ExcludeFilesVerify,
		},
	}
	for _, p := range args.Paths {
		real, err := e.Files.Path(p)
		if err != nil {
			return o, err
		}
		o.Paths = append(o.Paths, engine.Path{Typed: p, Real: real})
	}
	for _, file := range []*string{&o.BuildConfigFile, &o.Capabilities, &o.Signing.Key, &o.Signing.ClaimsFile, &o.Verification.Key} {
		if *file, err = e.fileOrText(*file); err != nil {
			return o, err
		}
	}
	return o, nil
}

// fileOrText is where a file really is that the caller may read. What is no file
// at all is left as it is: some arguments take a text, too, such as a version or
// a key.
func (e *Env) fileOrText(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	real, err := e.Files.Path(name)
	if err == nil {
		return real, nil
	}
	if _, notThere := os.Stat(name); notThere == nil {
		return "", err
	}
	return name, nil
}

// created is the time the image shall carry: none unless asked for.
func (args *BuildArgs) created(e *Env) (time.Time, error) {
	if args.Created != "" {
		t, err := time.Parse(time.RFC3339, args.Created)
		if err != nil {
			return t, fault.New(fault.Usage, args.Created, "not a time").WithHint("write it as 2026-01-31T12:00:00Z")
		}
		return t.UTC(), nil
	}
	return e.SourceDate()
}

// sourceDateEpoch is the variable of reproducible-builds.org.
const sourceDateEpoch = "SOURCE_DATE_EPOCH"

// SourceDate is the time that SOURCE_DATE_EPOCH fixes for everything that is
// made, zero when it is not set. It fails with Usage when that is no number.
func (e *Env) SourceDate() (time.Time, error) {
	epoch, ok := e.Lookup(sourceDateEpoch)
	if !ok || epoch == "" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return time.Time{}, fault.New(fault.Usage, sourceDateEpoch, "%q is not a number of seconds", epoch).
			WithHint("set it to seconds since 1970: export SOURCE_DATE_EPOCH=$(git log -1 --format=%%ct)")
	}
	return time.Unix(seconds, 0).UTC(), nil
}

func (args *BuildArgs) annotations(o engine.BuildOptions, built *engine.Built) map[string]string {
	all := map[string]string{
		artifact.AnnotationType:        "policy",
		artifact.AnnotationRegoVersion: built.RegoVersion,
	}
	for key, value := range map[string]string{
		artifact.AnnotationRevision: built.Revision,
		artifact.AnnotationSource:   args.Source,
	} {
		if value != "" {
			all[key] = value
		}
	}
	if !o.Created.IsZero() {
		all[artifact.AnnotationCreated] = o.Created.Format(time.RFC3339)
	}
	maps.Copy(all, args.Annotations)
	return all
}

// layer builds the bundle into the store, or finds there what an earlier build of
// the same sources left.
func (e *Env) layer(ctx context.Context, tx *store.Tx, o engine.BuildOptions, cache bool) (artifact.Descriptor, *engine.Built, error) {
	prepared, err := engine.Prepare(ctx, o)
	if err != nil {
		return artifact.Descriptor{}, nil, err
	}
	var kept *keptBuild
	if cache {
		key, err := prepared.Key(ctx)
		if err != nil {
			return artifact.Descriptor{}, nil, err
		}
		kept = e.Settings.keptBuild(key)
		if d, built := kept.load(); built != nil && tx.Has(ctx, d) {
			stepOf(ctx).cached()
			return d, built, nil
		}
	}
	in, err := tx.Create(ctx, artifact.Descriptor{MediaType: artifact.MediaTypeLayer})
	if err != nil {
		return artifact.Descriptor{}, nil, err
	}
	defer in.Close()
	built, err := prepared.Build(ctx, in)
	if err != nil {
		return artifact.Descriptor{}, nil, err
	}
	d, err := in.Commit(ctx)
	d.MediaType = artifact.MediaTypeLayer
	if err != nil {
		return d, nil, err
	}
	stepOf(ctx).moved(d.Size)
	e.Settings.markBuilt(d.Digest)
	kept.save(d, built)
	return d, built, nil
}
