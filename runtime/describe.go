package runtime

import (
	"encoding"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	starjson "go.starlark.net/lib/json"
	starmath "go.starlark.net/lib/math"
	"go.starlark.net/starlarkstruct"
)

// Function describes the builtin the way a script would declare it: parameters
// with their types, defaults and help, and what it gives. It fails when the
// argument struct has tags that a script cannot honour.
func (b Builtin) Function() (Function, error) {
	p, err := planOf(b.Args)
	if err != nil {
		return Function{}, err
	}
	f := Function{Name: b.Name, Doc: strings.TrimSpace(b.Doc)}
	f.Summary, _, _ = strings.Cut(f.Doc, "\n")
	for _, field := range p.fields {
		typ := p.typ.FieldByIndex(field.index).Type
		param := Param{
			Name: field.name, Help: field.help, Required: field.required, KeywordOnly: !slices.Contains(p.positional, field),
			Type: annotationOf(typ), Kind: "any", Choices: field.enum,
		}
		if !field.required {
			if v, err := toStarlark(p.template.FieldByIndex(field.index)); err == nil {
				param.Default, _ = toGo(v)
			}
		}
		f.Params = append(f.Params, param)
	}
	f.Result = resultAnnotation(b.Result, len(p.positional) > 0 && p.positional[0].list)
	return f, nil
}

// annotationOf is what a parameter takes, as a script would write it.
func annotationOf(t reflect.Type) string {
	switch {
	case isValueSetter(t):
		return "any"
	case t.Kind() == reflect.Pointer:
		return annotationOf(t.Elem()) + " | None"
	case isOpaque(t):
		return t.Name() + " | str"
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case t == reflect.TypeFor[time.Time](), implements[encoding.TextUnmarshaler](t):
		return "str"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "bool"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "int"
	case reflect.Float32, reflect.Float64:
		return "float"
	case reflect.String:
		return "str"
	case reflect.Slice:
		item := annotationOf(t.Elem())
		return item + " | list[" + item + "]"
	case reflect.Map:
		return "dict[" + annotationOf(t.Key()) + ", " + annotationOf(t.Elem()) + "]"
	}
	return "any"
}

// resultAnnotation is what a builtin gives: one for one, and a list for a list,
// where it takes several.
func resultAnnotation(t reflect.Type, several bool) string {
	if t == nil {
		return ""
	}
	if t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8 {
		item := goResult(t.Elem())
		switch {
		case item == nil:
			return "list"
		case several:
			return item.text + " | list[" + item.text + "]"
		}
		return "list[" + item.text + "]"
	}
	if goes := goResult(t); goes != nil {
		return goes.text
	}
	return "any"
}

// Struct is a type that builtins give, and its attributes.
type Struct struct {
	Name   string
	Fields []Field
}

// Field is an attribute; its type is empty when it depends on the value.
type Field struct{ Name, Type string }

// Structs lists the types of what builtins give, and of what is in them, by name.
// They are what annotations may name besides the types of the language.
func Structs(all []Builtin) []Struct {
	known := make(map[string]reflect.Type)
	for _, b := range all {
		addResult(known, b.Result)
	}
	var structs []Struct
	for _, name := range slices.Sorted(maps.Keys(known)) {
		s := Struct{Name: name}
		if t := known[name]; !isOpaque(t) {
			shape := shapeOf(t)
			for i, field := range shape.names {
				f := Field{Name: field}
				if goes := goResult(t.FieldByIndex(shape.fields[i]).Type); goes != nil {
					f.Type = goes.text
				}
				s.Fields = append(s.Fields, f)
			}
		}
		structs = append(structs, s)
	}
	return structs
}

// Modules lists the members of json, math and time: functions, and constants as
// functions without parameters whose result is their type.
func Modules() []Function {
	var all []Function
	for _, module := range []*starlarkstruct.Module{starjson.Module, starmath.Module, timeModule()} {
		for _, member := range module.Members.Keys() {
			name := module.Name + "." + member
			f, ok := languageFunction(name)
			if !ok {
				f = Function{Name: name, Result: nameOfType(module.Members[member])}
			}
			all = append(all, f)
		}
	}
	return all
}
