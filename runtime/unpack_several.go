package runtime

import (
	"errors"
	"fmt"
	"reflect"

	"go.starlark.net/starlark"
)

// setSlice takes a list, tuple or set, or one element.
func setSlice(typ reflect.Type, parse func(string, reflect.Value) error) (setter, string) {
	set, want := newSetter(typ.Elem(), parse)
	return orSame(func(dst reflect.Value, v starlark.Value) error {
		if !severalValues(v) {
			one := reflect.MakeSlice(typ, 1, 1)
			if err := set(one.Index(0), v); err != nil {
				return err
			}
			dst.Set(one)
			return nil
		}
		all := reflect.MakeSlice(typ, 0, starlark.Len(v))
		iter := v.(starlark.Iterable).Iterate()
		defer iter.Done()
		var e starlark.Value
		for i := 0; iter.Next(&e); i++ {
			item := reflect.New(typ.Elem()).Elem()
			if err := set(item, e); err != nil {
				return within(fmt.Sprintf("item %d", i), err, want)
			}
			all = reflect.Append(all, item)
		}
		dst.Set(all)
		return nil
	}), want + " or list of " + plural(want)
}

// severalValues reports whether v is a list in the sense of "list in, list out".
func severalValues(v starlark.Value) bool {
	switch v.(type) {
	case *starlark.List, starlark.Tuple, *starlark.Set, *largeList:
		return true
	}
	return false
}

func setMap(typ reflect.Type, parse func(string, reflect.Value) error) (setter, string) {
	setKey, wantKey := newSetter(typ.Key(), parse)
	setElem, wantElem := newSetter(typ.Elem(), parse)
	return orSame(func(dst reflect.Value, v starlark.Value) error {
		d, ok := v.(starlark.IterableMapping)
		if !ok {
			return mismatch(v)
		}
		all := reflect.MakeMap(typ)
		for _, item := range d.Items() {
			key, elem := reflect.New(typ.Key()).Elem(), reflect.New(typ.Elem()).Elem()
			if err := setKey(key, item[0]); err != nil {
				return within(fmt.Sprintf("key %s", item[0]), err, wantKey)
			}
			if err := setElem(elem, item[1]); err != nil {
				return within(fmt.Sprintf("value of %s", item[0]), err, wantElem)
			}
			all.SetMapIndex(key, elem)
		}
		dst.Set(all)
		return nil
	}), fmt.Sprintf("dict of %s to %s", wantKey, wantElem)
}

// within says where in a list or dict a value is wrong.
func within(where string, err error, want string) error {
	if wrong, ok := errors.AsType[*wrongType](err); ok && wrong.want == "" {
		wrong.want = want
	}
	return fmt.Errorf("%s: %w", where, err)
}

func plural(want string) string {
	for _, word := range []string{"string", "int", "bool", "float", "secret"} {
		if want == word {
			return word + "s"
		}
	}
	return want
}
