package main

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/policyhost/policy/cmd/internal/config"
)

// TestCompleteTags holds that what complete:"…" says of a value is a kind that
// there is, or a value that the help names.
func TestCompleteTags(t *testing.T) {
	t.Parallel()
	a := new(app)
	kinds := (&completer{app: a}).kinds()
	used := map[string]bool{}
	check := func(values []*kong.Value, where string) {
		for _, v := range values {
			for _, word := range kindsOf(v) {
				used[word] = true
				if kinds[word] == nil && !v.IsBool() && !strings.Contains(v.Help, strings.TrimSuffix(word, "=")) {
					t.Errorf("%s %s: %q is no kind, and the help does not name it", where, v.Name, word)
				}
			}
		}
	}
	a.printer = newApp(nil, nil, nil, nil, func(string) (string, bool) { return "", false }).printer
	parser, err := a.grammar(new(config.Flags), entries())
	if err != nil {
		t.Fatal(err)
	}
	check(parser.Model.Values(), "policy")
	for _, leaf := range parser.Model.Leaves(false) {
		check(leaf.Values(), leaf.FullPath())
	}
	for kind := range kinds {
		if !used[kind] {
			t.Errorf("nothing takes a %s", kind)
		}
	}
}
