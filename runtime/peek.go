package runtime

import (
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/policyhost/policy/runtime/fault"
)

// peek parses what name means in a load statement of from, and runs nothing.
func (l *loader) peek(from *module, name string) (*module, error) {
	m, err := l.resolve(from, name)
	if err != nil {
		return nil, err
	}
	if known := l.modules[m.key()]; known != nil && known.file != nil {
		return known, nil
	}
	if known := l.peeked[m.key()]; known != nil {
		return known, nil
	}
	if m.text, err = l.read(m, name); err != nil {
		return nil, err
	}
	if l.peeked == nil {
		l.peeked = make(map[string]*module)
	}
	if err := parse(m, false); err != nil {
		return nil, loadFault(fault.Script, name, "%w", err)
	}
	l.peeked[m.key()] = m
	return m, nil
}

// cycleThrough is the circle of files that a load statement of m closes, empty
// when it closes none.
func (l *loader) cycleThrough(m, other *module) string {
	seen := map[string]bool{}
	var visit func(at *module, chain []string) string
	visit = func(at *module, chain []string) string {
		chain = append(chain, at.Name)
		if at.key() == m.key() {
			return strings.Join(chain, " → ")
		}
		if seen[at.key()] {
			return ""
		}
		seen[at.key()] = true
		for _, load := range at.loads() {
			if next, err := l.peek(at, load.ModuleName()); err == nil {
				if found := visit(next, slices.Clone(chain)); found != "" {
					return found
				}
			}
		}
		return ""
	}
	return visit(other, []string{m.Name})
}

// env is what a module sees besides the names of the language; the host is asked
// once.
func (l *loader) env(m *module) starlark.StringDict {
	if m.env == nil {
		m.env = l.host.predeclared(m)
	}
	return m.env
}
