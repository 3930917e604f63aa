package artifact_test

import (
	"errors"
	"testing"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

func needs(t *testing.T, s string) artifact.Needs {
	t.Helper()
	n, err := artifact.ParseNeeds(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return n
}

func TestNeedsAllow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		granted, kind, value string
		want                 bool
	}{
		{"read:ghcr.io/acme/*", "read", "ghcr.io/acme/authz", true},
		{"read:ghcr.io/acme/*", "read", "ghcr.io/acme/a/b", true},
		{"read:ghcr.io/acme/*", "read", "ghcr.io/acme/*", true},
		{"read:ghcr.io/acme/*", "read", "ghcr.io/acmes/authz", false},
		{"read:ghcr.io/acme/*", "read", "ghcr.io/*", false},
		{"read:ghcr.io/acme/*", "write", "ghcr.io/acme/authz", false},
		{"write:ghcr.io/acme/*", "read", "ghcr.io/acme/authz", false},
		{"read:ghcr.io/acme/authz", "read", "ghcr.io/acme/authz2", false},
		{"read:ghcr.io/*", "read", "evil.test/acme/authz", false},
		{"read:ghcr.io/*", "read", "ghcr.io.evil.test/acme/authz", false},
		{"files:cases", "files", "cases", true},
		{"files:cases", "files", "cases/a/b.json", true},
		{"files:cases", "files", "cases2/a", false},
		{"files:cases", "files", "cases/a:rw", false},
		{"files:report:rw", "files", "report/a:rw", true},
		{"files:report:rw", "files", "report/a", true},
		{"files:.", "files", "any/thing", true},
		{"env:CI", "env", "CI", true},
		{"env:CI", "env", "CIRCLE", false},
		{"env:GITHUB_*", "env", "GITHUB_SHA", true},
		{"", "env", "CI", false},
	} {
		if got := needs(t, tt.granted).Allows(artifact.Need{Kind: tt.kind, Value: tt.value}); got != tt.want {
			t.Errorf("%q allows %s:%s = %v, want %v", tt.granted, tt.kind, tt.value, got, tt.want)
		}
	}
}

func TestNeedsText(t *testing.T) {
	t.Parallel()
	const text = "read:a.test/x/y,read:b.test/*,write:a.test/x/*,files:a%20b%2C:rw,env:CI"
	n := needs(t, "env:CI,read:b.test/*,read:a.test/x/y,files:a%20b%2C:rw,write:a.test/x/*,env:CI")
	if n.String() != text {
		t.Errorf("got %s, want %s", n, text)
	}
	if missing := n.Without(needs(t, "read:a.test/*,write:a.test/*,env:C*")); missing.String() != "read:b.test/*,files:a%20b%2C:rw" {
		t.Errorf("missing %s", missing)
	}
	for _, bad := range []string{
		"fly:moon", "read", "read:", "read:**", "read:ghcr.io", "read:ghcr.io/a*/b", "read:ghcr.io/acme/x:1", "read:GHCR/Acme/x",
		"files:/etc", "files:../x", "files:a/../../b", "files:a\\b", "env:A=B", "env:*A", "env:a%0Ab", "read:%zz",
	} {
		if _, err := artifact.ParseNeeds(bad); !errors.Is(err, fault.Usage) {
			t.Errorf("%q: got %v, want a usage fault", bad, err)
		}
	}
}
