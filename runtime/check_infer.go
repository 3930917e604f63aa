package runtime

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// base is a type of the language, without what is in it.
func base(name string) *typ {
	t := &typ{text: name, kind: baseKind, base: baseNamed(name)}
	t.kind = t.base.kind
	for range max(t.base.args, 0) {
		t.args = append(t.args, anyType)
	}
	if t.kind == tupleKind {
		t.args, t.open = []*typ{anyType}, true
	}
	return t
}

// gives is a type and the functions that give it.
type gives struct {
	typ   string
	names []string
}

// given is the type that a function gives, nil when the table does not know it.
func given(table []gives, name string) *typ {
	for _, g := range table {
		if slices.Contains(g.names, name) {
			return base(g.typ)
		}
	}
	return nil
}

// universe is what functions of the language give.
var universe = []gives{
	{"bool", []string{"all", "any", "bool", "hasattr"}},
	{"str", []string{"chr", "repr", "str", "type"}},
	{"list", []string{"dir", "enumerate", "list", "reversed", "sorted", "zip"}},
	{"dict", []string{"dict"}},
	{"float", []string{"float"}},
	{"int", []string{"hash", "int", "len", "ord"}},
	{"set", []string{"set"}},
	{"tuple", []string{"tuple"}},
}

// methods are what methods of strings give.
var methods = []gives{
	{"str", []string{"capitalize", "format", "join", "lower", "lstrip", "removeprefix", "removesuffix", "replace", "rstrip", "strip", "title", "upper"}},
	{"int", []string{"count", "find", "index", "rfind", "rindex"}},
	{"bool", []string{"endswith", "isalnum", "isalpha", "isdigit", "islower", "isspace", "istitle", "isupper", "startswith"}},
	{"tuple", []string{"partition", "rpartition"}},
	{"list", []string{"rsplit", "split", "splitlines"}},
}

// typeOf is the type that x in the file m certainly has, nil when there is no
// telling.
func (c *checker) typeOf(m *module, x syntax.Expr) *typ {
	if c.deep++; c.deep > maxTypeDepth {
		c.deep--
		return nil
	}
	defer func() { c.deep-- }()
	if v, ok := literalValue(x); ok {
		return base(nameOfType(v))
	}
	switch x := x.(type) {
	case *syntax.ParenExpr:
		return c.typeOf(m, x.X)
	case *syntax.Ident:
		s, _ := c.symbolOf(m, x)
		switch {
		case s == nil:
			return nil
		case s.param != nil:
			return s.param
		case s.def != nil:
			return base("function")
		case s.value != nil:
			return c.typeOfValue(s)
		}
	case *syntax.LambdaExpr:
		return base("function")
	case *syntax.ListExpr:
		return base("list")
	case *syntax.DictExpr:
		return base("dict")
	case *syntax.TupleExpr:
		return base("tuple")
	case *syntax.Comprehension:
		if x.Curly {
			if _, entry := x.Body.(*syntax.DictEntry); !entry {
				return base("set")
			}
			return base("dict")
		}
		return base("list")
	case *syntax.CondExpr:
		if yes, no := c.typeOf(m, x.True), c.typeOf(m, x.False); yes != nil && no != nil {
			return either(yes, no)
		}
	case *syntax.UnaryExpr:
		if x.Op == syntax.NOT {
			return base("bool")
		}
	case *syntax.BinaryExpr:
		return c.typeOfBinary(m, x)
	case *syntax.SliceExpr:
		if t := c.typeOf(m, x.X); t != nil && t.isBase("str") {
			return t
		}
	case *syntax.DotExpr:
		if v, ok := c.constant(m, x); ok {
			return base(nameOfType(v))
		}
		return c.typeOfField(c.typeOf(m, x.X), x.Name.Name)
	case *syntax.CallExpr:
		return c.typeOfCall(m, x)
	}
	return nil
}

func (t *typ) isBase(name string) bool { return t.kind == baseKind && t.base.name == name }

