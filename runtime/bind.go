package runtime

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/policyhost/policy/runtime/fault"
)

// bind fills a new argument struct from a call's arguments. scalar reports that
// the first positional parameter takes several values and got one. Whatever is
// wrong is a Usage fault that names the function, the parameter, what it got and
// what it wants.
func (p *plan) bind(name string, args starlark.Tuple, kwargs []starlark.Tuple) (filled any, scalar bool, err error) {
	if len(args) > len(p.positional) {
		return nil, false, p.tooMany(name, len(args))
	}
	ptr := reflect.New(p.typ)
	v := ptr.Elem()
	v.Set(p.template)
	var given uint64
	for i, arg := range args {
		f := p.positional[i]
		if err := p.put(name, v, f, arg, &given); err != nil {
			return nil, false, err
		}
		if i == 0 {
			scalar = f.list && !severalValues(arg)
		}
	}
	for _, kwarg := range kwargs {
		key := string(kwarg[0].(starlark.String))
		i := slices.Index(p.names, key)
		if i < 0 {
			return nil, false, p.unknown(name, key)
		}
		f := p.fields[i]
		if given&f.bit != 0 {
			return nil, false, p.usage(name, "", "parameter %s: got two values", f.name)
		}
		if err := p.put(name, v, f, kwarg[1], &given); err != nil {
			return nil, false, err
		}
		if len(p.positional) > 0 && f == p.positional[0] {
			scalar = f.list && !severalValues(kwarg[1])
		}
	}
	for _, f := range p.fields {
		if f.required && given&f.bit == 0 {
			return nil, false, p.usage(name, "", "missing argument %s (%s)", f.name, f.want)
		}
	}
	for _, f := range p.shared {
		if given&f.bit == 0 {
			unshare(v.FieldByIndex(f.index))
		}
	}
	return ptr.Interface(), scalar, p.validate(name, v)
}

// put sets one parameter. None stands for "not given" where it is not a value of
// its own, so that scripts can pass optional arguments on.
func (p *plan) put(name string, v reflect.Value, f *field, arg starlark.Value, given *uint64) error {
	if arg == starlark.None && !f.nullable && !f.required {
		return nil
	}
	*given |= f.bit
	dst := v.FieldByIndex(f.index)
	if err := f.set(dst, arg); err != nil {
		return p.badValue(name, f, err)
	}
	if f.enum != nil {
		if err := f.checkEnum(dst); err != nil {
			return p.badValue(name, f, err)
		}
	}
	if f.validate {
		if err := dst.Addr().Interface().(validator).Validate(); err != nil {
			return p.badValue(name, f, err)
		}
	}
	return nil
}

// checkEnum is kong's rule: the value, or each of several, is one of the list.
func (f *field) checkEnum(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			if err := f.checkEnum(v.Index(i)); err != nil {
				return err
			}
		}
		return nil
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return f.checkEnum(v.Elem())
	}
	got := v.String() // the text of a string type
	if v.Kind() != reflect.String {
		got = fmt.Sprint(v.Interface())
	}
	if slices.Contains(f.enum, got) {
		return nil
	}
	shown := got
	if f.isText {
		shown = fmt.Sprintf("%q", got)
	}
	err := fault.New(fault.Usage, "", "got %s, want one of %s", shown, strings.Join(f.enum, ", "))
	if near := fault.Nearest(got, f.enum); near != "" {
		err = err.WithHint("did you mean %q?", near)
	}
	return err
}

func (p *plan) validate(name string, v reflect.Value) error {
	for _, index := range p.validators {
		if err := v.FieldByIndex(index).Addr().Interface().(validator).Validate(); err != nil {
			f := p.usage(name, "", "%w", err)
			if inner, ok := errors.AsType[*fault.Error](err); ok && inner.Hint != "" {
				f.Hint = inner.Hint
			}
			return f
		}
	}
	return nil
}

// usage is a fault of the call's arguments; without a hint of its own it shows
// the signature.
func (p *plan) usage(name, hint, format string, args ...any) *fault.Error {
	if hint == "" {
		hint = name + p.signature
	}
	return &fault.Error{Kind: fault.Usage, Op: name, Err: fmt.Errorf(format, args...), Hint: hint}
}

func (p *plan) badValue(name string, f *field, err error) error {
	hint := ""
	if inner, ok := errors.AsType[*fault.Error](err); ok {
		hint = inner.Hint
	}
	if wrong, ok := errors.AsType[*wrongType](err); ok && wrong.want == "" {
		wrong.want = f.want
	}
	return p.usage(name, hint, "parameter %s: %w", f.name, err)
}

func (p *plan) unknown(name, key string) error {
	hint := ""
	if near := fault.Nearest(key, p.names); near != "" {
		hint = fmt.Sprintf("did you mean %q? %s%s", near, name, p.signature)
	}
	return p.usage(name, hint, "unknown parameter %s", key)
}

func (p *plan) tooMany(name string, got int) error {
	hint := ""
	if last := len(p.positional) - 1; last >= 0 && p.positional[last].list {
		hint = fmt.Sprintf("pass several values as a list: %s = [...]", p.positional[last].name)
	} else if len(p.fields) > len(p.positional) {
		hint = "pass the others by name: " + name + p.signature
	}
	return p.usage(name, hint, "got %d positional arguments, want at most %d", got, len(p.positional))
}

// unshare gives a call its own copy of a default that could be changed.
func unshare(v reflect.Value) {
	if v.IsNil() {
		return
	}
	switch v.Kind() {
	case reflect.Slice:
		fresh := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(fresh, v)
		v.Set(fresh)
	case reflect.Map:
		fresh := reflect.MakeMapWithSize(v.Type(), v.Len())
		for it := v.MapRange(); it.Next(); {
			fresh.SetMapIndex(it.Key(), it.Value())
		}
		v.Set(fresh)
	case reflect.Pointer:
		fresh := reflect.New(v.Type().Elem())
		fresh.Elem().Set(v.Elem())
		v.Set(fresh)
	}
}

// longSignature is where a signature stops listing keywords.
const longSignature = 160

// describe writes the parameters as Starlark would: (refs, *, force = False).
func (p *plan) describe() string {
	var parts []string
	for _, f := range p.positional {
		parts = append(parts, f.declaration())
	}
	length, star := 0, false
	for _, f := range p.fields {
		if slices.Contains(p.positional, f) {
			continue
		}
		if !star {
			parts, star = append(parts, "*"), true
		}
		if length += len(f.declaration()) + 2; length > longSignature {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, f.declaration())
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

func (f *field) declaration() string {
	if f.required {
		return f.name
	}
	return f.name + " = " + f.shown
}

func showDefault(v reflect.Value, text string) string {
	switch v.Kind() {
	case reflect.Slice:
		if v.Len() == 0 {
			return "[]"
		}
		return fmt.Sprintf("%q", text)
	case reflect.Map:
		return "{}"
	case reflect.Bool:
		if v.Bool() {
			return "True"
		}
		return "False"
	case reflect.Pointer:
		return "None"
	case reflect.String:
		return fmt.Sprintf("%q", v.String())
	case reflect.Struct, reflect.Interface:
		if text == "" {
			return "None"
		}
	}
	if text != "" && (v.CanInt() || v.CanUint() || v.CanFloat()) && strings.Trim(text, "0123456789.-") == "" {
		return text
	}
	if text == "" {
		return fmt.Sprint(v.Interface())
	}
	return fmt.Sprintf("%q", text)
}
