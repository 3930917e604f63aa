package artifact_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

const sum = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func TestParseName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, domain, want string }{
		{"foo", "docker.io", "docker.io/library/foo:latest"},
		{"foo", "ghcr.io", "ghcr.io/library/foo:latest"},
		{"foo:1.0", "opcr.io", "opcr.io/library/foo:1.0"},
		{"foo/bar", "opcr.io", "opcr.io/foo/bar:latest"},
		{"foo/bar:baz", "docker.io", "docker.io/foo/bar:baz"},
		{"foo/bar:baz", "localhost:5000", "localhost:5000/foo/bar:baz"},
		{"a/b/c/d:1", "ghcr.io", "ghcr.io/a/b/c/d:1"},
		{"docker.io/foo", "ghcr.io", "docker.io/library/foo:latest"},
		{"index.docker.io/foo:1", "ghcr.io", "docker.io/library/foo:1"},
		{"registry-1.docker.io/org/foo:1", "ghcr.io", "docker.io/org/foo:1"},
		{"ghcr.io/foo", "docker.io", "ghcr.io/foo:latest"},
		{"ghcr.io/org/name:tag", "docker.io", "ghcr.io/org/name:tag"},
		{"GHCR.io/org/name", "docker.io", "ghcr.io/org/name:latest"},
		{"LOCALHOST/foo", "docker.io", "localhost/foo:latest"},
		{"BUILDHOST/foo", "docker.io", "BUILDHOST/foo:latest"},
		{"localhost/foo", "docker.io", "localhost/foo:latest"},
		{"localhost:5000/foo", "docker.io", "localhost:5000/foo:latest"},
		{"127.0.0.1:5000/acme/authz:1.0.0", "docker.io", "127.0.0.1:5000/acme/authz:1.0.0"},
		{"[::1]:5000/acme/authz:1", "docker.io", "[::1]:5000/acme/authz:1"},
		{"registry.localhost/acme/authz:1", "docker.io", "registry.localhost/acme/authz:1"},
		{"localhost:5000", "docker.io", "docker.io/library/localhost:5000"},
		{"foo@" + sum, "docker.io", "docker.io/library/foo@" + sum},
		{"ghcr.io/org/name:tag@" + sum, "docker.io", "ghcr.io/org/name:tag@" + sum},
		{"a__b/c--d.e_f", "ghcr.io", "ghcr.io/a__b/c--d.e_f:latest"},
		{"foo:_x.Y-z", "ghcr.io", "ghcr.io/library/foo:_x.Y-z"},
	} {
		n, err := artifact.ParseName(tt.in, tt.domain)
		if err != nil || n.String() != tt.want {
			t.Errorf("%q under %s: got %q, %v, want %q", tt.in, tt.domain, n, err, tt.want)
		}
		again, err := artifact.ParseName(n.String(), "elsewhere.example")
		if err != nil || again != n {
			t.Errorf("%q: printed and read again it is %+v, %v", tt.in, again, err)
		}
	}
}

func TestParseNameRefuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", ":", "@", "/", "foo:", "foo@", "foo:a b", "foo/", "/foo", "foo//bar", "Foo", "foo/Bar", "ghcr.io/Foo/bar", "ghcr.io/",
		"foo@sha256:abc", "foo@md5:" + strings.Repeat("a", 32), "foo:tag@", "https://ghcr.io/foo", "oci://ghcr.io/foo",
		"foo:" + strings.Repeat("x", 129), "ghcr.io/" + strings.Repeat("x", 250), "foo/../bar", "./foo", "foo\nbar", "foo:\x1b[0m",
		"ghcr.io:port/foo", "-ghcr.io/foo", "foo..bar", "foo/_bar", "foo@" + sum + "@" + sum, "ghcr.io/foo:1:2",
	} {
		n, err := artifact.ParseName(in, "docker.io")
		if !errors.Is(err, fault.Usage) {
			t.Errorf("%q: got %q, %v, want a Usage fault", in, n, err)
		}
	}
}

func TestTyped(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in            string
		registry, tag bool
	}{
		{"foo", false, false}, {"foo:1", false, true}, {"ghcr.io/foo", true, false}, {"ghcr.io/foo:1", true, true},
		{"foo/bar@" + sum, false, true}, {"", false, false},
	} {
		if registry, tag := artifact.Typed(tt.in); registry != tt.registry || tag != tt.tag {
			t.Errorf("%q: got %v, %v", tt.in, registry, tag)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, seed := range []string{"foo", "foo/bar:baz", "localhost:5000/a/b:c", "ghcr.io/a@" + sum, "A.b/c", "[::1]:5/x", "docker.io/x", "index.docker.io/x", "localhost:5000"} {
		f.Add(seed, "docker.io")
		f.Add(seed, "ghcr.io")
	}
	f.Fuzz(func(t *testing.T, in, domain string) {
		if domain != "docker.io" && domain != "localhost:5000" {
			domain = "ghcr.io"
		}
		n, err := artifact.ParseName(in, domain)
		if err != nil {
			if !errors.Is(err, fault.Usage) {
				t.Fatalf("%q: %v is not Usage", in, err)
			}
			return
		}
		if n.Registry == "" || n.Repository == "" || n.Tag == "" && n.Digest == "" {
			t.Fatalf("%q: %+v is not complete", in, n)
		}
		again, err := artifact.ParseName(n.String(), "elsewhere.example")
		if err != nil || again != n {
			t.Fatalf("%q: %q read again is %+v, %v", in, n, again, err)
		}
	})
}
