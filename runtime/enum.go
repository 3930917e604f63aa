package runtime

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/policyhost/policy/runtime/fault"
)

// enumType is Stage = enum("staging", "prod"): a set of strings with a name. Its
// values are those strings, so that they print, compare and travel as such.
type enumType struct {
	name    string
	members []string
}

var (
	_ starlark.Callable  = (*enumType)(nil)
	_ starlark.HasAttrs  = (*enumType)(nil)
	_ starlark.Sequence  = (*enumType)(nil)
	_ starlark.Container = (*enumType)(nil)
)

func (e *enumType) String() string        { return "<enum " + e.name + ">" }
func (e *enumType) Name() string          { return e.name }
func (*enumType) Type() string            { return "enum" }
func (*enumType) Freeze()                 {} // it never changes
func (*enumType) Truth() starlark.Bool    { return true }
func (e *enumType) Hash() (uint32, error) { return hashName(e.name), nil }
func (e *enumType) Len() int              { return len(e.members) }

func (e *enumType) Iterate() starlark.Iterator {
	members := make(starlark.Tuple, len(e.members))
	for i, m := range e.members {
		members[i] = starlark.String(m)
	}
	return members.Iterate()
}

func (e *enumType) has(member string) bool { return slices.Contains(e.members, member) }

// Has implements "x in Stage".
func (e *enumType) Has(v starlark.Value) (bool, error) {
	s, ok := v.(starlark.String)
	return ok && e.has(string(s)), nil
}

// Attr gives a member that is a name: Stage.prod.
func (e *enumType) Attr(name string) (starlark.Value, error) {
	if !e.has(name) { // the interpreter says what was meant
		return nil, starlark.NoSuchAttrError(fmt.Sprintf("%s has no value %s, only %s", e.name, name, strings.Join(e.members, ", ")))
	}
	return starlark.String(name), nil
}

// AttrNames are the members, sorted.
func (e *enumType) AttrNames() []string { return slices.Sorted(slices.Values(e.members)) }

// CallInternal implements Stage("prod"): the member, or an error.
func (e *enumType) CallInternal(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) != 1 || len(kwargs) > 0 {
		return nil, scriptFault(e.name, "", "takes one of its values: %s", strings.Join(e.members, ", "))
	}
	if err := (&typ{text: e.name, kind: enumKind, enum: e}).check(args[0]); err != nil {
		return nil, scriptFault(e.name, fault.Of(err).Hint, "%w", errors.Unwrap(err))
	}
	return args[0], nil
}

// enumName and recordName are the builtins that define types, and what the
// compiler makes of them where a name is given to the type.
const (
	enumName   = "enum"
	recordName = "record"
)

// newEnum implements NAME = enum("a", "b"): the first argument is the name, which
// the compiler has put there.
func newEnum(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := &enumType{name: string(args[0].(starlark.String))}
	if len(kwargs) > 0 {
		return nil, scriptFault(enumName, "", "takes no keywords, only the values of the type")
	}
	for _, arg := range args[1:] {
		member, ok := arg.(starlark.String)
		switch {
		case !ok:
			return nil, scriptFault(enumName, "", "got %s, want only strings", nameOfType(arg))
		case e.has(string(member)):
			return nil, scriptFault(enumName, "", "%s is there twice", member)
		case member == "" || strings.ContainsAny(string(member), ",\n"):
			return nil, scriptFault(enumName, "", "a value can be neither empty nor have a comma or a line end: %s", member)
		}
		e.members = append(e.members, string(member))
	}
	if len(e.members) == 0 {
		return nil, scriptFault(enumName, `Stage = enum("staging", "prod")`, "has no values")
	}
	return e, nil
}

// refuseType is what enum and record are where no name is given to what they
// make.
func refuseType(_ *starlark.Thread, b *starlark.Builtin, _ starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	hint := `Stage = enum("staging", "prod")`
	if b.Name() == recordName {
		hint = "Target = record(name = str, tags = list[str])"
	}
	return nil, scriptFault(b.Name(), hint, "defines a type at the top level of a file, and gives it a name")
}

func scriptFault(op, hint, format string, args ...any) *fault.Error {
	return &fault.Error{Kind: fault.Script, Op: op, Err: fmt.Errorf(format, args...), Hint: hint}
}

func hashName(s string) uint32 {
	h, _ := starlark.String(s).Hash() // a string always has one
	return h
}

// definition is a type that the top level of a file defines: NAME = enum(…) or
// NAME = record(…).
type definition struct {
	name   *syntax.Ident
	call   *syntax.CallExpr
	fields []fieldExpr // of a record

	enum      *enumType // what it certainly defines, once a check needed it
	rec       *recordType
	resolving bool
}

// isRecord tells a record from an enum.
func (d *definition) isRecord() bool { return d.call.Fn.(*syntax.Ident).Name == recordName }

// definitions finds the types that a file defines. One with an enum or record of
// its own defines none.
func definitions(f *syntax.File) ([]*definition, error) {
	if bindsTopLevel(f, enumName, recordName) {
		return nil, nil
	}
	var all []*definition
	for _, stmt := range f.Stmts {
		assign, ok := stmt.(*syntax.AssignStmt)
		if !ok || assign.Op != syntax.EQ {
			continue
		}
		target, ok := assign.LHS.(*syntax.Ident)
		call, isCall := assign.RHS.(*syntax.CallExpr)
		if !ok || !isCall {
			continue
		}
		d := &definition{name: target, call: call}
		fn, ok := call.Fn.(*syntax.Ident)
		if !ok || fn.Name != enumName && fn.Name != recordName {
			continue
		}
		if fn.Name == recordName {
			if err := d.readFields(); err != nil {
				return nil, err
			}
			call.Args = nil // types are no expressions, as in list[str]
		}
		all = append(all, d)
	}
	return all, nil
}

// nameTypes tells each type its name: NAME = enum(…) becomes NAME =
// enum*("NAME", …), and NAME = record(…) becomes NAME = record*(n), where n says
// which definition has its fields.
func (m *module) nameTypes() {
	for i, d := range m.definitions {
		fn := d.call.Fn.(*syntax.Ident)
		if d.isRecord() {
			d.call.Args = []syntax.Expr{numberLiteral(i, d.call.Lparen)}
		} else {
			d.call.Args = append([]syntax.Expr{textLiteral(d.name.Name, d.call.Lparen)}, d.call.Args...)
		}
		fn.Name += guardName
	}
}

// bindsTopLevel reports a file that defines or loads one of the names itself.
func bindsTopLevel(f *syntax.File, names ...string) bool {
	for _, stmt := range f.Stmts {
		switch stmt := stmt.(type) {
		case *syntax.DefStmt:
			if slices.Contains(names, stmt.Name.Name) {
				return true
			}
		case *syntax.LoadStmt:
			for _, to := range stmt.To {
				if slices.Contains(names, to.Name) {
					return true
				}
			}
		case *syntax.AssignStmt:
			if target, ok := stmt.LHS.(*syntax.Ident); ok && slices.Contains(names, target.Name) {
				return true
			}
		}
	}
	return false
}

func textLiteral(text string, pos syntax.Position) syntax.Expr {
	return &syntax.Literal{Token: syntax.STRING, TokenPos: pos, Raw: fmt.Sprintf("%q", text), Value: text}
}

func numberLiteral(n int, pos syntax.Position) syntax.Expr {
	return &syntax.Literal{Token: syntax.INT, TokenPos: pos, Raw: fmt.Sprint(n), Value: int64(n)}
}
