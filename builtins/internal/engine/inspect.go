package engine

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/util"
)

// Inspection is what a bundle says about itself. Nothing in it is verified.
type Inspection struct {
	Roots            []string       `json:"roots"`
	Revision         string         `json:"revision"`
	RegoVersion      string         `json:"rego_version"` // rego.v0, rego.v0v1, rego.v1
	Metadata         map[string]any `json:"metadata,omitempty"`
	Packages         []string       `json:"packages"`    // "authz.roles", sorted
	Entrypoints      []string       `json:"entrypoints"` // "authz/allow", from annotations and WebAssembly resolvers
	RequiredBuiltins []string       `json:"required_builtins"`
	Calls            []string       `json:"calls"` // built-in functions that its modules call: "http.send", sorted, without operators
	Signatures       []Signature    `json:"signatures"`
	Files            []FileInfo     `json:"files"`
	Annotations      []Annotation   `json:"annotations,omitempty"`
	Problems         []Problem      `json:"problems,omitempty"` // modules that do not parse
}

// Signature is one signature of a bundle, read but not verified.
type Signature struct {
	Algorithm string `json:"algorithm"`
	KeyID     string `json:"key_id"`
	Scope     string `json:"scope,omitempty"`
	Issuer    string `json:"issuer,omitempty"`
	Files     int    `json:"files"` // how many files it covers
	Plugin    string `json:"plugin,omitempty"`
}

// Annotation is one METADATA block.
type Annotation struct {
	Path        string         `json:"path"` // what it is about: "data.authz.allow"
	File        string         `json:"file"`
	Line        int            `json:"line"` // of the rule or package it is about, from 1
	Scope       string         `json:"scope"`
	Title       string         `json:"title,omitempty"`
	Description string         `json:"description,omitempty"`
	Entrypoint  bool           `json:"entrypoint,omitempty"`
	Authors     []string       `json:"authors,omitempty"`
	Orgs        []string       `json:"organizations,omitempty"`
	Resources   []string       `json:"related_resources,omitempty"`
	Custom      map[string]any `json:"custom,omitempty"`
}

// Inspect reads a bundle's layer or a local tarball from r to its end and says
// what is in it, without compiling anything: a module that does not parse is a
// problem in the answer, not an error. It fails as [OpenBundle] does.
func Inspect(ctx context.Context, r io.Reader, o OpenOptions) (*Inspection, error) {
	b, err := OpenBundle(ctx, r, o)
	if err != nil {
		return nil, err
	}
	p := b.parts[0]
	in := &Inspection{
		Roots:            *p.manifest.Roots,
		Revision:         p.manifest.Revision,
		RegoVersion:      versionName(b.version),
		Metadata:         p.manifest.Metadata,
		Files:            append([]FileInfo{}, p.files...),
		RequiredBuiltins: append([]string{}, util.KeysSorted(p.stubs)...),
		Entrypoints:      []string{},
		Signatures:       []Signature{},
	}
	if v := p.manifest.RegoVersion; v != nil {
		if version, err := ast.RegoVersionFromIntStrict(*v); err == nil {
			in.RegoVersion = versionName(version)
		}
	}
	if err := parseAll(ctx, b.modules, b.caps); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		in.Problems = problemsOf(err)
	}
	packages := map[string]struct{}{}
	var parsed []*ast.Module
	for _, m := range b.modules {
		if pkg, err := m.packagePath(b.caps); err == nil {
			packages[strings.Join(pkg, ".")] = struct{}{}
		}
		if m.parsed != nil {
			parsed = append(parsed, m.parsed)
		}
	}
	in.Packages = append([]string{}, util.KeysSorted(packages)...)
	in.Calls = calledBy(parsed)
	in.annotate(parsed)
	for _, w := range p.wasm {
		in.Entrypoints = append(in.Entrypoints, strings.Join(w.path, "/"))
	}
	slices.Sort(in.Entrypoints)
	in.Entrypoints = slices.Compact(in.Entrypoints)
	if p.signatures != nil {
		in.Signatures = readSignatures(p.signatures)
	}
	slices.SortFunc(in.Files, func(a, b FileInfo) int { return strings.Compare(a.Path, b.Path) })
	return in, nil
}

func (in *Inspection) annotate(modules []*ast.Module) {
	set, errs := ast.BuildAnnotationSet(modules)
	if len(errs) > 0 {
		in.Problems = append(in.Problems, problemsOf(errs)...)
		return
	}
	for _, ref := range set.Flatten() {
		a := ref.Annotations
		if a == nil {
			continue
		}
		one := Annotation{
			Path: ref.Path.String(), Scope: a.Scope, Title: a.Title, Description: a.Description,
			Entrypoint: a.Entrypoint, Orgs: a.Organizations, Custom: a.Custom,
		}
		if ref.Location != nil {
			one.File, one.Line = ref.Location.File, ref.Location.Row
		}
		for _, who := range a.Authors {
			one.Authors = append(one.Authors, who.String())
		}
		for _, res := range a.RelatedResources {
			one.Resources = append(one.Resources, res.Ref.String())
		}
		in.Annotations = append(in.Annotations, one)
		if a.Entrypoint {
			if p, err := ref.Path.Ptr(); err == nil {
				in.Entrypoints = append(in.Entrypoints, p)
			}
		}
	}
}

// readSignatures reads the tokens for what they say of themselves. A token that
// is none is listed all the same: it is there, and will not verify.
func readSignatures(c *bundle.SignaturesConfig) []Signature {
	all := make([]Signature, 0, len(c.Signatures))
	for _, token := range c.Signatures {
		s := Signature{Plugin: c.Plugin}
		parts := strings.Split(token, ".")
		if len(parts) == 3 {
			var header struct{ Alg, Kid string }
			var payload struct {
				Files  []json.RawMessage
				KeyID  string `json:"keyid"`
				Scope  string
				Issuer string `json:"iss"`
			}
			decodePart(parts[0], &header)
			decodePart(parts[1], &payload)
			s.Algorithm, s.KeyID, s.Scope, s.Issuer, s.Files = header.Alg, payload.KeyID, payload.Scope, payload.Issuer, len(payload.Files)
			if s.KeyID == "" {
				s.KeyID = header.Kid
			}
		}
		all = append(all, s)
	}
	return all
}

func decodePart(text string, v any) {
	if raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "=")); err == nil {
		_ = json.Unmarshal(raw, v) // what cannot be read stays empty
	}
}

func versionName(v ast.RegoVersion) string {
	switch v {
	case ast.RegoV0:
		return "rego.v0"
	case ast.RegoV0CompatV1:
		return "rego.v0v1"
	case ast.RegoV2:
		return "rego.v2"
	default:
		return "rego.v1"
	}
}
