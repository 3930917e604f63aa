package builtins

import (
	"errors"
	"testing"

	"github.com/policyhost/policy/runtime/fault"
)

func TestListScope(t *testing.T) {
	t.Parallel()
	e := &Env{Settings: Settings{DefaultDomain: "docker.io"}}
	for name, tt := range map[string]struct {
		args       ListArgs
		host, path string
	}{
		"everything local":    {ListArgs{}, "", ""},
		"a remote default":    {ListArgs{Remote: true}, "docker.io", ""},
		"a host":              {ListArgs{Prefix: "ghcr.io"}, "ghcr.io", ""},
		"a host with a slash": {ListArgs{Prefix: "ghcr.io/"}, "ghcr.io", ""},
		"a port":              {ListArgs{Prefix: "localhost:5000/acme"}, "localhost:5000", "acme"},
		"localhost":           {ListArgs{Prefix: "localhost/acme"}, "localhost", "acme"},
		"an organisation":     {ListArgs{Prefix: "acme"}, "docker.io", "acme"},
		"a repository":        {ListArgs{Prefix: "ghcr.io/acme/authz"}, "ghcr.io", "acme/authz"},
		"Docker Hub":          {ListArgs{Prefix: "index.docker.io/acme"}, "docker.io", "acme"},
		"capitals":            {ListArgs{Prefix: "GHCR.io/acme"}, "ghcr.io", "acme"},
		"as opcr types it":    {ListArgs{Server: "ghcr.io", Organization: "acme"}, "ghcr.io", "acme"},
		"server only":         {ListArgs{Server: "ghcr.io"}, "ghcr.io", ""},
		"organisation only":   {ListArgs{Organization: "acme"}, "docker.io", "acme"},
	} {
		host, path, err := tt.args.scope(e)
		if err != nil || host != tt.host || path != tt.path {
			t.Errorf("%s: got %q %q %v, want %q %q", name, host, path, err, tt.host, tt.path)
		}
	}
	for name, args := range map[string]ListArgs{
		"both ways":     {Prefix: "acme", Server: "ghcr.io"},
		"no repository": {Prefix: "ghcr.io/Acme"},
		"no host":       {Server: "gh cr.io"},
		"climbing":      {Prefix: "ghcr.io/../acme"},
	} {
		if host, path, err := args.scope(e); !errors.Is(err, fault.Usage) {
			t.Errorf("%s: got %q %q %v", name, host, path, err)
		}
	}
}

func TestWithin(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		repository, host, path string
		want                   bool
	}{
		{"ghcr.io/acme/authz", "", "", true},
		{"ghcr.io/acme/authz", "ghcr.io", "", true},
		{"ghcr.io/acme/authz", "ghcr.io", "acme", true},
		{"ghcr.io/acme/authz", "ghcr.io", "acme/authz", true},
		{"ghcr.io/acme/authz", "ghcr.io", "acme/auth", false}, // whole parts only
		{"ghcr.io/acme-x/authz", "ghcr.io", "acme", false},
		{"ghcr.io.evil/acme/authz", "ghcr.io", "", false},
		{"quay.io/acme/authz", "ghcr.io", "acme", false},
	} {
		if got := within(tt.repository, tt.host, tt.path); got != tt.want {
			t.Errorf("%s below %s/%s: %t", tt.repository, tt.host, tt.path, got)
		}
	}
}
