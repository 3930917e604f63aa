package creds_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/policyhost/policy/builtins/internal/creds"
	"github.com/policyhost/policy/runtime/fault"
)

// FuzzConfig: no file makes us panic, every refusal is Invalid, and what a login
// writes can be read back with all else in it.
func FuzzConfig(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `null`, `{"auths": {"ghcr.io": {"auth": "dXM6cHc="}}}`,
		`{"auths": {"https://index.docker.io/v1/": {"identitytoken": "t"}, "quay.io/team": {}}, "credsStore": "", "x": [1, {"y": null}]}`,
		`{"auths": {"ghcr.io": {"auth": "%%%"}}, "auths": {}}`, "{\"credHelpers\": {\"a\": \"../b\"}}", "\xef\xbb\xbf{\n}", `{"AUTHS": {"\u0000": 1}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		root := t.TempDir()
		if err := os.WriteFile(filepath.Join(root, "config.json"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		k := creds.New(creds.Options{Root: root, Getenv: func(string) string { return "" }})
		refused := func(err error) bool {
			if err == nil {
				return false
			}
			if kind := fault.Of(err).Kind; kind != fault.Invalid && kind != fault.Denied { // Denied: a helper that is not there
				t.Fatalf("%s: %v", kind, err)
			}
			return true
		}
		before, err := k.List(t.Context())
		if refused(err) {
			return
		}
		want := creds.Credential{Username: "us", Password: "pw"}
		where, err := k.Put(t.Context(), "fuzz.example.com", want)
		if refused(err) {
			return
		}
		got, err := k.Get(t.Context(), "fuzz.example.com", "a/b")
		if err != nil || got != want || where != "file" {
			t.Fatalf("got %s, %v from %s", plain(got), err, where)
		}
		after, err := k.List(t.Context())
		if err != nil || len(after) < len(before) || len(after) > len(before)+1 {
			t.Fatalf("%d logins before, %d after, %v", len(before), len(after), err)
		}
	})
}

// FuzzLegacy: no old file makes us panic, every refusal is Invalid, and whatever
// it says is known after it was moved.
func FuzzLegacy(f *testing.F) {
	for _, seed := range []string{
		"", "{}\n", "---\n# none\n", "ghcr.io:\n  type: basic\n  username: jo\n  password: pw\n  default: true\n",
		"a:1:\n  username: \"a\\tb\"\n  password: |-\n    {\n      x\n\n    }\nb.io:\n  password: 'it''s'\n  username: <token>\r\n",
		"a:\n  password: |\n", "  password: x\n", "a: b\n", "a:\n  password: *x\n", "'a':\n  password: >\n    x\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		root := t.TempDir()
		old := filepath.Join(root, "policy-registries.yaml")
		if err := os.WriteFile(old, data, 0o600); err != nil {
			t.Fatal(err)
		}
		k := creds.New(creds.Options{Root: root, Getenv: func(string) string { return "" }})
		logins, err := k.Legacy()
		if err != nil {
			if kind := fault.Of(err).Kind; kind != fault.Invalid {
				t.Fatalf("%s: %v", kind, err)
			}
			return
		}
		if _, err := k.Migrate(t.Context()); err != nil {
			t.Fatalf("moving %v: %v", logins, err)
		}
		for _, l := range logins {
			if got, err := k.Get(t.Context(), l.Server, ""); err != nil || got == (creds.Credential{}) {
				t.Fatalf("%s: %s, %v", l.Server, plain(got), err)
			}
		}
		if _, err := os.Stat(old); len(logins) > 0 && err == nil {
			t.Fatal("the old file is still there")
		}
	})
}
