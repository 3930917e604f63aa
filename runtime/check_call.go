package runtime

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/policyhost/policy/runtime/fault"
)

// staticSignature is what a function takes and gives, as its text says.
type staticSignature struct {
	params    []staticParam // without *args and **kwargs
	more      *typ          // of each of *args
	moreNamed *typ          // of each of **kwargs
	open      bool          // has *args
	openNamed bool          // has **kwargs
	result    *typ          // nil when it is not annotated
	text      string
}

type staticParam struct {
	name      string
	typ       *typ // nil when it is not annotated
	byDefault syntax.Expr
	keyword   bool // only
}

// signature is what a function of the file m takes.
func (c *checker) signature(m *module, def *syntax.DefStmt) *staticSignature {
	if s := c.sigs[def]; s != nil {
		return s
	}
	s := &staticSignature{text: outlineFunction(def, m.annotationsOf(def)).Signature()}
	c.sigs[def] = s
	keyword := false
	for _, p := range def.Params {
		id, star := paramIdent(p)
		var t *typ
		if id != nil {
			t = c.annotated(m, def, id.Name)
		}
		switch star {
		case 1:
			s.open, s.more, keyword = id != nil, t, true
			continue
		case 2:
			s.openNamed, s.moreNamed = true, t
			continue
		}
		param := staticParam{name: id.Name, typ: t, keyword: keyword}
		if binary, ok := p.(*syntax.BinaryExpr); ok {
			param.byDefault = binary.Y
		}
		s.params = append(s.params, param)
	}
	if a := m.annotationsOf(def); a != nil && a.result != nil && def != m.body {
		s.result, _ = resolveType(a.result, &staticNames{c, m})
	}
	return s
}

// annotated is the type of a parameter, nil when it has none or an unknown one.
func (c *checker) annotated(m *module, def *syntax.DefStmt, name string) *typ {
	a := m.annotationsOf(def)
	if a == nil || a.params[name] == nil || def == m.body {
		return nil
	}
	t, _ := resolveType(a.params[name], &staticNames{c, m})
	return t
}

// arguments are what a call passes.
type arguments struct {
	call       *syntax.CallExpr
	name       string // of what is called, as it is written
	positional []syntax.Expr
	keywords   []*syntax.BinaryExpr
	open       bool // *list or **dict: there may be more
}

func argumentsOf(x *syntax.CallExpr) arguments {
	a := arguments{call: x, name: nameOfCall(x.Fn)}
	for _, arg := range x.Args {
		switch arg := arg.(type) {
		case *syntax.BinaryExpr:
			if arg.Op == syntax.EQ {
				a.keywords = append(a.keywords, arg)
				continue
			}
		case *syntax.UnaryExpr:
			if arg.Op == syntax.STAR || arg.Op == syntax.STARSTAR {
				a.open = true
				continue
			}
		}
		a.positional = append(a.positional, arg)
	}
	return a
}

func nameOfCall(fn syntax.Expr) string {
	switch fn := fn.(type) {
	case *syntax.Ident:
		return fn.Name
	case *syntax.DotExpr:
		return nameOfCall(fn.X) + "." + fn.Name.Name
	}
	return "it"
}

// call reports what does not fit between a call and what it calls.
func (c *checker) call(x *syntax.CallExpr) {
	t := c.targetOf(c.m, x.Fn)
	if t == nil {
		return
	}
	a := argumentsOf(x)
	switch {
	case t.def != nil:
		before := len(c.found)
		c.callFunction(a, c.signature(t.in, t.def))
		if t.universe != "" {
			c.callControl(a, t.universe, c.found[before:])
		}
	case t.rec != nil:
		c.callRecord(a, t.rec)
	case t.enum != nil:
		if len(a.positional) == 1 && len(x.Args) == 1 {
			enum := &typ{text: t.enum.name, kind: enumKind, enum: t.enum}
			if err := c.misfit(enum, a.positional[0]); err != nil {
				c.misplaced(a.positional[0], a.name, err, "bad-value")
			}
		}
	case t.builtin != nil:
		c.callBuiltin(a, t.builtin, t.universe)
	}
}

// callControl finishes what was found about a call of a function of the host's own: it is
// as wrong as that of a verb.
func (c *checker) callControl(a arguments, name string, found []Finding) {
	for _, f := range found {
		f.fault.Kind = fault.Usage
	}
	if name == "parallel" && c.loading() {
		pos, width := placeOf(a.call.Fn)
		c.report(pos, width, "effect-at-load", asFault(hasEffect(a.name)))
	}
}

