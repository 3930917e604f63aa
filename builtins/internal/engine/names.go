package engine

import (
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// namesBelow are the next segments of the documents below a path: packages,
// rules and data. Packages that cannot be read are left out.
func (b *Bundle) namesBelow(path []string) map[string]bool {
	names := map[string]bool{}
	for _, m := range b.modules {
		pkg, err := m.packagePath(b.caps)
		if err != nil || !overlap(pkg, path) {
			continue
		}
		if len(pkg) > len(path) {
			names[pkg[len(path)]] = true
			continue
		}
		parsed, err := m.parse(b.caps)
		if err != nil {
			continue
		}
		for _, rule := range parsed.Rules {
			if at := definedAt(pkg, rule); len(at) > len(path) && overlap(at, path) {
				names[at[len(path)]] = true
			}
		}
	}
	if n, err := b.data.lookup(path); err == nil && n != nil && n.isObject() {
		keys, _ := n.keys()
		for _, key := range keys {
			names[key] = true
		}
	}
	return names
}

func sortedNames(names map[string]bool) []string { return slices.Sorted(maps.Keys(names)) }

// Complete gives the names that word may be the beginning of, sorted: packages,
// rules and documents below data, a segment at a time, and what the active
// package has.
func (s *Session) Complete(word string) []string {
	at := strings.LastIndexByte(word, '.')
	names := map[string]bool{}
	if path := strings.Split(word[:max(at, 0)], "."); at < 0 {
		names = s.bundle.namesBelow(pathOf(s.active))
		names["data"], names["input"] = true, true
	} else if path[0] == "data" {
		names = s.bundle.namesBelow(path[1:])
	}
	return slices.Collect(func(yield func(string) bool) {
		for _, name := range sortedNames(names) {
			full := word[:at+1] + name
			if strings.HasPrefix(full, word) && ast.IsVarCompatibleString(name) && !yield(full) {
				return
			}
		}
	})
}
