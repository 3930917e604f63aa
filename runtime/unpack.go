package runtime

import (
	"encoding"
	"fmt"
	"reflect"
	"time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
)

// ValueSetter is implemented by the pointer of an argument type that takes any
// value of a script. SetValue gets plain Go: nil, bool, int64, float64,
// json.Number (integers that do not fit and floats that are whole), string,
// []byte, []any, [Map], time.Time, json.RawMessage for a large document, or the Go
// value behind a builtin's result.
// All of them but secrets marshal to JSON as the script would write them.
type ValueSetter interface {
	SetValue(value any) error
}

// setter puts a script's value into a struct field.
type setter func(dst reflect.Value, v starlark.Value) error

// wrongType is a value of a type that a parameter does not take; want is filled
// in by who knows the whole parameter.
type wrongType struct{ got, want string }

func (w *wrongType) Error() string { return "got " + w.got + ", want " + w.want }

func mismatch(v starlark.Value) error { return &wrongType{got: v.Type()} }

// newSetter chooses the conversion for a field's type once, and says what it
// takes. parse reads text as the command line does: the fallback for types that
// only have a spelling as text.
func newSetter(typ reflect.Type, parse func(text string, dst reflect.Value) error) (setter, string) {
	switch {
	case isValueSetter(typ):
		return setAny, "any value"
	case typ.Kind() == reflect.Pointer:
		return setPointer(typ, parse)
	case isOpaque(typ):
		return setSecret(typ), "secret or string"
	case implements[encoding.TextUnmarshaler](typ) && typ != reflect.TypeFor[time.Time]():
		return orSame(setText), "string"
	}
	switch typ {
	case reflect.TypeFor[time.Duration]():
		return setDuration, `string such as "30s"`
	case reflect.TypeFor[time.Time]():
		return setTime(parse), `string such as "2026-01-31T12:00:00Z"`
	}
	switch typ.Kind() {
	case reflect.String:
		return orSame(setString), "string"
	case reflect.Bool:
		return setBool, "bool"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return setInt, "int"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return setUint, "int"
	case reflect.Float32, reflect.Float64:
		return setFloat, "float"
	case reflect.Slice:
		return setSlice(typ, parse)
	case reflect.Map:
		return setMap(typ, parse)
	}
	if !hasText(typ) {
		return orSame(func(_ reflect.Value, v starlark.Value) error { return mismatch(v) }), typ.Name()
	}
	return orSame(func(dst reflect.Value, v starlark.Value) error {
		text, ok := textOf(v)
		if !ok {
			return mismatch(v)
		}
		return parse(text, dst)
	}), "string"
}

// orSame also takes the result of another builtin that already has the type.
func orSame(set setter) setter {
	return func(dst reflect.Value, v starlark.Value) error {
		if o, ok := v.(*object); ok {
			if original := reflect.ValueOf(o.original); original.Type().AssignableTo(dst.Type()) {
				dst.Set(original)
				return nil
			}
		}
		return set(dst, v)
	}
}

func setAny(dst reflect.Value, v starlark.Value) error {
	plain, err := toGo(v)
	if err != nil {
		return err
	}
	if dst.Kind() == reflect.Pointer {
		if dst.IsNil() {
			dst.Set(reflect.New(dst.Type().Elem()))
		}
		return dst.Interface().(ValueSetter).SetValue(plain)
	}
	return dst.Addr().Interface().(ValueSetter).SetValue(plain)
}

func setPointer(typ reflect.Type, parse func(string, reflect.Value) error) (setter, string) {
	set, want := newSetter(typ.Elem(), func(text string, dst reflect.Value) error {
		fresh := reflect.New(typ).Elem()
		if err := parse(text, fresh); err != nil {
			return err
		}
		dst.Set(fresh.Elem())
		return nil
	})
	return orSame(func(dst reflect.Value, v starlark.Value) error {
		if v == starlark.None {
			dst.SetZero()
			return nil
		}
		fresh := reflect.New(typ.Elem())
		if err := set(fresh.Elem(), v); err != nil {
			return err
		}
		dst.Set(fresh)
		return nil
	}), want
}