// loading reports whether what is looked at runs when the file is loaded; the lines
// of a session are not loaded.
func (c *checker) loading() bool { return len(c.functions) == 0 && c.m.before == nil }

func (c *checker) callFunction(a arguments, s *staticSignature) {
	_, rest, _ := strings.Cut(s.text, "(")
	signature := a.name + "(" + rest // a member of a struct is private under its own name
	var given []string
	for i, x := range a.positional {
		if i >= len(s.params) || s.params[i].keyword {
			if s.open {
				c.argument(a.name, fmt.Sprintf("argument %d", i+1), s.more, x)
				continue
			}
			most := slices.IndexFunc(s.params, func(p staticParam) bool { return p.keyword })
			if most < 0 {
				most = len(s.params)
			}
			pos, width := placeOf(x)
			c.report(pos, width, "extra-argument", scriptFault(a.name, signature, "got %d positional arguments, want at most %d", len(a.positional), most))
			break
		}
		given = append(given, s.params[i].name)
		c.argument(a.name, "parameter "+s.params[i].name, s.params[i].typ, x)
	}
	var names []string
	for _, p := range s.params {
		names = append(names, p.name)
	}
	for _, pair := range a.keywords {
		id := pair.X.(*syntax.Ident)
		i := slices.Index(names, id.Name)
		switch {
		case i < 0 && s.openNamed:
			c.argument(a.name, "parameter "+id.Name, s.moreNamed, pair.Y)
		case i < 0:
			c.unknown(id, a.name, names, signature)
		case slices.Contains(given[:min(len(given), len(a.positional))], id.Name): // repeated keywords are the parser's
			c.report(id.NamePos, len([]rune(id.Name)), "extra-argument", scriptFault(a.name, signature, "parameter %s: got two values", id.Name))
		default:
			given = append(given, id.Name)
			c.argument(a.name, "parameter "+id.Name, s.params[i].typ, pair.Y)
		}
	}
	for _, p := range s.params {
		if !a.open && p.byDefault == nil && !slices.Contains(given, p.name) {
			pos, width := placeOf(a.call.Fn)
			c.report(pos, width, "missing-argument", scriptFault(a.name, signature, "missing argument %s", p.name))
		}
	}
}

// unknown reports a keyword that is no parameter.
func (c *checker) unknown(id *syntax.Ident, op string, names []string, signature string) {
	hint, near := signature, fault.Nearest(id.Name, names)
	if near != "" {
		hint = fmt.Sprintf("did you mean %q? %s", near, signature)
	}
	c.report(id.NamePos, len([]rune(id.Name)), "unknown-keyword", scriptFault(op, hint, "unknown parameter %s", id.Name)).Replace = near
}

// argument reports a value that certainly does not fit its parameter.
func (c *checker) argument(op, what string, t *typ, x syntax.Expr) {
	if t == nil {
		return
	}
	if err := c.misfit(t, x); err != nil {
		code := "wrong-type"
		if t.choices() != nil || t.kind == durationKind {
			code = "bad-value"
		}
		c.misplaced(x, op, fmt.Errorf("%s: %w", what, err), code)
	}
}

func (c *checker) callRecord(a arguments, t *recordType) {
	if len(a.positional) > 0 {
		pos, width := placeOf(a.positional[0])
		c.report(pos, width, "extra-argument", scriptFault(a.name, t.signature(), "takes its fields by name"))
	}
	var given []string
	for _, pair := range a.keywords {
		id := pair.X.(*syntax.Ident)
		i := slices.Index(t.fields, id.Name)
		if i < 0 {
			c.report(id.NamePos, len([]rune(id.Name)), "unknown-keyword", scriptFault(a.name, t.meant(id.Name), "has no field %s", id.Name)).Replace = fault.Nearest(id.Name, t.fields)
			continue
		}
		given = append(given, id.Name)
		c.argument(a.name, "field "+id.Name, t.types[i], pair.Y)
	}
	for i, f := range t.fields {
		if !a.open && len(a.positional) == 0 && !slices.Contains(given, f) && !t.types[i].takesNone() {
			pos, width := placeOf(a.call.Fn)
			c.report(pos, width, "missing-argument", scriptFault(a.name, t.signature(), "missing field %s (%s)", f, t.types[i].text))
		}
	}
}