// typeOfValue is the type of what a name is bound to, found once: a name may
// stand in many places.
func (c *checker) typeOfValue(s *symbol) *typ {
	t, known := c.valued[s.value]
	if !known {
		c.valued[s.value] = nil // while it is being found
		t = c.typeOf(s.in, s.value)
		c.valued[s.value] = t
	}
	return t
}

// maxAlternatives is how many types a value may have before it may as well have
// any.
const maxAlternatives = 8

// either is a type of the values of both.
func either(a, b *typ) *typ {
	var all []*typ
	for _, t := range append(a.alternatives(), b.alternatives()...) {
		if !slices.ContainsFunc(all, func(other *typ) bool {
			return other.kind == t.kind && other.base == t.base && other.goes == t.goes && other.rec.is(t.rec) && other.enum == t.enum
		}) {
			all = append(all, t)
		}
	}
	switch {
	case len(all) == 1:
		return all[0]
	case len(all) > maxAlternatives:
		return nil
	}
	u := &typ{kind: unionKind, args: all}
	for i, t := range all {
		if i > 0 {
			u.text += " | "
		}
		u.text += t.text
	}
	return u
}

func (t *typ) alternatives() []*typ {
	if t.kind == unionKind {
		return t.args
	}
	return []*typ{t}
}

func (c *checker) typeOfBinary(m *module, x *syntax.BinaryExpr) *typ {
	switch x.Op {
	case syntax.EQL, syntax.NEQ, syntax.LT, syntax.GT, syntax.LE, syntax.GE, syntax.IN, syntax.NOT_IN:
		return base("bool")
	case syntax.PERCENT:
		if t := c.typeOf(m, x.X); t != nil && t.isBase("str") {
			return t
		}
	case syntax.PLUS:
		left, right := c.typeOf(m, x.X), c.typeOf(m, x.Y)
		if left != nil && right != nil && left.isBase("str") && right.isBase("str") {
			return left
		}
	}
	return nil
}

// typeOfField is the type of an attribute.
func (c *checker) typeOfField(t *typ, name string) *typ {
	switch {
	case t == nil:
	case t.kind == recordKind:
		if i := slices.Index(t.rec.fields, name); i >= 0 {
			return t.rec.types[i]
		}
	case t.kind == resultKind && !isOpaque(t.goes):
		s := shapeOf(t.goes)
		if i, ok := s.index[name]; ok {
			return goResult(t.goes.FieldByIndex(s.fields[i]).Type)
		}
	}
	return nil
}

func (c *checker) typeOfCall(m *module, x *syntax.CallExpr) *typ {
	if t := c.targetOf(m, x.Fn); t != nil {
		switch {
		case t.def != nil:
			return c.signature(t.in, t.def).result
		case t.rec != nil:
			return &typ{text: t.rec.name, kind: recordKind, rec: t.rec}
		case t.enum != nil:
			return &typ{text: t.enum.name, kind: enumKind, enum: t.enum}
		case t.builtin != nil && starlark.Universe[t.universe] == nil:
			return c.typeOfResult(m, t.builtin, x)
		case t.builtin == nil:
			return given(universe, t.universe)
		}
		return nil
	}
	if dot, ok := x.Fn.(*syntax.DotExpr); ok {
		if of := c.typeOf(m, dot.X); of != nil && of.isBase("str") {
			return given(methods, dot.Name.Name)
		}
	}
	return nil
}

// typeOfResult is what a builtin gives, or the default that it gets.
func (c *checker) typeOfResult(m *module, b *Builtin, x *syntax.CallExpr) *typ {
	if b.Result == nil {
		return nil
	}
	given := c.typeOfOne(m, b, x)
	for _, arg := range x.Args {
		switch arg := arg.(type) {
		case *syntax.UnaryExpr:
			if arg.Op == syntax.STARSTAR {
				return nil
			}
		case *syntax.BinaryExpr:
			if name, ok := arg.X.(*syntax.Ident); ok && arg.Op == syntax.EQ && name.Name == "default" {
				instead := c.typeOf(m, arg.Y)
				if given == nil || instead == nil {
					return nil
				}
				given = either(given, instead)
			}
		}
	}
	return given
}

