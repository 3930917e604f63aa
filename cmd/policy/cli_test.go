package main

import (
	"testing"

	"github.com/policyhost/policy/cmd/internal/config"
)

// No command has two flags of one name or letter: kong would take one of them, the
// global one perhaps, and say nothing.
func TestFlagsAreDistinct(t *testing.T) {
	t.Parallel()
	a := newApp(nil, nil, nil, nil, func(string) (string, bool) { return "", false })
	parser, err := a.grammar(new(config.Flags), entries())
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range parser.Model.Leaves(false) {
		seen := map[string]string{}
		for _, group := range leaf.AllFlags(false) {
			for _, f := range group {
				words := []string{"--" + f.Name}
				if f.Short != 0 {
					words = append(words, "-"+string(f.Short))
				}
				for _, word := range words {
					if other := seen[word]; other != "" {
						t.Errorf("%s: %s is --%s and --%s", leaf.FullPath(), word, other, f.Name)
					}
					seen[word] = f.Name
				}
			}
		}
	}
}
