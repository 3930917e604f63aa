package runtime

import (
	"encoding"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/kong"

	"github.com/policyhost/policy/runtime/fault"
)

// plan is what a script may pass for one argument struct: kong's parsed model of
// the struct, made once for a type, in the shape a call needs.
type plan struct {
	typ        reflect.Type
	template   reflect.Value // a struct with the defaults
	fields     []*field
	positional []*field // may be passed by position, in this order
	names      []string // of fields
	shared     []*field // defaults that calls must not share: slices, maps, pointers
	validators [][]int  // index paths of structs with a Validate method
	signature  string
}

// field is one parameter.
type field struct {
	name     string
	bit      uint64 // its place in a set of fields
	index    []int  // of the struct field
	set      setter
	want     string // what it accepts, for errors
	isText   bool   // the values of enum are strings
	enum     []string
	required bool
	nullable bool // None is a value and does not stand for the default
	list     bool // a slice: takes one value or several
	validate bool
	shown    string // its default as Starlark, for the signature
	help     string
}

// maxPositional is how many arguments a call may pass by position, besides a
// last one that takes several values.
const maxPositional = 2

// Tags that kong honours only while it parses a command line, so that a script
// would not get what the schema promises.
var forbiddenTags = []string{"env", "xor", "and", "lastwins", "passthrough", "type"}

var plans sync.Map // reflect.Type of an args struct → *plan

// planOf makes the plan of what newArgs returns a pointer to.
func planOf(newArgs func() any) (*plan, error) {
	var sample any = &struct{}{}
	if newArgs != nil {
		sample = newArgs()
	}
	typ := reflect.TypeOf(sample)
	if p, ok := plans.Load(typ); ok {
		return p.(*plan), nil
	}
	if typ == nil || typ.Kind() != reflect.Pointer || typ.Elem().Kind() != reflect.Struct {
		return nil, fault.New(fault.Internal, "", "arguments must be a pointer to a struct, not %T", sample)
	}
	p, err := newPlan(typ.Elem())
	if err != nil {
		return nil, fault.New(fault.Internal, "", "arguments %s: %w", typ.Elem(), err)
	}
	plans.Store(typ, p)
	return p, nil
}

func newPlan(typ reflect.Type) (*plan, error) {
	p := &plan{typ: typ, template: reflect.New(typ).Elem()}
	sample := reflect.New(typ)
	options := []kong.Option{kong.NoDefaultHelp(), kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) {})}
	model, err := kong.New(sample.Interface(), append(options, valueMappers(typ)...)...)
	if err != nil {
		return nil, err
	}
	values := slices.Clone(model.Model.Positional)
	for _, flag := range model.Model.Flags {
		values = append(values, flag.Value)
	}
	for _, v := range values {
		if v.Tag.Get("star") == "-" {
			continue
		}
		if err := p.add(v, indexOf(sample.Elem(), v.Target)); err != nil {
			return nil, fmt.Errorf("field %q: %w", v.Name, err)
		}
	}
	if len(p.fields) > 64 {
		return nil, fmt.Errorf("more than 64 parameters")
	}
	p.validators = validators(typ, nil)
	p.signature = p.describe()
	return p, nil
}

func (p *plan) add(v *kong.Value, index []int) error {
	for _, tag := range forbiddenTags {
		if v.Tag.Has(tag) && (tag != "type" || v.Tag.Type != "counter") {
			return fmt.Errorf("the tag %q works on a command line only", tag)
		}
	}
	if index == nil {
		return fmt.Errorf("embedded by pointer")
	}
	f := &field{
		name:     strings.ReplaceAll(v.Name, "-", "_"),
		index:    index,
		required: v.Required,
		help:     v.Help,
		bit:      1 << len(p.fields),
	}
	if name := v.Tag.Get("star"); name != "" {
		f.name = name
	}
	typ := p.typ.FieldByIndex(index).Type
	f.set, f.want = newSetter(typ, func(text string, dst reflect.Value) error { return decode(v, text, dst) })
	f.list = isList(typ)
	f.nullable = typ.Kind() == reflect.Pointer || isValueSetter(typ)
	f.validate = implements[validator](typ)
	if v.Enum != "" {
		f.enum = v.EnumSlice()
		f.isText = elem(typ).Kind() == reflect.String
	}
	if v.HasDefault {
		if err := decode(v, v.Default, p.template.FieldByIndex(index)); err != nil {
			return fmt.Errorf("default %q: %w", v.Default, err)
		}
		switch typ.Kind() {
		case reflect.Slice, reflect.Map, reflect.Pointer:
			p.shared = append(p.shared, f)
		}
		f.required = false
	}
	if !f.required {
		f.shown = showDefault(p.template.FieldByIndex(index), v.Default)
	}
	if slices.Contains(p.names, f.name) {
		return fmt.Errorf("there are two parameters named %q", f.name)
	}
	p.fields, p.names = append(p.fields, f), append(p.names, f.name)
	if v.Tag.Arg && (len(p.positional) < maxPositional || f.list) {
		p.positional = append(p.positional, f)
	}
	return nil
}

// decode reads text as kong would. Value.Parse and Value.Reset are no use here:
// they change the shared model, and Reset reads the environment.
func decode(v *kong.Value, text string, dst reflect.Value) error {
	scan := kong.ScanFromTokens(kong.Token{Type: kong.FlagValueToken, Value: text})
	return v.Mapper.Decode(&kong.DecodeContext{Value: v, Scan: scan}, dst)
}

// valueMappers lets kong accept fields that only a script can fill.
func valueMappers(typ reflect.Type) []kong.Option {
	var options []kong.Option
	scriptOnly := kong.MapperFunc(func(*kong.DecodeContext, reflect.Value) error {
		return fmt.Errorf("has no spelling as text")
	})
	for i := range typ.NumField() {
		f := typ.Field(i)
		switch {
		case isEmbedded(f):
			options = append(options, valueMappers(f.Type)...)
		case !hasText(f.Type):
			options = append(options, kong.TypeMapper(f.Type, scriptOnly))
		}
	}
	return options
}

// hasText reports whether kong can read a field of the type from text.
func hasText(typ reflect.Type) bool {
	if implements[encoding.TextUnmarshaler](typ) || typ == reflect.TypeFor[time.Time]() {
		return true
	}
	return !isValueSetter(typ) && typ.Kind() != reflect.Struct && typ.Kind() != reflect.Interface
}

// indexOf finds the field of structure that target is: kong's model has the
// fields of embedded structs beside the others.
func indexOf(structure, target reflect.Value) []int {
	for i := range structure.NumField() {
		v := structure.Field(i)
		if v.Type() == target.Type() && v.Addr().Pointer() == target.Addr().Pointer() {
			return []int{i}
		}
		if isEmbedded(structure.Type().Field(i)) {
			if rest := indexOf(v, target); rest != nil {
				return append([]int{i}, rest...)
			}
		}
	}
	return nil
}

// isEmbedded reports a struct embedded by Go's rule or by kong's tag.
func isEmbedded(f reflect.StructField) bool {
	_, tag := f.Tag.Lookup("embed")
	return (f.Anonymous || tag) && f.Type.Kind() == reflect.Struct && f.IsExported()
}

type validator interface{ Validate() error }

// validators lists the struct and the structs embedded in it that check
// themselves.
func validators(typ reflect.Type, at []int) [][]int {
	var found [][]int
	if implements[validator](typ) {
		found = append(found, at)
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		if isEmbedded(f) {
			found = append(found, validators(f.Type, append(slices.Clone(at), i))...)
		}
	}
	return found
}