// callBuiltin holds a call against the builtin's schema, with the very
// conversions of a run.
func (c *checker) callBuiltin(a arguments, b *Builtin, name string) {
	p, err := planOf(b.Args)
	if err != nil {
		return
	}
	_, shared := starlark.Universe[name]
	if shared && len(a.keywords) == 0 {
		return // may be the language's own
	}
	if !b.Pure && c.loading() {
		pos, width := placeOf(a.call.Fn)
		c.report(pos, width, "effect-at-load", asFault(hasEffect(a.name)))
	}
	before := len(c.found)
	if len(a.positional) > len(p.positional) {
		pos, width := placeOf(a.positional[len(p.positional)])
		c.report(pos, width, "extra-argument", asFault(p.tooMany(a.name, len(a.positional))))
	}
	var given []*field
	for i, x := range a.positional[:min(len(a.positional), len(p.positional))] {
		given = append(given, p.positional[i])
		c.builtinArgument(a.name, p, p.positional[i], x)
	}
	for _, pair := range a.keywords {
		id := pair.X.(*syntax.Ident)
		i := slices.Index(p.names, id.Name)
		switch {
		case i < 0:
			f := asFault(p.unknown(a.name, id.Name))
			c.report(id.NamePos, len([]rune(id.Name)), "unknown-keyword", f).Replace = meant(f.Hint)
		case slices.Contains(given[:min(len(given), len(a.positional))], p.fields[i]):
			c.report(id.NamePos, len([]rune(id.Name)), "extra-argument", p.usage(a.name, "", "parameter %s: got two values", id.Name))
		default:
			given = append(given, p.fields[i])
			c.builtinArgument(a.name, p, p.fields[i], pair.Y)
		}
	}
	for _, f := range p.fields {
		if f.required && !a.open && !slices.Contains(given, f) {
			pos, width := placeOf(a.call.Fn)
			c.report(pos, width, "missing-argument", p.usage(a.name, "", "missing argument %s (%s)", f.name, f.want))
		}
	}
	if len(c.found) == before && !a.open {
		c.bindWhole(a, p)
	}
}

// bindWhole makes the arguments of a call that is all written out, which also
// checks what depends on several.
func (c *checker) bindWhole(a arguments, p *plan) {
	positional, ok := literalValues(a.positional)
	if !ok {
		return
	}
	var keywords []starlark.Tuple
	for _, pair := range a.keywords {
		name := starlark.String(pair.X.(*syntax.Ident).Name)
		v, ok := literalValue(pair.Y)
		if !ok || slices.ContainsFunc(keywords, func(other starlark.Tuple) bool { return other[0] == name }) {
			return
		}
		keywords = append(keywords, starlark.Tuple{name, v})
	}
	if _, _, err := p.bind(a.name, positional, keywords); err != nil {
		pos, width := placeOf(a.call.Fn)
		c.report(pos, width, "bad-value", asFault(err))
	}
}

// builtinArgument reports a value that a builtin's parameter certainly refuses.
func (c *checker) builtinArgument(name string, p *plan, f *field, x syntax.Expr) {
	v, ok := c.constant(c.m, x)
	if !ok {
		if list, isList := x.(*syntax.ListExpr); isList && f.list {
			for _, item := range list.List {
				c.builtinArgument(name, p, f, item)
			}
			return
		}
		t := c.typeOf(c.m, x)
		if t == nil || t.isBase("str") || t.sample() == nil {
			return
		}
		v = t.sample()
	}
	var bits uint64
	scratch := reflect.New(p.typ).Elem()
	err := p.put(name, scratch, f, v, &bits)
	if err == nil {
		return
	}
	wrong, isType := errors.AsType[*wrongType](err)
	if !ok && (!isType || wrong.got != v.Type()) {
		return // the sample is not the value
	}
	fl := asFault(err)
	pos, width := placeOf(x)
	code := "bad-value"
	if isType {
		code = "wrong-type"
	}
	found := c.report(pos, width, code, fl)
	if _, literal := x.(*syntax.Literal); literal && meant(fl.Hint) != "" && !strings.HasPrefix(fl.Hint, "did you mean \"--") {
		found.Replace = fmt.Sprintf("%q", meant(fl.Hint))
	}
}
