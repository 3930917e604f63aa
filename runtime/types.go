package runtime

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"

	"github.com/policyhost/policy/runtime/fault"
)

// typ is what a parameter, a result or the field of a record accepts.
type typ struct {
	text string // as it is written
	kind typeKind
	args []*typ       // alternatives, items, keys and values
	open bool         // a tuple of any length
	goes reflect.Type // the struct of a builtin's result
	enum *enumType
	rec  *recordType
	base *baseType
}

type typeKind uint8

const (
	anyKind typeKind = iota
	baseKind
	unionKind
	listKind
	setKind
	dictKind
	tupleKind
	callableKind
	durationKind
	enumKind
	recordKind
	resultKind
)

// baseType is a type of the language: its name in annotations, and what type()
// answers for its values.
type baseType struct {
	name string
	kind typeKind
	of   []string
	args int // how many there may be in brackets; -1 is any number
}

var baseTypes = []baseType{
	{"None", baseKind, []string{"NoneType"}, 0},
	{"bool", baseKind, []string{"bool"}, 0},
	{"int", baseKind, []string{"int"}, 0},
	{"float", baseKind, []string{"float", "int"}, 0},
	{"str", baseKind, []string{"string"}, 0},
	{"bytes", baseKind, []string{"bytes"}, 0},
	{"list", listKind, []string{"list"}, 1},
	{"dict", dictKind, []string{"dict"}, 2},
	{"tuple", tupleKind, []string{"tuple"}, -1},
	{"set", setKind, []string{"set"}, 1},
	{"struct", baseKind, []string{"struct"}, 0},
	{"time", baseKind, []string{"time.time"}, 0},
	{"duration", durationKind, []string{"time.duration"}, 0},
	{"callable", callableKind, nil, -1},
	{"function", callableKind, nil, -1},
	{"any", anyKind, nil, 0},
	{"Any", anyKind, nil, 0},
}

var anyType = &typ{text: "any"}

// typeNames is what names in annotations stand for, besides the base types.
type typeNames interface {
	// named gives the type of a name that the file defines, loads or gets from its
	// host. It is nil when there is no such name, and an error when the name is
	// something else.
	named(name string) (*typ, error)
	all() []string
}

// resolveType finds what a type that is written means. It fails with a
// fault at the name that means nothing.
func resolveType(e *typeExpr, names typeNames) (*typ, error) {
	refuse := func(hint, format string, a ...any) (*typ, error) {
		return nil, &placed{pos: e.pos, err: &fault.Error{Kind: fault.Script, Err: fmt.Errorf(format, a...), Hint: hint}}
	}
	t := &typ{text: e.String()}
	for _, arg := range e.args {
		switch arg.name {
		case "...":
			if e.name != "tuple" || len(e.args) != 2 || len(t.args) == 0 {
				return refuse("a tuple of any length is tuple[str, ...]", "... has no meaning in %s", t.text)
			}
			t.open = true
			continue
		case "[":
			if e.name != "callable" && e.name != "function" {
				return refuse("", "%s has no meaning in %s", arg, t.text)
			}
			for _, param := range arg.args {
				if _, err := resolveType(param, names); err != nil {
					return nil, err
				}
			}
			continue
		}
		a, err := resolveType(arg, names)
		if err != nil {
			return nil, err
		}
		t.args = append(t.args, a)
	}
	if e.name == "|" {
		t.kind = unionKind
		return t, nil
	}
	known, err := names.named(e.name)
	switch {
	case err != nil:
		return refuse("", "%w", err)
	case known != nil:
		if e.args != nil {
			return refuse("", "%s takes no types in brackets", e.name)
		}
		named := *known
		named.text = e.name
		return &named, nil
	}
	b := baseNamed(e.name)
	switch {
	case b == nil:
		return refuse(nearestType(e.name, names), "there is no type %s", e.name)
	case e.args != nil && b.args == 0:
		return refuse("", "%s takes no types in brackets", e.name)
	case e.args != nil && b.args > 0 && len(t.args) != b.args:
		return refuse("", "%s takes %d types in brackets, not %d", e.name, b.args, len(t.args))
	case e.args == nil && b.args >= 0:
		for range b.args {
			t.args = append(t.args, anyType)
		}
	case e.args == nil:
		t.args, t.open = []*typ{anyType}, true
	}
	t.kind, t.base = b.kind, b
	return t, nil
}

// baseNamed is the type of the language that has a name, nil when none has.
func baseNamed(name string) *baseType {
	i := slices.IndexFunc(baseTypes, func(b baseType) bool { return b.name == name })
	if i < 0 {
		return nil
	}
	return &baseTypes[i]
}

func nearestType(name string, names typeNames) string {
	for _, other := range []struct{ typed, meant string }{
		{"string", "str"}, {"boolean", "bool"}, {"integer", "int"}, {"number", "int"}, {"object", "dict"}, {"array", "list"}, {"map", "dict"}, {"null", "None"},
	} {
		if strings.EqualFold(name, other.typed) {
			return fmt.Sprintf("did you mean %q?", other.meant)
		}
	}
	candidates := names.all()
	for _, b := range baseTypes {
		candidates = append(candidates, b.name)
	}
	if near := fault.Nearest(name, candidates); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "types are str, int, float, bool, list[…], dict[…, …], and those that the file defines or loads: NAME = enum(…), NAME = record(…)"
}

