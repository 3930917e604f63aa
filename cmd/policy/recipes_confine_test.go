package main

import (
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/builtins/artifact"
)

// TestHintIsOneWord: what hostile code asks for is no command for who types the hint.
func TestHintIsOneWord(t *testing.T) {
	t.Parallel()
	u := &usedRecipe{Recipe: &builtins.Recipe{}, ask: "add --grant"}
	for value, want := range map[string]string{
		"ghcr.io/acme/*": "files:ghcr.io/acme/*", "a b": "'files:a b'", "x;id": "'files:x;id'", "$(id)": "'files:$(id)'",
		"it's": `'files:it'\''s'`, "é": "'files:é'", "a\nid": "'files:a\nid'",
	} {
		if got := u.hint(artifact.Need{Kind: "files", Value: value}); got != "if it shall be: add --grant "+want {
			t.Errorf("%q: %s", value, got)
		}
	}
}

// TestGrantsOfAChain: a recipe that says it needs nothing gets nothing through another.
func TestGrantsOfAChain(t *testing.T) {
	t.Parallel()
	used := func(name, needed, granted string, loader *usedRecipe) *usedRecipe {
		recipe := &builtins.Recipe{Ref: "oci://a.test/x/" + name + ":1", Digest: artifact.Digest("sha256:" + strings.Repeat("0", 64))}
		recipe.Config.Needs = needs(t, needed)
		return &usedRecipe{Recipe: recipe, Granted: needs(t, granted), loader: loader, ask: "--grant"}
	}
	outer := used("outer", "env:CI", "env:CI,files:cases", nil)
	modest := used("modest", "", "", outer)
	env := used("env", "env:*,env:CI", "", outer)
	const undeclared, through, grant = "it does not say that it needs this", "it is loaded by a recipe that does not say", "if it shall be: --grant "
	for _, tt := range []struct {
		of         *usedRecipe
		want       string
		need, hint string // of a need that is refused
	}{
		{outer, "files:cases,env:CI", "write:a.test/y", grant + "write:a.test/y"},
		{modest, "", "files:cases", undeclared},
		{env, "env:CI", "files:cases", undeclared},
		{used("greedy", "env:*,files:cases,env:CI", "", modest), "", "env:CI", through},
		{used("greedy", "env:CI,files:cases", "", env), "env:CI", "files:cases", through},
		{used("greedy", "env:CI,files:cases", "", env), "env:CI", "files:other", grant + "files:other"},
		{used("greedy", "env:CI", "", used("between", "env:CI", "", modest)), "", "env:CI", through},
	} {
		if got := tt.of.grants().String(); got != tt.want {
			t.Errorf("%s has %q, want %q", tt.of.Ref, got, tt.want)
		}
		kind, value, _ := strings.Cut(tt.need, ":")
		if got := tt.of.hint(artifact.Need{Kind: kind, Value: value}); !strings.HasPrefix(got, tt.hint) {
			t.Errorf("%s: %s", tt.of.Ref, got)
		}
	}
	// What is loaded in two ways is two packages when it may do different things, else
	// one: also before anything is granted.
	r := &recipes{used: map[string]*usedRecipe{}, named: map[string]string{}}
	outer.Granted = artifact.Needs{}
	id := func(loader *usedRecipe) string { return r.offer(used("greedy", "env:CI", "", loader)).ID }
	if id(modest) == id(env) || id(outer) != id(env) {
		t.Errorf("%s\n%s\n%s", id(modest), id(env), id(outer))
	}
}