// typeOfOne is one for one and a list for a list.
func (c *checker) typeOfOne(m *module, b *Builtin, x *syntax.CallExpr) *typ {
	p, err := planOf(b.Args)
	if err != nil {
		return nil
	}
	if b.Result.Kind() != reflect.Slice || len(p.positional) == 0 || !p.positional[0].list || b.Result.Elem().Kind() == reflect.Uint8 {
		return goResult(b.Result)
	}
	var first syntax.Expr
	for i, arg := range x.Args {
		pair, ok := arg.(*syntax.BinaryExpr)
		switch {
		case ok && pair.Op == syntax.EQ:
			if pair.X.(*syntax.Ident).Name == p.positional[0].name {
				first = pair.Y
			}
		case i == 0:
			first = arg
		}
	}
	if first == nil {
		return nil
	}
	t := c.typeOf(m, first)
	switch {
	case t == nil:
		return nil
	case t.kind == listKind || t.kind == tupleKind || t.kind == setKind:
		return base("list")
	case t.kind == baseKind || t.kind == resultKind || t.kind == enumKind:
		return goResult(b.Result.Elem())
	}
	return nil
}

// goResult is the type that scripts see of a Go type, nil when that depends on
// the value.
func goResult(t reflect.Type) *typ {
	nullable := false
	for t.Kind() == reflect.Pointer {
		t, nullable = t.Elem(), t.Elem().Kind() != reflect.Struct || isPlain(t.Elem())
	}
	var found *typ
	switch {
	case isOpaque(t):
		found = &typ{text: t.Name(), kind: resultKind, goes: t}
	case t == reflect.TypeFor[time.Time]():
		found = base("time")
	case t == reflect.TypeFor[time.Duration]():
		found = base("duration")
	case t == reflect.TypeFor[Map]():
		found = base("dict")
	case implements[encoding.TextMarshaler](t):
		found = base("str")
	case implements[json.Marshaler](t) && t.Kind() != reflect.Struct:
		return nil // a document
	case t.Kind() == reflect.Struct && t.Name() != "":
		found = &typ{text: t.Name(), kind: resultKind, goes: t}
	case t.Kind() == reflect.String:
		found = base("str")
	case t.Kind() == reflect.Bool:
		found = base("bool")
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		found = base("int")
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		found = base("float")
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8:
		found = base("list")
	case t.Kind() == reflect.Map:
		found = base("dict")
	default:
		return nil
	}
	if nullable {
		return either(found, base("None"))
	}
	return found
}

// mayTake reports whether a value of type s may be one that t accepts.
func (t *typ) mayTake(s *typ) bool {
	switch {
	case s == nil || s.kind == anyKind || t.kind == anyKind:
		return true
	case s.kind == unionKind:
		return slices.ContainsFunc(s.args, t.mayTake)
	case t.kind == unionKind:
		return slices.ContainsFunc(t.args, func(a *typ) bool { return a.mayTake(s) })
	}
	text := s.isBase("str") || s.kind == enumKind
	switch t.kind {
	case enumKind:
		return text
	case durationKind:
		return text || s.kind == durationKind
	case callableKind:
		return s.kind == callableKind
	case recordKind:
		return s.kind == recordKind && s.rec.is(t.rec)
	case resultKind:
		return s.kind == resultKind && s.goes == t.goes
	}
	if text {
		return t.isBase("str")
	}
	return s.base != nil && slices.Contains(t.base.of, s.base.firstOf())
}

// firstOf is what type() answers for values of b, empty for callables.
func (b *baseType) firstOf() string {
	if len(b.of) == 0 {
		return ""
	}
	return b.of[0]
}

// misfit says why an expression certainly does not fit a type: got int, want str.
func (c *checker) misfit(t *typ, x syntax.Expr) error {
	if v, ok := c.constant(c.m, x); ok {
		return t.check(v)
	}
	s := c.typeOf(c.m, x)
	if t.mayTake(s) {
		return nil
	}
	return scriptFault("", "", "got %s, want %s", s.text, t.want())
}
