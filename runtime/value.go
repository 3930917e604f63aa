package runtime

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	starjson "go.starlark.net/lib/json"
	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
)

// toStarlark turns a builtin's result into what a script sees. Structs become
// objects, everything else the nearest value of the language; the caller freezes
// it.
func toStarlark(v reflect.Value) (starlark.Value, error) {
	if !v.IsValid() {
		return starlark.None, nil
	}
	switch v.Kind() {
	case reflect.Interface:
		return toStarlark(v.Elem())
	case reflect.Pointer:
		if v.IsNil() {
			return starlark.None, nil
		}
	}
	if isOpaque(v.Type()) {
		return &opaque{original: v.Interface()}, nil
	}
	if known, ok, err := knownValue(v); ok {
		return known, err
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.Elem().Kind() == reflect.Struct {
			return newObject(v.Interface(), v.Elem()), nil
		}
		return toStarlark(v.Elem())
	case reflect.Struct:
		return newObject(v.Interface(), v), nil
	case reflect.String:
		return starlark.String(v.String()), nil
	case reflect.Bool:
		return starlark.Bool(v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return starlark.MakeInt64(v.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return starlark.MakeUint64(v.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return starlark.Float(v.Float()), nil
	case reflect.Slice, reflect.Array:
		return newList(v)
	case reflect.Map:
		return newDict(v)
	}
	return nil, fmt.Errorf("a Go %s has no counterpart in Starlark", v.Type())
}

// knownValue converts the types that have a meaning of their own.
func knownValue(v reflect.Value) (starlark.Value, bool, error) {
	if !v.CanInterface() {
		return nil, false, nil
	}
	switch x := v.Interface().(type) {
	case starlark.Value:
		return x, true, nil
	case time.Time:
		return startime.Time(x), true, nil
	case *time.Time:
		return startime.Time(*x), true, nil
	case time.Duration:
		return startime.Duration(x), true, nil
	case json.RawMessage:
		doc, err := fromJSON(x)
		return doc, true, err
	case json.Number:
		n, err := number(string(x))
		return n, true, err
	case []byte:
		return starlark.Bytes(x), true, nil
	case Map:
		doc, err := fromMap(x)
		return doc, true, err
	case *big.Int:
		return starlark.MakeBigInt(x), true, nil
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		return starlark.String(text), true, err
	case json.Marshaler:
		text, err := x.MarshalJSON()
		if err != nil {
			return nil, true, err
		}
		if v.Kind() == reflect.Struct || (v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct) {
			return nil, false, nil // an object, which json.encode asks for its JSON
		}
		doc, err := fromJSON(text)
		return doc, true, err
	}
	return nil, false, nil
}

func fromMap(m Map) (starlark.Value, error) {
	d := starlark.NewDict(len(m))
	for _, member := range m {
		v, err := toStarlark(reflect.ValueOf(member.Value))
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", member.Key, err)
		}
		if err := d.SetKey(starlark.String(member.Key), v); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// fromJSON keeps integers exact, floats floats, and keys in their order. What is large
// is converted as it is read.
func fromJSON(text []byte) (starlark.Value, error) {
	if d := newDocument(text); d != nil {
		return d, nil
	}
	if v, ok := plainJSON(text); ok {
		return v, nil
	}
	return decodeJSON(text)
}

// decodeJSON converts all of a text.
func decodeJSON(text []byte) (starlark.Value, error) {
	if len(text) == 0 {
		return starlark.None, nil
	}
	return starlark.Call(new(starlark.Thread), starjson.Module.Members["decode"], starlark.Tuple{starlark.String(text)}, nil)
}

func number(text string) (starlark.Value, error) {
	if !strings.ContainsAny(text, ".eE") {
		if i, ok := new(big.Int).SetString(text, 10); ok {
			return starlark.MakeBigInt(i), nil
		}
	}
	return fromJSON([]byte(text))
}

func newList(v reflect.Value) (starlark.Value, error) {
	if v.Len() == 0 {
		return emptyList(v.Type()), nil
	}
	from := &origin{slice: v}
	items := make([]starlark.Value, v.Len())
	for i := range items {
		item, err := toStarlark(v.Index(i))
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
		if o, ok := item.(*object); ok {
			o.from, o.at = from, i
		}
		items[i] = item
	}
	return starlark.NewList(items), nil
}

// origin is the Go slice that a list of objects was made of: a script that
// returns the list gives the slice back. The objects remember it, because a list
// of our own type would not be a list to the language.
type origin struct{ slice reflect.Value }

// emptyLists are the frozen lists that stand for empty slices, one for a type;
// they have no objects to remember it.
var emptyLists sync.Map // reflect.Type → *starlark.List, and back

func emptyList(typ reflect.Type) starlark.Value {
	if elem(typ).Kind() != reflect.Struct {
		return starlark.NewList(nil)
	}
	if l, ok := emptyLists.Load(typ); ok {
		return l.(*starlark.List)
	}
	l := starlark.NewList(nil)
	l.Freeze()
	if first, loaded := emptyLists.LoadOrStore(typ, l); loaded {
		return first.(*starlark.List)
	}
	emptyLists.Store(l, typ)
	return l
}

// originOf is the slice that l was made of, if it is still just that.
func originOf(l *starlark.List) (any, bool) {
	if l.Len() == 0 {
		if typ, ok := emptyLists.Load(l); ok {
			return reflect.MakeSlice(typ.(reflect.Type), 0, 0).Interface(), true
		}
		return nil, false
	}
	first, ok := l.Index(0).(*object)
	if !ok || first.from == nil || first.from.slice.Len() != l.Len() {
		return nil, false
	}
	for i := range l.Len() {
		if o, ok := l.Index(i).(*object); !ok || o.from != first.from || o.at != i {
			return nil, false
		}
	}
	return first.from.slice.Interface(), true
}

func newDict(v reflect.Value) (starlark.Value, error) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	d := starlark.NewDict(len(keys))
	for _, k := range keys {
		key, err := toStarlark(k)
		if err != nil {
			return nil, err
		}
		value, err := toStarlark(v.MapIndex(k))
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", key, err)
		}
		if err := d.SetKey(key, value); err != nil {
			return nil, err
		}
	}
	return d, nil
}
