package runtime

import (
	"context"
	"strings"

	"go.starlark.net/syntax"
)

// Symbol is something that a draft defines at its top level. Its kind is one of
// function, enum, record, struct, variable and task.
type Symbol struct {
	Name       string
	Kind       string
	Detail     string
	Start, End int // all of it, in bytes
	At         int // its name
	AtEnd      int
	Children   []Symbol // members of enums, fields of records and structs
}

// Symbols lists what the draft defines, in its order.
func (d *Draft) Symbols(ctx context.Context) []Symbol {
	d, end := d.begin()
	defer end()
	v := d.view(ctx, nil)
	var all []Symbol
	add := func(id *syntax.Ident, of syntax.Node, kind, detail string) *Symbol {
		start, end := of.Span()
		s := Symbol{Name: id.Name, Kind: kind, Detail: detail, Start: offsetOf(d.text, start), End: offsetOf(d.text, end)}
		s.At, s.AtEnd = wordOf(d.text, id)
		s.End = max(s.End, s.AtEnd)
		all = append(all, s)
		return &all[len(all)-1]
	}
	for _, stmt := range v.m.file.Stmts {
		switch stmt := stmt.(type) {
		case *syntax.DefStmt:
			f := outlineFunction(stmt, v.m.annotationsOf(stmt))
			add(stmt.Name, stmt, "function", strings.TrimPrefix(f.Signature(), f.Name))
		case *syntax.AssignStmt:
			id, ok := stmt.LHS.(*syntax.Ident)
			if !ok || stmt.Op != syntax.EQ {
				eachIdent(stmt.LHS, func(id *syntax.Ident) { add(id, stmt, "variable", "") })
				continue
			}
			s := add(id, stmt, "variable", v.detailOf(id))
			s.define(v, d.text, stmt.RHS)
		case *syntax.ExprStmt:
			if name := taskLiteral(stmt); name != nil {
				at := &syntax.Ident{NamePos: name.TokenPos, Name: name.Value.(string)}
				s := add(at, stmt, "task", "")
				s.AtEnd = min(s.At+len(name.Raw), len(d.text))
			}
		}
	}
	return all
}

// define adds what the value of an assignment makes of it.
func (s *Symbol) define(v *view, text []byte, x syntax.Expr) {
	call, ok := x.(*syntax.CallExpr)
	t := v.targetOf(v.m, x)
	if !ok || t == nil {
		return
	}
	switch {
	case t.enum != nil:
		s.Kind = "enum"
	case t.rec != nil:
		s.Kind = "record"
		for _, d := range t.in.definitions { // its call has no fields left: they are types
			for i := 0; d.rec == t.rec && i < len(d.fields); i++ {
				at := d.fields[i].typ.pos
				child := Symbol{Name: d.fields[i].name, Kind: "field", Detail: t.rec.types[i].text, Start: offsetOf(text, at)}
				child.End = min(child.Start+len(d.fields[i].typ.name), len(text))
				child.At, child.AtEnd = child.Start, child.End
				s.Children = append(s.Children, child)
			}
		}
		return
	case t.members != nil:
		s.Kind = "struct"
	default:
		return
	}
	for _, arg := range call.Args {
		start, end := arg.Span()
		child := Symbol{Kind: "member", Start: offsetOf(text, start), End: offsetOf(text, end)}
		switch arg := arg.(type) {
		case *syntax.Literal:
			child.Name, _ = arg.Value.(string)
		case *syntax.BinaryExpr:
			if id, ok := arg.X.(*syntax.Ident); ok {
				child.Name, child.Kind = id.Name, "field"
			}
		}
		if child.At, child.AtEnd = child.Start, child.End; child.Name != "" {
			s.Children = append(s.Children, child)
		}
	}
}

// taskLiteral is the first argument of task("name", …).
func taskLiteral(stmt *syntax.ExprStmt) *syntax.Literal {
	call, ok := stmt.X.(*syntax.CallExpr)
	if !ok || len(call.Args) < 2 {
		return nil
	}
	fn, ok := call.Fn.(*syntax.Ident)
	name, isText := call.Args[0].(*syntax.Literal)
	if !ok || fn.Name != "task" || !isText || name.Token != syntax.STRING {
		return nil
	}
	return name
}