// setSecret takes the very type of secret, or its text written out.
func setSecret(typ reflect.Type) setter {
	return func(dst reflect.Value, v starlark.Value) error {
		if s, ok := v.(*opaque); ok {
			original := reflect.ValueOf(s.original)
			if original.Kind() == reflect.Pointer && original.Type() != typ {
				original = original.Elem()
			}
			if original.Type().AssignableTo(typ) {
				dst.Set(original)
				return nil
			}
			return mismatch(v)
		}
		if _, plain := v.(starlark.String); plain && implements[encoding.TextUnmarshaler](typ) {
			return setText(dst, v)
		}
		return mismatch(v)
	}
}

func setText(dst reflect.Value, v starlark.Value) error {
	text, ok := textOf(v)
	if !ok {
		return mismatch(v)
	}
	return dst.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
}

// textOf is the text of a string, or of a result that has a text of its own: an
// image stands for its reference.
func textOf(v starlark.Value) (string, bool) {
	switch v := v.(type) {
	case starlark.String:
		return string(v), true
	case *object:
		if s, ok := v.original.(fmt.Stringer); ok {
			return s.String(), true
		}
	}
	return "", false
}

func setString(dst reflect.Value, v starlark.Value) error {
	text, ok := textOf(v)
	if !ok {
		return mismatch(v)
	}
	dst.SetString(text)
	return nil
}

func setBool(dst reflect.Value, v starlark.Value) error {
	b, ok := v.(starlark.Bool)
	if !ok {
		return mismatch(v)
	}
	dst.SetBool(bool(b))
	return nil
}

func setInt(dst reflect.Value, v starlark.Value) error {
	i, ok := v.(starlark.Int)
	if !ok {
		return mismatch(v)
	}
	n, fits := i.Int64()
	if !fits || dst.OverflowInt(n) {
		return fmt.Errorf("%s is out of range", i)
	}
	dst.SetInt(n)
	return nil
}

func setUint(dst reflect.Value, v starlark.Value) error {
	i, ok := v.(starlark.Int)
	if !ok {
		return mismatch(v)
	}
	n, fits := i.Uint64()
	if !fits || dst.OverflowUint(n) {
		return fmt.Errorf("%s is out of range", i)
	}
	dst.SetUint(n)
	return nil
}

func setFloat(dst reflect.Value, v starlark.Value) error {
	f, ok := starlark.AsFloat(v)
	if !ok {
		return mismatch(v)
	}
	dst.SetFloat(f)
	return nil
}

func setDuration(dst reflect.Value, v starlark.Value) error {
	switch v := v.(type) {
	case startime.Duration:
		dst.SetInt(int64(v))
		return nil
	case starlark.String:
		d, err := time.ParseDuration(string(v))
		if err != nil {
			return fmt.Errorf(`got %s, want a duration such as "30s" or "1h30m"`, v)
		}
		dst.SetInt(int64(d))
		return nil
	}
	return mismatch(v)
}

func setTime(parse func(string, reflect.Value) error) setter {
	return func(dst reflect.Value, v starlark.Value) error {
		switch v := v.(type) {
		case startime.Time:
			dst.Set(reflect.ValueOf(time.Time(v)))
			return nil
		case starlark.String:
			if err := parse(string(v), dst); err != nil {
				return fmt.Errorf(`got %s, want a time such as "2026-01-31T12:00:00Z"`, v)
			}
			return nil
		}
		return mismatch(v)
	}
}

func implements[T any](typ reflect.Type) bool {
	target := reflect.TypeFor[T]()
	return typ.Implements(target) || reflect.PointerTo(typ).Implements(target)
}

func isValueSetter(typ reflect.Type) bool { return implements[ValueSetter](typ) }

// isList reports a slice that is filled element by element.
func isList(typ reflect.Type) bool {
	return typ.Kind() == reflect.Slice && !isValueSetter(typ) && !implements[encoding.TextUnmarshaler](typ)
}

// elem is the type of a single value of a parameter.
func elem(typ reflect.Type) reflect.Type {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	return typ
}
