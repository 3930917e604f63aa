package runtime

import (
	"context"
	"strings"

	"go.starlark.net/syntax"
)

// Outline lists the public functions that the text of a file defines at its top
// level, in their order, as [Program.Functions] does, but from its syntax alone:
// nothing is loaded or run. Functions that come about otherwise are missing, so are
// defaults that are no literals, and types that the file does not define itself say
// nothing. It is empty for a text that does not parse.
func Outline(text []byte) []Function {
	m := &module{Module: Module{Name: "outline", Main: true}, text: text}
	if parse(m, false) != nil {
		return nil
	}
	l := newLoader(&Host{}, Source{})
	c := newChecker(context.Background(), l, m)
	var all []Function
	for _, stmt := range m.file.Stmts {
		def, ok := stmt.(*syntax.DefStmt)
		if !ok || strings.HasPrefix(def.Name.Name, "_") {
			continue
		}
		all = append(all, c.outline(def))
	}
	return all
}

// outline is a function of the file that c checks, as its text describes it.
func (c *checker) outline(def *syntax.DefStmt) Function {
	f := outlineFunction(def, c.m.annotationsOf(def))
	for i := range f.Params {
		if t := c.annotated(c.m, def, f.Params[i].Name); t != nil {
			f.Params[i].read(t)
		}
	}
	return f
}

// outlineFunction is what the text of a function says of it.
func outlineFunction(def *syntax.DefStmt, a *annotations) Function {
	f := Function{Name: def.Name.Name, Params: outlineParams(def.Params), Pos: position(def.Def)}
	var help map[string]string
	f.Summary, f.Doc, help = splitDoc(docstring(&syntax.File{Stmts: def.Body}))
	for i := range f.Params {
		p := &f.Params[i]
		p.Help = help[p.Name]
		if a != nil && a.params[p.Name] != nil {
			p.Type = a.params[p.Name].String()
		}
	}
	if a != nil && a.result != nil {
		f.Result = a.result.String()
	}
	return f
}

func outlineParams(exprs []syntax.Expr) []Param {
	var all, last []Param
	keywordOnly := false
	for _, e := range exprs {
		p := Param{Kind: "string", KeywordOnly: keywordOnly}
		switch e := e.(type) {
		case *syntax.Ident:
			p.Name, p.Required = e.Name, true
		case *syntax.BinaryExpr:
			p.Name = e.X.(*syntax.Ident).Name
			p.Kind, p.Default = literal(e.Y)
		case *syntax.UnaryExpr:
			keywordOnly = true
			name, ok := e.X.(*syntax.Ident)
			if !ok {
				continue
			}
			last = append(last, Param{Name: name.Name, Kind: "string", Variadic: e.Op == syntax.STAR, Extra: e.Op == syntax.STARSTAR})
			continue
		}
		all = append(all, p)
	}
	return append(all, last...)
}

// literal is the kind of a default, and its value where that is one token.
func literal(e syntax.Expr) (kind string, value any) {
	switch e := e.(type) {
	case *syntax.Literal:
		switch e.Token {
		case syntax.STRING:
			return "string", e.Value
		case syntax.INT:
			return "int", e.Value
		case syntax.FLOAT:
			return "float", e.Value
		}
	case *syntax.Ident:
		if e.Name == "True" || e.Name == "False" {
			return "bool", e.Name == "True"
		}
	case *syntax.ListExpr:
		if len(e.List) == 0 {
			return "list", []any{}
		}
		return "list", nil
	case *syntax.TupleExpr:
		return "list", nil
	case *syntax.DictExpr:
		if len(e.List) == 0 {
			return "dict", Map{}
		}
		return "dict", nil
	}
	return "any", nil
}

// OutlineTasks lists the tasks that the text of a file registers at its top level
// under a name that stands there, in their order and as [Outline] reads it. It is
// empty for a text that does not parse.
func OutlineTasks(text []byte) []Task {
	m := &module{Module: Module{Name: "outline", Main: true}, text: text}
	if parse(m, false) != nil {
		return nil
	}
	docs := make(map[string]string)
	var all []Task
	for _, stmt := range m.file.Stmts {
		if def, ok := stmt.(*syntax.DefStmt); ok {
			docs[def.Name.Name] = docstring(&syntax.File{Stmts: def.Body})
			continue
		}
		expr, ok := stmt.(*syntax.ExprStmt)
		if !ok {
			continue
		}
		call, ok := expr.X.(*syntax.CallExpr)
		if !ok || len(call.Args) < 2 {
			continue
		}
		fn, ok := call.Fn.(*syntax.Ident)
		if !ok || fn.Name != "task" {
			continue
		}
		name, ok := call.Args[0].(*syntax.Literal)
		if !ok || name.Token != syntax.STRING {
			continue
		}
		t := Task{Name: name.Value.(string), Pos: position(call.Lparen)}
		if fn, ok := call.Args[1].(*syntax.Ident); ok {
			t.Summary, t.Doc, _ = splitDoc(docs[fn.Name])
		}
		all = append(all, t)
	}
	return all
}
