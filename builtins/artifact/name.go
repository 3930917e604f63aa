package artifact

import (
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/policyhost/policy/runtime/fault"
)

// DefaultDomain is the registry of a reference that names none.
const DefaultDomain = "docker.io"

// Name is where an image lives, complete: registry and repository are never
// empty, and either a tag or a digest (or both) is set by [ParseName]. With
// both, the digest says which content and the tag is what it is called.
type Name struct {
	Registry   string // host[:port], "docker.io" for Docker Hub in any spelling
	Repository string // path below the registry, for example "acme/authz"
	Tag        string
	Digest     digest.Digest
}

// ParseName reads a reference as Docker does, with domain in place of
// docker.io: "foo" is DOMAIN/library/foo:latest, "foo/bar:1" is DOMAIN/foo/bar:1,
// and a reference that names a registry keeps it. It fails with Usage, naming
// the part that is wrong (spec artifact.md, references).
func ParseName(s, domain string) (Name, error) {
	n, _, err := parse(s, domain)
	return n, err
}

// Typed reports which parts of s were typed out: its registry, and its tag or
// digest. Look-ups use it to try older spellings of short names.
func Typed(s string) (registry, tag bool) {
	n, typed, err := parse(s, DefaultDomain)
	_ = n
	if err != nil {
		return false, false
	}
	return typed.registry, typed.tag
}

type typedParts struct{ registry, tag bool }

func parse(s, domain string) (Name, typedParts, error) {
	bad := func(format string, args ...any) (Name, typedParts, error) {
		return Name{}, typedParts{}, fault.New(fault.Usage, fmt.Sprintf("%q", WithoutPassword(s)), format, args...).
			WithHint("a reference looks like ghcr.io/org/name:tag")
	}
	var n Name
	var typed typedParts
	rest := s
	if s == "" {
		return bad("a reference must not be empty")
	}
	if strings.Contains(s, "://") {
		return bad("a reference has no scheme (%s://)", s[:strings.Index(s, "://")])
	}
	if name, d, ok := strings.Cut(rest, "@"); ok {
		n.Digest = digest.Digest(d)
		if err := n.Digest.Validate(); err != nil {
			if WithoutPassword(s) != s {
				return bad("a reference has no user and no password; policy login -s HOST -u USER keeps those")
			}
			return bad("%q is not a digest: %w", d, err)
		}
		typed.tag = true
		rest = name
	}
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') {
		// A lone "localhost:5000" is a name and a tag, as it is for Docker.
		rest, n.Tag = rest[:i], rest[i+1:]
		if !isTag(n.Tag) {
			return bad("%q is not a tag: letters, digits, _ . - only, at most 128", n.Tag)
		}
		typed.tag = true
	}
	first, path, slash := strings.Cut(rest, "/")
	if slash && (strings.ContainsAny(first, ".:") || first == "localhost" || strings.ToLower(first) != first) {
		n.Registry, rest = first, path
		typed.registry = true
	} else {
		n.Registry = domain
		if !slash {
			rest = "library/" + rest
		}
	}
	if !isDomain(n.Registry) {
		return bad("%q is not a registry host", n.Registry)
	}
	n.Registry = canonicalHost(n.Registry)
	if n.Registry == DefaultDomain && !strings.Contains(rest, "/") {
		rest = "library/" + rest
	}
	for part := range strings.SplitSeq(rest, "/") {
		if !isPathPart(part) {
			if strings.ToLower(part) != part {
				return bad("the repository %q must be lower case", rest)
			}
			return bad("%q is not a repository name", rest)
		}
	}
	if len(n.Registry)+1+len(rest) > 255 {
		return bad("the repository is longer than 255 characters")
	}
	n.Repository = rest
	if n.Tag == "" && n.Digest == "" {
		n.Tag = "latest"
	}
	return n, typed, nil
}

// canonicalHost folds the spellings of one registry into one.
func canonicalHost(host string) string {
	switch lower := strings.ToLower(host); {
	case lower == "index.docker.io", lower == "registry-1.docker.io", lower == "registry.hub.docker.com":
		return DefaultDomain
	case lower != "localhost" && !strings.ContainsAny(lower, ".:"):
		return host // its capitals are all that tells it from a repository
	default:
		return lower
	}
}

// Familiar is the repository with its registry, without tag or digest.
func (n Name) Familiar() string {
	if n.Repository == "" { // the registry as a whole
		return n.Registry
	}
	return n.Registry + "/" + n.Repository
}

// Tagged is the name an image is stored under: registry/repository:tag, or
// registry/repository@digest when there is no tag.
func (n Name) Tagged() string {
	if n.Tag == "" {
		return n.Familiar() + "@" + n.Digest.String()
	}
	return n.Familiar() + ":" + n.Tag
}

// String is the whole reference, with everything that is known.
func (n Name) String() string {
	s := n.Familiar()
	if n.Tag != "" {
		s += ":" + n.Tag
	}
	if n.Digest != "" {
		s += "@" + n.Digest.String()
	}
	return s
}

// WithoutPassword is s, which may be meant as a URL or a reference, for a message:
// in user:password@host the password is ***.
func WithoutPassword(s string) string {
	scheme, rest := "", s
	if before, after, ok := strings.Cut(s, "://"); ok {
		scheme, rest = before+"://", after
	}
	end := len(rest)
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		end = slash
	}
	at := strings.LastIndexByte(rest[:end], '@')
	user, _, ok := strings.Cut(rest[:max(at, 0)], ":")
	if at < 0 || !ok || digest.Digest(rest[at+1:]).Validate() == nil {
		return s
	}
	return scheme + user + ":***" + rest[at:]
}
