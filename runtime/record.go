package runtime

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/policyhost/policy/runtime/fault"
)

// recordType is Target = record(name = str, tags = list[str]): a struct with
// typed fields.
type recordType struct {
	name   string
	std    string // the module of the standard library that defines it
	fields []string
	types  []*typ
}

// fieldExpr is a field of a record as it is written.
type fieldExpr struct {
	name string
	typ  *typeExpr
}

// readFields reads the fields of record(name = str, …).
func (d *definition) readFields() error {
	for _, arg := range d.call.Args {
		pair, ok := arg.(*syntax.BinaryExpr)
		if !ok || pair.Op != syntax.EQ {
			return placedFault(syntax.Start(arg), "Target = record(name = str, tags = list[str])", "record takes fields and their types: name = type")
		}
		f := fieldExpr{pair.X.(*syntax.Ident).Name, typeFrom(pair.Y)}
		if f.typ == nil {
			return placedFault(syntax.Start(pair.Y), "Target = record(name = str, tags = list[str])", "the field %s of %s has a value that is no type", f.name, d.name.Name)
		}
		d.fields = append(d.fields, f)
	}
	return nil
}

// newRecordType makes a record type of its definition in m.
func (m *module) newRecordType(d *definition, names typeNames) (*recordType, error) {
	t := &recordType{name: d.name.Name}
	if m.std {
		t.std = m.path
	}
	if slices.ContainsFunc(baseTypes, func(b baseType) bool { return b.name == t.name || slices.Contains(b.of, t.name) }) {
		return nil, placedFault(d.name.NamePos, "", "%s is a type of the language", t.name)
	}
	for _, f := range d.fields {
		field, err := resolveType(f.typ, names)
		if err != nil {
			return nil, err
		}
		t.fields, t.types = append(t.fields, f.name), append(t.types, field)
	}
	return t, nil
}

var _ starlark.Callable = (*recordType)(nil)

func (t *recordType) String() string        { return "<record " + t.name + ">" }
func (t *recordType) Name() string          { return t.name }
func (*recordType) Type() string            { return "record" }
func (*recordType) Freeze()                 {} // it never changes
func (*recordType) Truth() starlark.Bool    { return true }
func (t *recordType) Hash() (uint32, error) { return hashName(t.name), nil }

// is reports whether both are one type: of the standard library each package has
// modules of its own.
func (t *recordType) is(other *recordType) bool {
	return t == other || t != nil && other != nil && t.std != "" && t.std == other.std && t.name == other.name
}

// signature is how to make one: Target(name: str, tags: list[str]).
func (t *recordType) signature() string {
	var all []string
	for i, f := range t.fields {
		all = append(all, f+": "+t.types[i].text)
	}
	return t.name + "(" + strings.Join(all, ", ") + ")"
}

// CallInternal implements Target(name = "x"). Fields that take None may be left
// out.
func (t *recordType) CallInternal(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) > 0 {
		return nil, scriptFault(t.name, t.signature(), "takes its fields by name")
	}
	r := &record{of: t, values: make([]starlark.Value, len(t.fields))}
	for _, kwarg := range kwargs {
		name := string(kwarg[0].(starlark.String))
		i := slices.Index(t.fields, name)
		if i < 0 {
			return nil, scriptFault(t.name, t.meant(name), "has no field %s", name)
		}
		if err := t.types[i].check(kwarg[1]); err != nil {
			f := fault.Of(err)
			hint := f.Hint
			if hint == "" {
				hint = t.signature()
			}
			return nil, scriptFault(t.name, hint, "field %s: %w", name, f.Err)
		}
		r.values[i] = kwarg[1]
	}
	for i, v := range r.values {
		if v != nil {
			continue
		}
		if !t.types[i].takesNone() {
			return nil, scriptFault(t.name, t.signature(), "missing field %s (%s)", t.fields[i], t.types[i].text)
		}
		r.values[i] = starlark.None
	}
	return r, nil
}

// typeOf is the type of a field; any for one that there is not.
func (t *recordType) typeOf(field string) *typ {
	if i := slices.Index(t.fields, field); i >= 0 {
		return t.types[i]
	}
	return anyType
}

// meant suggests the field that is nearest to a name.
func (t *recordType) meant(name string) string {
	if near := fault.Nearest(name, t.fields); near != "" {
		return fmt.Sprintf("did you mean %q? %s", near, t.signature())
	}
	return t.signature()
}

// record is a value of a recordType. Its fields are never set again.
type record struct {
	of     *recordType
	values []starlark.Value
}

var (
	_ starlark.HasAttrs   = (*record)(nil)
	_ starlark.Comparable = (*record)(nil)
	_ json.Marshaler      = (*record)(nil)
)

func (r *record) Type() string         { return r.of.name }
func (r *record) Truth() starlark.Bool { return true }
func (r *record) AttrNames() []string  { return slices.Sorted(slices.Values(r.of.fields)) }

// String reads Target(name = "x", tags = []).
func (r *record) String() string {
	var all []string
	for i, f := range r.of.fields {
		all = append(all, f+" = "+r.values[i].String())
	}
	return r.of.name + "(" + strings.Join(all, ", ") + ")"
}

// Freeze freezes what the fields hold.
func (r *record) Freeze() {
	for _, v := range r.values {
		v.Freeze()
	}
}

// Hash fails when a field's value has none.
func (r *record) Hash() (uint32, error) {
	sum := hashName(r.of.name)
	for i, v := range r.values {
		h, err := v.Hash()
		if err != nil {
			return 0, fmt.Errorf("the field %s of %s: %w", r.of.fields[i], r.of.name, err)
		}
		sum = sum*31 + h
	}
	return sum, nil
}

// Attr gives a field.
func (r *record) Attr(name string) (starlark.Value, error) {
	if i := slices.Index(r.of.fields, name); i >= 0 {
		return r.values[i], nil
	}
	return nil, nil // the interpreter says what was meant
}

// CompareSameType compares fields; records of different types are never equal.
func (r *record) CompareSameType(op syntax.Token, y starlark.Value, depth int) (bool, error) {
	same, err := false, error(nil)
	if other, ok := y.(*record); ok {
		same, err = r.equal(other, depth)
	}
	switch op {
	case syntax.EQL:
		return same, err
	case syntax.NEQ:
		return !same, err
	}
	return false, fmt.Errorf("%s %s %s is not implemented", r.Type(), op, y.Type())
}

func (r *record) equal(other *record, depth int) (bool, error) {
	if !r.of.is(other.of) {
		return false, nil
	}
	for i, v := range r.values {
		if same, err := starlark.EqualDepth(v, other.values[i], depth-1); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

// MarshalJSON writes an object with the fields in the order of the type.
func (r *record) MarshalJSON() ([]byte, error) {
	m, err := recordToMap(r, 0)
	if err != nil {
		return nil, err
	}
	return json.Marshal(m)
}

func recordToMap(r *record, depth int) (any, error) {
	m := make(Map, 0, len(r.values))
	for i, v := range r.values {
		value, err := toGoAt(v, depth+1)
		if err != nil {
			return nil, pathTo(err, "field %s", r.of.fields[i])
		}
		m = append(m, Member{r.of.fields[i], value})
	}
	return m, nil
}
