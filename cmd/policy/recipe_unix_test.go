//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestUpdateAsks answers what recipe update asks, after it has shown what moved:
// only a yes writes the lock. Spec R5.8.
func TestUpdateAsks(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	dir := t.TempDir()
	gates, service := filepath.Join(dir, "gates"), filepath.Join(dir, "service")
	policy := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "policy", args...)
		cmd.Env, cmd.Dir = w.env, service
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("policy %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	if err := os.Mkdir(service, 0o700); err != nil {
		t.Fatal(err)
	}
	publish := func(version string) {
		t.Helper()
		toml := "[recipe]\nname = \"gates\"\nversion = \"" + version + "\"\n"
		if err := os.WriteFile(filepath.Join(gates, "policy.toml"), []byte(toml), 0o600); err != nil {
			t.Fatal(err)
		}
		policy("recipe", "publish", "registry.localhost/acme/gates:v1", gates)
	}
	policy("recipe", "new", gates)
	publish("1.0.0")
	policy("recipe", "add", "registry.localhost/acme/gates:v1", "--alias", "gates")
	publish("1.1.0")
	lock := func() string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(service, "policy.lock"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	before := lock()
	for how, do := range answers {
		s := w.sitIn(t, service, "recipe", "update")
		s.sees("Write this into policy.lock? [y/N] ")
		do(s)
		if code := s.leaves(); code != 130 && code != 143 || lock() != before {
			t.Errorf("%s: exit code %d\n%s", how, code, lock())
		}
		if !strings.Contains(s.stdout.String(), "version 1.0.0 → 1.1.0") {
			t.Errorf("%s: it was not shown:\n%s", how, s.stdout.String())
		}
	}
	s := w.sitIn(t, service, "recipe", "update", "@gates")
	s.sees("[y/N] ")
	s.types("y\r")
	if code := s.leaves(); code != 0 || lock() == before {
		t.Errorf("a yes: exit code %d\n%s", code, s.screen)
	}
}
