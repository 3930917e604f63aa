package runtime

import (
	"context"
	"strings"

	"go.starlark.net/syntax"
)

// Manual is what the text of a file offers those who load it: its docstring, and
// its functions in their order, from its syntax alone as [Outline] gives them. A
// function that is a member of a public struct, as in semver = struct(valid = _valid),
// has the name semver.valid. Both are empty for a text that does not parse.
func Manual(text []byte) (doc string, functions []Function) {
	m := &module{Module: Module{Name: "manual", Main: true}, text: text}
	if parse(m, false) != nil {
		return "", nil
	}
	c := newChecker(context.Background(), newLoader(&Host{}, Source{}), m)
	defs := make(map[string]*syntax.DefStmt)
	for _, stmt := range m.file.Stmts {
		switch stmt := stmt.(type) {
		case *syntax.DefStmt:
			defs[stmt.Name.Name] = stmt
			if !strings.HasPrefix(stmt.Name.Name, "_") {
				functions = append(functions, c.outline(stmt))
			}
		case *syntax.AssignStmt:
			for _, member := range structMembers(stmt) {
				if def := defs[member.function]; def != nil {
					f := c.outline(def)
					f.Name = member.name
					functions = append(functions, f)
				}
			}
		}
	}
	return cutIndent(docstring(m.file), 0), functions
}

// structMember is semver.valid, and the function it is where it is defined.
type structMember struct{ name, function string }

// structMembers are those of a public NAME = struct(member = function, …).
func structMembers(stmt *syntax.AssignStmt) []structMember {
	name, isName := stmt.LHS.(*syntax.Ident)
	call, isCall := stmt.RHS.(*syntax.CallExpr)
	if !isName || !isCall || strings.HasPrefix(name.Name, "_") {
		return nil
	}
	if fn, ok := call.Fn.(*syntax.Ident); !ok || fn.Name != "struct" {
		return nil
	}
	var all []structMember
	for _, arg := range call.Args {
		pair, ok := arg.(*syntax.BinaryExpr)
		if !ok || pair.Op != syntax.EQ {
			continue
		}
		if function, ok := pair.Y.(*syntax.Ident); ok {
			all = append(all, structMember{name.Name + "." + pair.X.(*syntax.Ident).Name, function.Name})
		}
	}
	return all
}
