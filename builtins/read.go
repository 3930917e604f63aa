package builtins

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// RefArgs name one image, and what to give when it does not exist.
type RefArgs struct {
	Ref     Ref   `arg:"" help:"Image to look for, in the local store and then in its registry."`
	Default Value `cli:"-" help:"What to give when there is no such image, instead of failing."`
}

// Digest gives the digest of an image's manifest: of the local image if there
// is one, else of the one in its registry.
func Digest(ctx context.Context, e *Env, args *RefArgs) (any, error) {
	d, err := e.digest(ctx, args.Ref)
	if args.Default.given && errors.Is(err, fault.NotFound) {
		return args.Default.value, nil
	}
	return d.String(), err
}

func (e *Env) digest(ctx context.Context, r Ref) (artifact.Digest, error) {
	entry, err := e.entry(ctx, r, prefixDigits)
	if err == nil || !errors.Is(err, fault.NotFound) {
		return imageDigest(entry), err
	}
	name, err := e.name(r)
	if err != nil {
		return "", err
	}
	d, err := e.Remote.Resolve(ctx, name)
	return d.Digest, err
}

// ExistsArgs are the arguments of [Exists].
type ExistsArgs struct {
	Ref Ref `arg:"" help:"Image to look for, in the local store and then in its registry."`
}

// Exists reports whether there is such an image, here or in its registry. That
// it is absent is an answer; that the registry cannot say is a failure.
func Exists(ctx context.Context, e *Env, args *ExistsArgs) (bool, error) {
	_, err := e.digest(ctx, args.Ref)
	if errors.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// TagsArgs are the arguments of [Tags].
type TagsArgs struct {
	Repository Ref   `arg:"" complete:"repository" help:"Repository whose tags to list, for example ghcr.io/acme/authz."`
	Default    Value `cli:"-" help:"What to give when the registry has no such repository, instead of failing."`
}

// Tags gives the tags of a repository in its registry, a []string as the registry
// orders them.
func Tags(ctx context.Context, e *Env, args *TagsArgs) (any, error) {
	repository, err := e.name(args.Repository)
	if err != nil {
		return nil, err
	}
	names, err := e.tagsOf(ctx, repository, true)
	if args.Default.given && errors.Is(err, fault.NotFound) {
		return args.Default.value, nil
	}
	tags := make([]string, len(names))
	for i, n := range names {
		tags[i] = n.Tag
	}
	return tags, err
}

// PathArgs name a file below the project folder, and what to give when it does
// not exist.
type PathArgs struct {
	Path    string `arg:"" help:"File below the project folder."`
	Default Value  `help:"What to give when there is no such file, instead of failing."`
}

// maxText bounds a file read into a script: 256 MiB.
const maxText = 256 << 20

// read gives what parse makes of a file.
func (a *PathArgs) read(e *Env, parse func(text []byte) (any, error)) (any, error) {
	text, err := readAll(e.Files, a.Path, maxText)
	if a.Default.given && errors.Is(err, fault.NotFound) {
		return a.Default.value, nil
	}
	if err != nil {
		return nil, err
	}
	return parse(text)
}

// ReadText gives the text of a file, a string.
func ReadText(_ context.Context, e *Env, args *PathArgs) (any, error) {
	return args.read(e, func(text []byte) (any, error) { return string(text), nil })
}

// ReadJSON gives the value of a JSON file, a json.RawMessage.
func ReadJSON(_ context.Context, e *Env, args *PathArgs) (any, error) {
	return args.read(e, func(text []byte) (any, error) {
		if err := artifact.ValidateJSON(bytes.NewReader(text)); err != nil {
			return nil, fault.New(fault.Invalid, args.Path, "not JSON: %w", err)
		}
		return json.RawMessage(text), nil
	})
}

// ReadYAML gives the value of a YAML file, a json.RawMessage.
func ReadYAML(_ context.Context, e *Env, args *PathArgs) (any, error) {
	return args.read(e, func(text []byte) (any, error) { return yamlToJSON(args.Path, text) })
}

// GlobArgs are the arguments of [Glob].
type GlobArgs struct {
	Pattern string `arg:"" help:"Pattern of files below the project folder: * ? [a-z], and ** for any folders."`
}

// Glob gives the files that match a pattern, sorted.
func Glob(_ context.Context, e *Env, args *GlobArgs) ([]string, error) {
	found, err := e.Files.Glob(args.Pattern)
	if found == nil {
		found = []string{}
	}
	return found, err
}

// VariableArgs name an environment variable.
type VariableArgs struct {
	Name    string `arg:"" help:"Environment variable."`
	Default Value  `help:"What to give when it is not set, instead of failing."`
}

// Variable gives the value of an environment variable.
func Variable(_ context.Context, e *Env, args *VariableArgs) (any, error) {
	if err := e.may("env", args.Name); err != nil {
		return nil, err
	}
	value, ok := e.Lookup(args.Name)
	switch {
	case ok:
		return value, nil
	case args.Default.given:
		return args.Default.value, nil
	}
	return nil, fault.New(fault.NotFound, args.Name, "not set in the environment").
		WithHint("set it (export %s=…), or give a default", args.Name)
}

// SecretArgs name an environment variable that holds a secret.
type SecretArgs struct {
	Name    string `arg:"" help:"Environment variable that holds the secret."`
	Default Value  `help:"What to give when it is not set or empty, instead of failing; it is no secret."`
}

// ReadSecret gives the value of an environment variable as a Secret, which is
// never printed and which only parameters for secrets accept.
func ReadSecret(_ context.Context, e *Env, args *SecretArgs) (any, error) {
	secret, err := e.secret(args.Name)
	switch {
	case err == nil:
		return secret, nil
	case args.Default.given && errors.Is(err, fault.NotFound):
		return args.Default.value, nil
	}
	return nil, err
}

func (e *Env) secret(name string) (Secret, error) {
	if err := e.may("env", name); err != nil {
		return Secret{}, err
	}
	value, ok := e.Lookup(name)
	if !ok || value == "" {
		return Secret{}, fault.New(fault.NotFound, name, "no such secret in the environment").
			WithHint("set it where the pipeline runs: export %s=…", name)
	}
	e.Secrets.Add(value)
	return NewSecret(value), nil
}
