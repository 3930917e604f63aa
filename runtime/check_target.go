package runtime

import (
	"slices"

	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

// target is what an expression certainly is, as far as that helps to check its
// use.
type target struct {
	in       *module
	def      *syntax.DefStmt
	builtin  *Builtin
	universe string // a name of the language
	enum     *enumType
	rec      *recordType
	members  map[string]syntax.Expr // of struct(…)
	module   *starlarkstruct.Module
}

// targetOf is what x in the file m is, nil when that is not certain.
func (c *checker) targetOf(m *module, x syntax.Expr) *target {
	if c.deep++; c.deep > maxTypeDepth {
		c.deep--
		return nil
	}
	defer func() { c.deep-- }()
	switch x := x.(type) {
	case *syntax.ParenExpr:
		return c.targetOf(m, x.X)
	case *syntax.Ident:
		s, outer := c.symbolOf(m, x)
		switch {
		case outer:
			return c.outer(m, x.Name)
		case s == nil:
			return nil
		case s.def != nil:
			return &target{in: s.in, def: s.def}
		case s.value != nil:
			return c.targetOf(s.in, s.value)
		}
	case *syntax.DotExpr:
		t := c.targetOf(m, x.X)
		if t != nil && t.members[x.Name.Name] != nil {
			return c.targetOf(t.in, t.members[x.Name.Name])
		}
	case *syntax.CallExpr:
		return c.made(m, x)
	}
	return nil
}

// outer is a name that the host or the language gives to a file.
func (c *checker) outer(m *module, name string) *target {
	v := c.loader.env(m)[name]
	if module, ok := v.(*starlarkstruct.Module); ok {
		return &target{in: m, module: module}
	}
	for i, b := range m.builtins {
		if b.Name == name || slices.Contains(b.Aliases, name) {
			return &target{in: m, builtin: &m.builtins[i], universe: name}
		}
	}
	if def := c.loader.controlFunction(name); def != nil {
		return &target{in: c.loader.controls(), def: def, universe: name}
	}
	return &target{in: m, universe: name}
}

// made is what a call of enum, record or struct makes.
func (c *checker) made(m *module, x *syntax.CallExpr) *target {
	for _, d := range m.definitions {
		if d.call == x {
			return c.defined(m, d)
		}
	}
	fn := c.targetOf(m, x.Fn)
	if fn == nil || fn.universe != "struct" || fn.builtin != nil {
		return nil
	}
	t := &target{in: m, members: make(map[string]syntax.Expr)}
	for _, arg := range x.Args {
		pair, ok := arg.(*syntax.BinaryExpr)
		if !ok || pair.Op != syntax.EQ {
			return nil
		}
		t.members[pair.X.(*syntax.Ident).Name] = pair.Y
	}
	return t
}

// defined is the type that a definition makes, nil when it is not certain.
func (c *checker) defined(m *module, d *definition) *target {
	if d.isRecord() {
		if d.rec == nil && !d.resolving {
			d.resolving = true // a record with a field of its own type has no certain type
			d.rec, _ = m.newRecordType(d, &staticNames{c, m})
			d.resolving = false
		}
		if d.rec == nil {
			return nil
		}
		return &target{in: m, rec: d.rec}
	}
	if d.enum == nil {
		e := &enumType{name: d.name.Name}
		for _, arg := range d.call.Args {
			text, ok := arg.(*syntax.Literal)
			if !ok || text.Token != syntax.STRING {
				return nil
			}
			e.members = append(e.members, text.Value.(string))
		}
		d.enum = e
	}
	return &target{in: m, enum: d.enum}
}
