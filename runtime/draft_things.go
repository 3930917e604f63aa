package runtime

import (
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// thing is what an expression of a draft is, as people want to read it.
type thing struct {
	kind     string // as of a [Candidate]
	detail   string // how it is declared
	doc      string
	function *Function
	in       *module // where it is defined, and where there
	at       *syntax.Ident
}

// thingOf describes what an expression of the main file is. Its kind is empty when
// that is not certain.
func (v *view) thingOf(x syntax.Expr) thing {
	t := v.targetOf(v.m, x)
	switch {
	case t == nil:
		return v.valueOf(x)
	case t.def != nil:
		f := outlineFunction(t.def, t.in.annotationsOf(t.def))
		f.Name = nameOfCall(x)
		return thing{kind: "function", detail: f.Signature(), doc: f.Doc, function: &f, in: t.in, at: t.def.Name}
	case t.enum != nil:
		return thing{kind: "type", detail: t.enum.name + " = enum(" + quoted(t.enum.members) + ")", doc: "One of these texts.", in: t.in}
	case t.rec != nil:
		f := t.rec.function()
		f.Name = nameOfCall(x)
		return thing{kind: "type", detail: t.rec.signature(), doc: "A record.", function: &f, in: t.in}
	case t.members != nil:
		return thing{kind: "module", detail: nameOfCall(x) + " = struct(…)", in: t.in, doc: firstParagraph(docstring(t.in.file))}
	case t.module != nil:
		return thing{kind: "module", detail: "module " + t.module.Name}
	case t.universe != "":
		if f, ok := v.outerFunction(t.universe); ok {
			return thing{kind: "function", detail: f.Signature(), doc: f.Doc, function: &f}
		}
	}
	return v.valueOf(x)
}

// valueOf describes what holds a value.
func (v *view) valueOf(x syntax.Expr) thing {
	if dot, ok := x.(*syntax.DotExpr); ok {
		return v.memberOf(dot)
	}
	id, ok := x.(*syntax.Ident)
	if !ok {
		return thing{}
	}
	th := thing{kind: "variable", detail: id.Name}
	if s := v.variable(id); s != nil {
		th.in, th.at = v.m, s.ident
		if s.isArg {
			th.kind = "parameter"
			th.doc = v.helpOf(s.ident)
		}
	} else if starlark.Universe.Has(id.Name) || v.env.Has(id.Name) {
		return thing{}
	}
	if t := v.typeOf(v.m, x); t != nil {
		th.detail += ": " + t.text
	} else if th.in == nil {
		return thing{}
	}
	return th
}

// helpOf is what the docstring of its function says of a parameter.
func (v *view) helpOf(id *syntax.Ident) string {
	for _, def := range v.around(int(id.NamePos.Line)) {
		f := outlineFunction(def, v.m.annotationsOf(def))
		for _, p := range f.Params {
			if p.Name == id.Name {
				return p.Help
			}
		}
	}
	return ""
}

// memberOf describes an attribute.
func (v *view) memberOf(dot *syntax.DotExpr) thing {
	name := dot.Name.Name
	if t := v.targetOf(v.m, dot.X); t != nil && t.module != nil {
		if f, ok := languageFunction(t.module.Name + "." + name); ok {
			return thing{kind: "function", detail: f.Signature(), doc: f.Doc, function: &f}
		}
		switch v := t.module.Members[name].(type) {
		case nil:
			return thing{}
		case starlark.Callable:
			return thing{kind: "function", detail: t.module.Name + "." + name}
		default:
			return thing{kind: "constant", detail: t.module.Name + "." + name + ": " + nameOfType(v)}
		}
	} else if t != nil && t.enum != nil && t.enum.has(name) {
		return thing{kind: "value", detail: starlark.String(name).String(), doc: "A value of " + t.enum.name + "."}
	}
	of := v.typeOf(v.m, dot.X)
	if of == nil {
		return thing{}
	}
	if f, ok := of.method(name); ok {
		return thing{kind: "method", detail: f.Signature(), doc: f.Doc, function: &f}
	}
	owner, names := attributesOf(of)
	for _, known := range names {
		if known != name {
			continue
		}
		th := thing{kind: "attribute", detail: owner + "." + name}
		if t := v.typeOfField(of, name); t != nil {
			th.detail += ": " + t.text
		}
		return th
	}
	return thing{}
}

// method is a method of values of the type.
func (t *typ) method(name string) (Function, bool) {
	switch t.kind {
	case enumKind:
		return languageFunction("str." + name)
	case baseKind, listKind, dictKind, setKind, tupleKind:
		return languageFunction(t.base.name + "." + name)
	}
	return Function{}, false
}

// outerFunction is a function of the host or the language by its name.
func (v *view) outerFunction(name string) (Function, bool) {
	for _, b := range v.m.builtins {
		for _, known := range append([]string{b.Name}, b.Aliases...) {
			if known == name {
				f, err := b.Function()
				f.Name = name
				return f, err == nil
			}
		}
	}
	if strings.Contains(name, ".") {
		return Function{}, false
	}
	return languageFunction(name)
}

// function is the record as what makes one.
func (t *recordType) function() Function {
	f := Function{Name: t.name, Result: t.name}
	for i, name := range t.fields {
		p := Param{Name: name, KeywordOnly: true, Type: t.types[i].text, Required: !t.types[i].takesNone(), Kind: "any"}
		p.Choices = t.types[i].choices()
		f.Params = append(f.Params, p)
	}
	return f
}

func quoted(texts []string) string {
	var all []string
	for _, s := range texts {
		all = append(all, starlark.String(s).String())
	}
	return strings.Join(all, ", ")
}

func firstParagraph(doc string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(doc), "\n\n")
	return first
}
