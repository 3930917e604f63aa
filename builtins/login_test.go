package builtins

import (
	"errors"
	"strings"
	"testing"

	"github.com/policyhost/policy/runtime/fault"
)

func TestRegistryHost(t *testing.T) {
	t.Parallel()
	e := &Env{Settings: Settings{DefaultDomain: "registry.example.com"}}
	for _, tt := range []struct{ positional, server, want string }{
		{"", "", "registry.example.com"},
		{"ghcr.io", "", "ghcr.io"},
		{"", "ghcr.io", "ghcr.io"},
		{"ghcr.io", "ghcr.io", "ghcr.io"},
		{"https://ghcr.io/v2/", "", "ghcr.io"},
		{"http://localhost:5000", "", "localhost:5000"},
		{"GHCR.IO", "", "ghcr.io"},
		{"index.docker.io", "", "docker.io"},
		{"https://index.docker.io/v1/", "", "docker.io"},
		{"127.0.0.1:5000", "", "127.0.0.1:5000"},
	} {
		if got, err := e.registryHost(tt.positional, tt.server); err != nil || got != tt.want {
			t.Errorf("%q %q: got %q, %v, want %q", tt.positional, tt.server, got, err, tt.want)
		}
	}
	for _, tt := range []struct{ positional, server string }{
		{"ghcr.io", "quay.io"},
		{"-u", ""}, // the value of --server was lost
		{"", "-u"},
		{"gh cr.io", ""},
		{"ghcr.io:port", ""},
		{"jo@ghcr.io", ""},
		{"https://", ""},
	} {
		if got, err := e.registryHost(tt.positional, tt.server); !errors.Is(err, fault.Usage) {
			t.Errorf("%q %q: got %q, %v", tt.positional, tt.server, got, err)
		}
	}
}

func TestLoginPassword(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{"pw\n": "pw", "pw\r\n": "pw", "pw": "pw", " p w \n": " p w ", "a\nb\n": "a\nb", "pw\n\n": "pw\n"} {
		args := &LoginArgs{PasswordStdin: true}
		if got, err := args.password(&Env{In: strings.NewReader(typed)}); err != nil || got != want {
			t.Errorf("%q: got %q, %v", typed, got, err)
		}
	}
	for name, tt := range map[string]struct {
		args LoginArgs
		env  Env
	}{
		"twice":     {LoginArgs{PasswordStdin: true, Password: NewSecret("x")}, Env{In: strings.NewReader("y")}},
		"a script":  {LoginArgs{PasswordStdin: true}, Env{}},
		"an empty":  {LoginArgs{PasswordStdin: true}, Env{In: strings.NewReader("")}},
		"a newline": {LoginArgs{PasswordStdin: true}, Env{In: strings.NewReader("\n")}},
	} {
		if got, err := tt.args.password(&tt.env); !errors.Is(err, fault.Usage) || got != "" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}
