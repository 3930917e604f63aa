package runtime

import (
	"encoding"
	"reflect"
	"slices"
	"strings"
	"time"
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
