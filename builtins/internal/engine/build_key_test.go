package engine_test

import (
	"io"
	"maps"
	"testing"
	"time"

	"github.com/policyhost/policy/builtins/internal/engine"
)

func TestKey(t *testing.T) {
	t.Parallel()
	key := func(files map[string]string, o engine.BuildOptions) string {
		t.Helper()
		o.Paths = paths(tree(t, files))
		p, err := engine.Prepare(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		k, err := p.Key(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Build(t.Context(), io.Discard); err != nil {
			t.Fatal(err)
		}
		return k
	}
	change := func(name, text string) map[string]string {
		c := maps.Clone(sample)
		c[name] = text
		return c
	}
	first := key(sample, engine.BuildOptions{})
	if again := key(sample, engine.BuildOptions{RegoVersion: "rego.v1"}); again != first || first == "" {
		t.Errorf("the same sources have the keys %q and %q", first, again)
	}
	if k := key(change("notes.txt", "x"), engine.BuildOptions{}); k != first {
		t.Error("a file that does not count changes the key")
	}
	seen := map[string]string{first: "the first"}
	for name, k := range map[string]string{
		"module":       key(change("authz/authz.rego", "package authz\n\nallow := 1\n"), engine.BuildOptions{}),
		"data":         key(change("authz/data.json", `{"users":{}}`), engine.BuildOptions{}),
		"new file":     key(change("x.rego", "package x"), engine.BuildOptions{}),
		"manifest":     key(change(".manifest", `{"metadata":{"a":1}}`), engine.BuildOptions{}),
		"revision":     key(sample, engine.BuildOptions{Revision: "r"}),
		"time":         key(sample, engine.BuildOptions{Created: time.Unix(1, 0)}),
		"entrypoint":   key(sample, engine.BuildOptions{Entrypoints: []string{"authz/allow"}}),
		"target":       key(sample, engine.BuildOptions{Target: "wasm"}),
		"capabilities": key(sample, engine.BuildOptions{Capabilities: "v1.0.0"}),
		"limits":       key(sample, engine.BuildOptions{Limits: engine.Limits{Ratio: 7}}),
	} {
		if other, ok := seen[k]; ok || k == "" {
			t.Errorf("%s and %s have the same key %q", name, other, k)
		}
		seen[k] = name
	}
	if k := key(sample, engine.BuildOptions{Signing: engine.Signing{Key: "x", Algorithm: "HS256"}}); k != "" {
		t.Errorf("a signed build has the key %q", k)
	}
}
