package runtime

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// loadedNames are the types that a module's own names stand for.
type loadedNames struct {
	*module
	globals starlark.StringDict
	loader  *loader
}

func (n *loadedNames) named(name string) (*typ, error) {
	first, rest := cutDot(name)
	v := n.value(first)
	if v == nil {
		if goes := n.results()[name]; goes != nil {
			return &typ{text: name, kind: resultKind, goes: goes}, nil
		}
		return nil, nil
	}
	for rest != "" {
		var member string
		member, rest = cutDot(rest)
		has, ok := v.(starlark.HasAttrs)
		if !ok {
			return nil, fmt.Errorf("%s has no types in it: it is a %s", first, v.Type())
		}
		next, err := has.Attr(member)
		if err != nil || next == nil {
			return nil, fmt.Errorf("%s has no %s", first, member)
		}
		first, v = first+"."+member, next
	}
	switch v := v.(type) {
	case *enumType:
		return &typ{text: name, kind: enumKind, enum: v}, nil
	case *recordType:
		return &typ{text: name, kind: recordKind, rec: v}, nil
	}
	return nil, fmt.Errorf("%s is no type: it is a %s", name, v.Type())
}

// value is what a name of the file holds: one it defines, or one it loads.
func (n *loadedNames) value(name string) starlark.Value {
	if v := n.globals[name]; v != nil {
		return v
	}
	if v := n.before[name]; v != nil {
		return v
	}
	for _, stmt := range n.file.Stmts {
		load, ok := stmt.(*syntax.LoadStmt)
		if !ok {
			continue
		}
		for i, to := range load.To {
			if to.Name != name {
				continue
			}
			if from, err := n.loader.resolve(n.module, load.ModuleName()); err == nil {
				if known := n.loader.modules[from.key()]; known != nil {
					return known.globals[load.From[i].Name]
				}
			}
		}
	}
	return nil
}

func (n *loadedNames) all() []string {
	names := n.globals.Keys()
	for name := range n.results() {
		names = append(names, name)
	}
	return names
}

// results are the types of what the module's builtins give, by name.
func (m *module) results() map[string]reflect.Type {
	if m.resultTypes == nil {
		m.resultTypes = make(map[string]reflect.Type)
		for _, b := range m.builtins {
			addResult(m.resultTypes, b.Result)
		}
	}
	return m.resultTypes
}

// addResult adds a type that scripts see under its name, and those of its
// fields.
func addResult(known map[string]reflect.Type, t reflect.Type) {
	if t == nil {
		return
	}
	if t = elem(t); t.Kind() == reflect.Map {
		t = elem(t.Elem())
	}
	if t.Kind() != reflect.Struct || t.Name() == "" || known[t.Name()] != nil || isPlain(t) {
		return
	}
	known[t.Name()] = t
	if isOpaque(t) {
		return
	}
	for _, index := range shapeOf(t).fields {
		addResult(known, t.FieldByIndex(index).Type)
	}
}

// isPlain reports structs that scripts see as strings and the like.
func isPlain(t reflect.Type) bool {
	return t == reflect.TypeFor[time.Time]() || implements[encoding.TextMarshaler](t)
}

// cutDot is the part of a dotted name before its first dot, and the rest.
func cutDot(name string) (first, rest string) {
	first, rest, _ = strings.Cut(name, ".")
	return first, rest
}
