package runtime

import (
	"maps"
	"slices"
)

// staticNames are the types that a file's names certainly stand for. A name that
// may be a type is any.
type staticNames struct {
	*checker
	of *module
}

func (n *staticNames) named(name string) (*typ, error) {
	first, rest := cutDot(name)
	s, own := n.of.defines()[first]
	if own {
		s = n.follow(s)
	} else if s = n.loaded(first); s == nil {
		if n.loads(first) || n.of.before.Has(first) {
			return anyType, nil
		}
		n.loader.env(n.of)
		if goes := n.of.results()[name]; goes != nil {
			return &typ{text: name, kind: resultKind, goes: goes}, nil
		}
		return nil, nil
	}
	for s != nil && rest != "" {
		var member string
		member, rest = cutDot(rest)
		if s.value == nil {
			return anyType, nil
		}
		t := n.targetOf(s.in, s.value)
		if t == nil || t.members == nil {
			return anyType, nil
		}
		s = &symbol{in: t.in, value: t.members[member]}
		if s.value == nil {
			return nil, scriptFault("", "", "%s has no %s", first, member)
		}
		first += "." + member
	}
	switch {
	case s == nil:
		return anyType, nil
	case s.def != nil:
		return nil, scriptFault("", "", "%s is no type: it is a function", name)
	case s.value == nil:
		return anyType, nil
	}
	if v, ok := literalValue(s.value); ok {
		return nil, scriptFault("", "", "%s is no type: it is a %s", name, v.Type())
	}
	t := n.targetOf(s.in, s.value)
	switch {
	case t == nil:
		return anyType, nil
	case t.enum != nil:
		return &typ{text: name, kind: enumKind, enum: t.enum}, nil
	case t.rec != nil:
		return &typ{text: name, kind: recordKind, rec: t.rec}, nil
	}
	return anyType, nil
}

func (n *staticNames) loads(name string) bool {
	for _, load := range n.of.loads() {
		for _, to := range load.To {
			if to.Name == name {
				return true
			}
		}
	}
	return false
}

// loaded is what a name that the file loads is bound to.
func (n *staticNames) loaded(name string) *symbol {
	for _, load := range n.of.loads() {
		for i, to := range load.To {
			if to.Name == name {
				return n.follow(&symbol{in: n.of, load: load, from: load.From[i].Name})
			}
		}
	}
	return nil
}

func (n *staticNames) all() []string {
	names := slices.Collect(maps.Keys(n.of.defines()))
	for _, load := range n.of.loads() {
		for _, to := range load.To {
			names = append(names, to.Name)
		}
	}
	n.loader.env(n.of)
	return append(names, slices.Collect(maps.Keys(n.of.results()))...)
}
