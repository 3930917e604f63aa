package builtins

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// Ref is a reference as it was typed: ghcr.io/acme/authz:1.0, a short name, or
// the beginning of a digest where a local image is meant. Text is checked when
// it is set; the default domain is applied when a verb uses it.
type Ref struct{ text string }

// ParseRef reads a reference. It fails with Usage when text is none.
func ParseRef(text string) (Ref, error) {
	var r Ref
	err := r.UnmarshalText([]byte(text))
	return r, err
}

// UnmarshalText is [ParseRef] for the doors.
func (r *Ref) UnmarshalText(text []byte) error {
	if _, err := artifact.ParseName(string(text), artifact.DefaultDomain); err != nil && !isDigestPrefix(string(text), 4) {
		return err
	}
	r.text = string(text)
	return nil
}

// String is the reference as typed.
func (r Ref) String() string { return r.text }

// name completes the reference with the default domain.
func (e *Env) name(r Ref) (artifact.Name, error) {
	return artifact.ParseName(r.text, e.Settings.DefaultDomain)
}

// isDigestPrefix reports whether s can stand for a local image's digest:
// "sha256:" and hex digits, or at least atLeast hex digits.
func isDigestPrefix(s string, atLeast int) bool {
	hex, algorithm := strings.CutPrefix(s, "sha256:")
	if algorithm {
		atLeast = 1
	}
	return len(hex) >= atLeast && len(hex) <= 64 && strings.Trim(hex, "0123456789abcdef") == ""
}

// Digest prefixes shorter than these many hex digits are names. Users of opcr
// policy type four of them to tag.
const (
	prefixDigits    = 7
	tagPrefixDigits = 4
)

// entry finds the local image that r means: the name as typed, the two places
// where versions of opcr policy kept short names, then a digest prefix.
func (e *Env) entry(ctx context.Context, r Ref, prefixDigits int) (store.Entry, error) {
	name, nameErr := e.name(r)
	if nameErr == nil {
		for _, candidate := range spellings(r.text, name) {
			found, err := e.lookup(ctx, candidate)
			if err == nil || !errors.Is(err, fault.NotFound) {
				return found, err
			}
		}
	}
	if !isDigestPrefix(r.text, prefixDigits) {
		if nameErr != nil {
			return store.Entry{}, nameErr
		}
		return store.Entry{}, e.missing(ctx, name)
	}
	return e.byDigest(ctx, r.text)
}

// spellings are the names under which a reference may be stored, best first.
func spellings(typed string, name artifact.Name) []artifact.Name {
	all := []artifact.Name{name}
	if registry, _ := artifact.Typed(typed); !registry {
		if short, ok := strings.CutPrefix(name.Repository, "library/"); ok {
			bare := name
			bare.Repository = short
			all = append(all, bare)
		}
	}
	return all
}

// lookup finds name; with a digest, the tag may have moved on since: the content
// counts, as long as it is there.
func (e *Env) lookup(ctx context.Context, name artifact.Name) (store.Entry, error) {
	found, err := e.Store.Get(ctx, name.Tagged())
	if name.Digest == "" || (err == nil && (found.Digest == name.Digest || imageDigest(found) == name.Digest)) {
		return found, err
	}
	if err != nil && !errors.Is(err, fault.NotFound) {
		return store.Entry{}, err
	}
	if !e.mayHave(ctx, name.Digest) {
		return store.Entry{}, e.missing(ctx, name)
	}
	raw, err := e.Store.Read(ctx, artifact.Descriptor{Digest: name.Digest}, maxManifest)
	if err != nil {
		return store.Entry{}, err
	}
	m, err := artifact.ParseManifest(raw)
	if err != nil {
		return store.Entry{}, err
	}
	return store.Entry{
		Name:       name.Tagged(),
		Descriptor: artifact.Descriptor{MediaType: m.MediaType, Digest: name.Digest, Size: int64(len(raw))},
	}, nil
}

// byDigest finds the one image whose digest begins with prefix.
func (e *Env) byDigest(ctx context.Context, prefix string) (store.Entry, error) {
	found, err := e.Store.FindDigest(ctx, prefix)
	if err == nil && len(found) == 0 {
		found, err = e.adoptedBy(ctx, prefix)
	}
	if err != nil {
		return store.Entry{}, err
	}
	if len(found) == 0 {
		return store.Entry{}, fault.New(fault.NotFound, prefix, "no local image has this name or a digest that begins so").
			WithHint("see what there is: policy images")
	}
	for _, other := range found[1:] {
		if other.Digest != found[0].Digest {
			var names []string
			for _, f := range found {
				names = append(names, fmt.Sprintf("%s (%s)", f.Name, f.Digest.Encoded()[:12]))
			}
			return store.Entry{}, fault.New(fault.Usage, prefix, "begins the digests of several images: %s", strings.Join(names, ", ")).
				WithHint("type more of the digest, or a name")
		}
	}
	return found[0], nil
}

// missing says that an image is not in the store, and what to do about it.
func (e *Env) missing(ctx context.Context, name artifact.Name) error {
	f := fault.New(fault.NotFound, name.String(), "not in the local store")
	if near := e.near(ctx, name); near != "" {
		return f.WithHint("did you mean %s?", near)
	}
	return f.WithHint("pull it (policy pull %s) or build it (policy build DIR -t %s)", name.Tagged(), name.Tagged())
}

// near is the name in the store that name was meant to be, "" if none is like it.
func (e *Env) near(ctx context.Context, name artifact.Name) string {
	all, err := e.Store.List(ctx)
	if err != nil {
		return ""
	}
	var names []string
	for _, entry := range all {
		if withoutHost(entry.Name) == withoutHost(name.Tagged()) { // named when another domain was the default
			return entry.Name
		}
		names = append(names, e.short(entry.Name))
	}
	return fault.Nearest(e.short(name.Tagged()), names)
}

// withoutHost is a name without its registry.
func withoutHost(name string) string {
	_, rest, _ := strings.Cut(name, "/")
	return strings.TrimPrefix(rest, "library/")
}

// short is a name without what the default domain adds to it: what a person
// mistypes is the rest.
func (e *Env) short(name string) string {
	if rest, ok := strings.CutPrefix(name, e.Settings.DefaultDomain+"/"); ok {
		name = strings.TrimPrefix(rest, "library/")
	}
	return strings.TrimSuffix(name, ":latest")
}

// looksLikePath tells a path from a reference where an argument may be either
// (spec artifact.md, references).
func looksLikePath(s string) bool {
	if s == "" || strings.ContainsAny(s[:1], "./~:") || filepath.VolumeName(s) != "" {
		return true
	}
	for _, end := range []string{".tar.gz", ".tgz", ".rego", ".json"} {
		if strings.HasSuffix(s, end) {
			return true
		}
	}
	return false
}
