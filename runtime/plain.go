package runtime

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/policyhost/policy/runtime/fault"
)

// Map is a dict or struct of a script in Go: its members keep their order.
type Map []Member

// Member is one key of a [Map] and its value.
type Member struct {
	Key   string
	Value any
}

// Get is the value of key, and whether there is one.
func (m Map) Get(key string) (any, bool) {
	for _, member := range m {
		if member.Key == key {
			return member.Value, true
		}
	}
	return nil, false
}

// MarshalJSON writes a JSON object with the keys in their order. It fails when a
// value has no JSON: a secret, a float that is not finite.
func (m Map) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, member := range m {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(member.Key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(member.Value)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", member.Key, err)
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// maxNesting bounds documents that leave a script; one that contains itself is
// deeper than anything.
const maxNesting = 1000

// toGo turns a script's value into plain Go: nil, bool, int64, json.Number for
// integers that do not fit and for floats that are whole (so that 1.0 stays 1.0
// in JSON), float64, string, []byte, []any, Map, time.Time, time.Duration,
// json.RawMessage for a large document, or the Go value behind a builtin's result.
func toGo(v starlark.Value) (any, error) { return toGoAt(v, 0) }

func toGoAt(v starlark.Value, depth int) (any, error) {
	if depth > maxNesting {
		return nil, &fault.Error{Kind: fault.Limit, Err: fmt.Errorf("a %s is nested more than %d deep, or contains itself", v.Type(), maxNesting)}
	}
	switch v := v.(type) {
	case starlark.NoneType:
		return nil, nil
	case starlark.Bool:
		return bool(v), nil
	case starlark.Int:
		if i, ok := v.Int64(); ok {
			return i, nil
		}
		return json.Number(v.String()), nil
	case starlark.Float:
		if f := float64(v); f != math.Trunc(f) || math.IsInf(f, 0) {
			return f, nil // NaN too
		}
		return json.Number(v.String()), nil
	case starlark.String:
		return string(v), nil
	case starlark.Bytes:
		return []byte(v), nil
	case *object:
		return v.original, nil
	case lazy:
		return json.RawMessage(v.document().text), nil
	case *opaque:
		return v.original, nil
	case *record:
		return recordToMap(v, depth)
	case startime.Time:
		return time.Time(v), nil
	case startime.Duration:
		return time.Duration(v), nil
	case *starlark.List:
		if original, ok := originOf(v); ok {
			return original, nil
		}
		return toSlice(v, depth)
	case *starlarkstruct.Struct:
		return structToMap(v, depth)
	case starlark.IterableMapping:
		return dictToMap(v, depth)
	case starlark.Iterable:
		return toSlice(v, depth)
	}
	return nil, fmt.Errorf("a %s is no data", v.Type())
}

// pathTo says where in a value err is; not for what is too deep, since the way
// there says nothing.
func pathTo(err error, format string, args ...any) error {
	if errors.Is(err, fault.Limit) {
		return err
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}

func toSlice(v starlark.Iterable, depth int) (any, error) {
	if starlark.Len(v) > maxItems {
		return nil, &fault.Error{Kind: fault.Limit, Err: fmt.Errorf("a %s of more than %d items", v.Type(), maxItems)}
	}
	items := make([]any, 0, max(0, starlark.Len(v)))
	iter := v.Iterate()
	defer iter.Done()
	var e starlark.Value
	for i := 0; iter.Next(&e); i++ {
		item, err := toGoAt(e, depth+1)
		if err != nil {
			return nil, pathTo(err, "item %d", i)
		}
		items = append(items, item)
	}
	return items, nil
}

func dictToMap(d starlark.IterableMapping, depth int) (any, error) {
	items := d.Items()
	m := make(Map, 0, len(items))
	for _, item := range items {
		key, ok := item[0].(starlark.String)
		if !ok {
			return nil, fmt.Errorf("key %s: got %s, want string", item[0], item[0].Type())
		}
		value, err := toGoAt(item[1], depth+1)
		if err != nil {
			return nil, pathTo(err, "key %s", key)
		}
		m = append(m, Member{string(key), value})
	}
	return m, nil
}

func structToMap(s *starlarkstruct.Struct, depth int) (any, error) {
	names := s.AttrNames()
	m := make(Map, 0, len(names))
	for _, name := range names {
		v, err := s.Attr(name)
		if err != nil {
			return nil, err
		}
		value, err := toGoAt(v, depth+1)
		if err != nil {
			return nil, pathTo(err, "field %s", name)
		}
		m = append(m, Member{name, value})
	}
	return m, nil
}
