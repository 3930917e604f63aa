package runtime

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// object is a Go struct in a script: frozen, with the struct's json names as
// attributes.
type object struct {
	original any // what the builtin returned
	value    reflect.Value
	shape    *shape
	from     *origin // of the list it is in, and where
	at       int

	mu    sync.Mutex
	attrs []starlark.Value // those read so far
}

var (
	_ starlark.HasAttrs   = (*object)(nil)
	_ starlark.Comparable = (*object)(nil)
	_ json.Marshaler      = (*object)(nil)
)

func newObject(original any, v reflect.Value) *object {
	s := shapeOf(v.Type())
	return &object{original: original, value: v, shape: s, attrs: make([]starlark.Value, len(s.names))}
}

func (o *object) Type() string                 { return o.shape.typ }
func (o *object) Freeze()                      {} // it never changes
func (o *object) Truth() starlark.Bool         { return true }
func (o *object) AttrNames() []string          { return o.shape.sorted }
func (o *object) MarshalJSON() ([]byte, error) { return json.Marshal(o.original) }

// Attr converts a field when it is first read. A nil slice or map reads as an
// empty one, so that scripts can iterate over what is not there.
func (o *object) Attr(name string) (starlark.Value, error) {
	i, ok := o.shape.index[name]
	if !ok {
		return nil, nil // the interpreter says what was meant
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.attrs[i] == nil {
		v, err := toStarlark(o.value.FieldByIndex(o.shape.fields[i]))
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", o.Type(), name, err)
		}
		v.Freeze()
		o.attrs[i] = v
	}
	return o.attrs[i], nil
}

// String reads Image(ref="ghcr.io/acme/authz:1.0", …).
func (o *object) String() string {
	var b strings.Builder
	b.WriteString(o.Type() + "(")
	sep := ""
	for i, name := range o.shape.names {
		if o.shape.omitEmpty[i] && o.value.FieldByIndex(o.shape.fields[i]).IsZero() {
			continue
		}
		v, err := o.Attr(name)
		if err != nil {
			continue
		}
		b.WriteString(sep + name + "=" + v.String())
		sep = ", "
	}
	return b.String() + ")"
}

// CompareSameType makes objects equal that have one type and equal attributes.
func (o *object) CompareSameType(op syntax.Token, y starlark.Value, depth int) (bool, error) {
	if op != syntax.EQL && op != syntax.NEQ {
		return false, fmt.Errorf("%s %s %s: results have no order", o.Type(), op, y.Type())
	}
	equal, err := false, error(nil)
	if other, ok := y.(*object); ok { // a record may have the name of a result
		equal, err = o.equal(other, depth)
	}
	return equal == (op == syntax.EQL), err
}

func (o *object) equal(other *object, depth int) (bool, error) {
	if o.shape != other.shape {
		return false, nil
	}
	for _, name := range o.shape.names {
		a, err := o.Attr(name)
		if err != nil {
			return false, err
		}
		b, err := other.Attr(name)
		if err != nil {
			return false, err
		}
		if same, err := starlark.EqualDepth(a, b, depth-1); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

// Hash covers the simple attributes only: enough to spread, and equal objects
// hash alike whatever their documents' keys are ordered by.
func (o *object) Hash() (uint32, error) {
	hash, _ := starlark.String(o.Type()).Hash()
	for _, name := range o.shape.names {
		v, err := o.Attr(name)
		if err != nil {
			return 0, err
		}
		switch v.(type) {
		case starlark.String, starlark.Int, starlark.Bool, starlark.Float:
			h, err := v.Hash()
			if err != nil {
				return 0, err
			}
			hash = hash*31 + h
		}
	}
	return hash, nil
}

// shape is how a struct type looks in a script.
type shape struct {
	typ       string
	names     []string // in the order of the struct
	sorted    []string
	index     map[string]int
	fields    [][]int
	omitEmpty []bool
}

var shapes sync.Map // reflect.Type → *shape

func shapeOf(typ reflect.Type) *shape {
	if s, ok := shapes.Load(typ); ok {
		return s.(*shape)
	}
	s := &shape{typ: typ.Name(), index: make(map[string]int)}
	if s.typ == "" {
		s.typ = "struct"
	}
	for _, f := range reflect.VisibleFields(typ) {
		tag, tagged := f.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		if !f.IsExported() || tag == "-" || (f.Anonymous && name == "" && elem(f.Type).Kind() == reflect.Struct) || throughPointer(typ, f.Index) {
			continue
		}
		if !tagged || name == "" {
			name = f.Name
		}
		s.index[name] = len(s.names)
		s.names = append(s.names, name)
		s.fields = append(s.fields, f.Index)
		s.omitEmpty = append(s.omitEmpty, strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero"))
	}
	s.sorted = slices.Sorted(slices.Values(s.names))
	actual, _ := shapes.LoadOrStore(typ, s)
	return actual.(*shape)
}

// throughPointer reports a field of a struct embedded by pointer, which may be
// nil: results do not have them.
func throughPointer(typ reflect.Type, index []int) bool {
	for _, i := range index[:len(index)-1] {
		f := typ.Field(i)
		if f.Type.Kind() == reflect.Pointer {
			return true
		}
		typ = f.Type
	}
	return false
}

// Secret is implemented by results that must not be shown. A script can pass one
// on to a parameter of the same type and nothing else: it prints as ***, has no
// JSON, no attributes and no operators.
type Secret interface{ Secret() string }

func isOpaque(typ reflect.Type) bool { return implements[Secret](typ) }

type opaque struct{ original any }

func (*opaque) String() string       { return "***" }
func (*opaque) Freeze()              {}
func (*opaque) Truth() starlark.Bool { return true }

func (o *opaque) Type() string { return elem(reflect.TypeOf(o.original)).Name() }

func (o *opaque) Hash() (uint32, error) {
	return 0, fmt.Errorf("unhashable: %s", o.Type())
}

// MarshalJSON refuses: a secret has no JSON.
func (o *opaque) MarshalJSON() ([]byte, error) {
	return nil, fmt.Errorf("a %s has no JSON", o.Type())
}