// maxShown bounds how much of a value an error shows, in bytes.
const maxShown = 60

// refuses says what v is, when that is not what t accepts: `got "prd"`. It is
// empty when t accepts v.
func (t *typ) refuses(v starlark.Value) string {
	switch t.kind {
	case anyKind:
		return ""
	case unionKind:
		for _, alternative := range t.args {
			if alternative.refuses(v) == "" {
				return ""
			}
		}
	case callableKind:
		if _, ok := v.(starlark.Callable); ok {
			return ""
		}
	case durationKind:
		if s, ok := v.(starlark.String); ok {
			if _, err := time.ParseDuration(string(s)); err == nil {
				return ""
			}
		}
		if _, ok := v.(startime.Duration); ok {
			return ""
		}
	case enumKind:
		if s, ok := v.(starlark.String); ok && t.enum.has(string(s)) {
			return ""
		}
	case recordKind:
		if r, ok := v.(*record); ok && r.of.is(t.rec) {
			return ""
		}
	case resultKind:
		if typ := resultOf(v); typ != nil && typ == t.goes {
			return ""
		}
	default:
		if slices.Contains(t.base.of, typeName(v)) {
			return t.refusesParts(v)
		}
	}
	if s, ok := v.(starlark.String); ok {
		return "got " + shorten(s.String())
	}
	return "got " + nameOfType(v)
}

// refusesParts is refuses for what is in a list, dict, set or tuple.
func (t *typ) refusesParts(v starlark.Value) string {
	switch t.kind {
	case listKind, setKind:
		if t.args[0].kind == anyKind {
			return ""
		}
		return eachItem(v, func(i int, item starlark.Value) string {
			if got := t.args[0].refuses(item); got != "" {
				return fmt.Sprintf("got a %s whose item %d is %s", t.base.name, i, strings.TrimPrefix(got, "got "))
			}
			return ""
		})
	case tupleKind:
		tuple := v.(starlark.Tuple)
		if !t.open && len(tuple) != len(t.args) {
			return fmt.Sprintf("got a tuple of %d", len(tuple))
		}
		for i, item := range tuple {
			if got := t.args[min(i, len(t.args)-1)].refuses(item); got != "" {
				return fmt.Sprintf("got a tuple whose item %d is %s", i, strings.TrimPrefix(got, "got "))
			}
		}
	case dictKind:
		d, ok := v.(starlark.IterableMapping)
		if !ok || t.args[0].kind == anyKind && t.args[1].kind == anyKind {
			return ""
		}
		for _, item := range d.Items() {
			if got := t.args[0].refuses(item[0]); got != "" {
				return "got a dict with a key that is " + strings.TrimPrefix(got, "got ")
			}
			if got := t.args[1].refuses(item[1]); got != "" {
				return fmt.Sprintf("got a dict whose value of %s is %s", shorten(item[0].String()), strings.TrimPrefix(got, "got "))
			}
		}
	}
	return ""
}

// eachItem stops at the first item that check says something about.
func eachItem(v starlark.Value, check func(int, starlark.Value) string) string {
	iter := v.(starlark.Iterable).Iterate()
	defer iter.Done()
	var item starlark.Value
	for i := 0; iter.Next(&item); i++ {
		if said := check(i, item); said != "" {
			return said
		}
	}
	return ""
}

// want is what t accepts, in words: an enum's members are named.
func (t *typ) want() string {
	if t.kind == enumKind {
		return fmt.Sprintf("%s (%s)", t.text, strings.Join(t.enum.members, ", "))
	}
	if t.kind == durationKind {
		return `duration such as "30s"`
	}
	return t.text
}

// check refuses a value that t does not accept: got int, want str.
func (t *typ) check(v starlark.Value) error {
	got := t.refuses(v)
	if got == "" {
		return nil
	}
	f := &fault.Error{Kind: fault.Usage, Err: errors.New(got + ", want " + t.want())}
	if s, ok := v.(starlark.String); ok {
		if near := fault.Nearest(string(s), t.choices()); near != "" {
			f.Hint = fmt.Sprintf("did you mean %q?", near)
		}
	}
	return f
}

// choices are the texts that t accepts, if it accepts no others.
func (t *typ) choices() []string {
	switch t.kind {
	case enumKind:
		return t.enum.members
	case unionKind:
		var all []string
		for _, a := range t.args {
			all = append(all, a.choices()...)
		}
		return all
	}
	return nil
}

// takesNone reports a type that accepts None.
func (t *typ) takesNone() bool { return t.refuses(starlark.None) == "" }

// nameOfType is the type of a value, as an annotation would spell it.
func nameOfType(v starlark.Value) string {
	for _, b := range baseTypes {
		if len(b.of) > 0 && b.of[0] == v.Type() {
			return b.name
		}
	}
	if v.Type() == "builtin_function_or_method" {
		return "function"
	}
	return v.Type()
}

// resultOf is the Go struct behind a builtin's result.
func resultOf(v starlark.Value) reflect.Type {
	switch v := v.(type) {
	case *object:
		return elem(reflect.TypeOf(v.original))
	case *opaque:
		return elem(reflect.TypeOf(v.original))
	}
	return nil
}

func shorten(s string) string {
	if len(s) > maxShown {
		return strings.ToValidUTF8(s[:maxShown], "") + "…"
	}
	return s
}
