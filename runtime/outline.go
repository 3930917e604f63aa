package runtime

import (
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
	var all []Function
	enums := m.enumMembers()
	for _, stmt := range m.file.Stmts {
		def, ok := stmt.(*syntax.DefStmt)
		if !ok || strings.HasPrefix(def.Name.Name, "_") {
			continue
		}
		f := Function{Name: def.Name.Name, Params: outlineParams(def.Params), Pos: position(def.Def)}
		if a := m.annotationsOf(def); a != nil {
			annotateParams(f.Params, a, enums)
			if a.result != nil {
				f.Result = a.result.String()
			}
		}
		var help map[string]string
		f.Summary, f.Doc, help = splitDoc(docstring(&syntax.File{Stmts: def.Body}))
		for i := range f.Params {
			f.Params[i].Help = help[f.Params[i].Name]
		}
		all = append(all, f)
	}
	return all
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

// enumMembers are the values of the enums that a file defines, by their names.
func (m *module) enumMembers() map[string][]string {
	all := make(map[string][]string)
	for _, d := range m.definitions {
		if d.isRecord() {
			continue
		}
		for _, arg := range d.call.Args {
			if text, ok := arg.(*syntax.Literal); ok && text.Token == syntax.STRING {
				all[d.name.Name] = append(all[d.name.Name], text.Value.(string))
			}
		}
	}
	return all
}

func annotateParams(params []Param, a *annotations, enums map[string][]string) {
	for i := range params {
		p := &params[i]
		e := a.params[p.Name]
		if e == nil {
			continue
		}
		p.Type = e.String()
		p.Kind, p.Choices = e.word(enums)
		if p.Variadic || p.Extra {
			p.Choices = nil
		}
	}
}

// word is the kind of a type and its choices, as far as the spelling says: what
// typ.word and typ.choices say of the type itself.
func (e *typeExpr) word(enums map[string][]string) (kind string, choices []string) {
	switch e.name {
	case "|":
		var some []*typeExpr
		for _, a := range e.args {
			if a.name != "None" {
				some = append(some, a)
			}
		}
		if len(some) == 1 {
			return some[0].word(enums)
		}
	case "str":
		return "string", nil
	case "int", "float", "bool", "dict":
		return e.name, nil
	case "list", "set", "tuple":
		if len(e.args) == 0 {
			return "list", nil
		}
		if item, choices := e.args[0].word(enums); item != "list" && item != "dict" {
			return "list", choices
		}
	default:
		if members, ok := enums[e.name]; ok {
			return "enum", members
		}
	}
	return "any", nil
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
	case *syntax.ListExpr, *syntax.TupleExpr:
		return "list", nil
	case *syntax.DictExpr:
		return "dict", nil
	}
	return "any", nil
}
