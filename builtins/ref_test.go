package builtins

import (
	"errors"
	"testing"

	"github.com/policyhost/policy/runtime/fault"
)

// Spec A4.7: what begins like a path or ends like a file is one.
func TestLooksLikePath(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]bool{
		"":                       true,
		".":                      true,
		"./policies":             true,
		"../policies":            true,
		".hidden":                true,
		"/srv/policies":          true,
		"~/policies":             true,
		"bundle.tar.gz":          true,
		"out/bundle.tgz":         true,
		"authz.rego":             true,
		"data.json":              true,
		"policies":               false, // ./policies is the folder
		"acme/authz":             false,
		"acme/authz:1.0":         false,
		"ghcr.io/acme/authz:1.0": false,
		"localhost:5000/a:b":     false,
		"authz.rego:1.0":         false,
		"bundle.tar":             false,
		"data.yaml":              false,
	} {
		if got := looksLikePath(typed); got != want {
			t.Errorf("%q: got %t, want %t", typed, got, want)
		}
	}
}

func TestParseRef(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{"authz", "acme/authz:1.0", "ghcr.io/acme/authz:1.0", "sha256:abc", "9c1f", "9c1f20aa4b1e"} {
		if r, err := ParseRef(typed); err != nil || r.String() != typed {
			t.Errorf("%q: got %q, %v", typed, r, err)
		}
	}
	for _, typed := range []string{"", "https://ghcr.io/acme/authz", "Acme/authz:", "acme/Authz", "acme//authz", "a b", "acme/authz@sha256:12"} {
		if _, err := ParseRef(typed); !errors.Is(err, fault.Usage) {
			t.Errorf("%q: got %v", typed, err)
		}
	}
}

// Spec A4.6: digits that are too few are a name.
func TestIsDigestPrefix(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]bool{
		"9c1f20a":        true,
		"9c1f20":         false, // six
		"9c1f20g":        false, // g is no digit
		"9C1F20A":        false,
		"sha256:9":       true,
		"sha256:":        false,
		"sha512:9c1f20a": false,
		"":               false,
		"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef":  true,
		"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0": false,
	} {
		if got := isDigestPrefix(typed, prefixDigits); got != want {
			t.Errorf("%q: got %t, want %t", typed, got, want)
		}
	}
}
