package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// appendJSON writes a value of OPA's as JSON: numbers as they were written, keys
// in byte order, sets as sorted arrays, keys that are no strings as their JSON
// text. Equal values give equal bytes.
func appendJSON(b []byte, v ast.Value) ([]byte, error) {
	switch v := v.(type) {
	case ast.Null:
		return append(b, "null"...), nil
	case ast.Boolean:
		if v {
			return append(b, "true"...), nil
		}
		return append(b, "false"...), nil
	case ast.Number:
		return appendNumber(b, v), nil
	case ast.String:
		return appendString(b, string(v)), nil
	case *ast.Array:
		b = append(b, '[')
		var err error
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendJSON(b, v.Elem(i).Value); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case ast.Set:
		b = append(b, '[')
		var err error
		for i, t := range v.Slice() {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendJSON(b, t.Value); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case ast.Object:
		return appendObject(b, v)
	default:
		return nil, fmt.Errorf("a %s has no JSON form", ast.ValueName(v))
	}
}

func appendObject(b []byte, v ast.Object) ([]byte, error) {
	keys := v.Keys() // sorted by OPA's order, which for strings is that of bytes
	if slices.ContainsFunc(keys, func(t *ast.Term) bool { _, ok := t.Value.(ast.String); return !ok }) {
		return appendMixedObject(b, v, keys)
	}
	b = append(b, '{')
	var err error
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, string(k.Value.(ast.String)))
		b = append(b, ':')
		if b, err = appendJSON(b, v.Get(k).Value); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// appendMixedObject is for objects Rego can make and JSON cannot: {1: "a"}. Of
// keys with one text, such as 1 and "1", the last in OPA's order stands.
func appendMixedObject(b []byte, v ast.Object, keys []*ast.Term) ([]byte, error) {
	texts := make(map[string]*ast.Term, len(keys))
	for _, k := range keys {
		if s, ok := k.Value.(ast.String); ok {
			texts[string(s)] = k
			continue
		}
		text, err := appendJSON(nil, k.Value)
		if err != nil {
			return nil, err
		}
		texts[string(text)] = k
	}
	names := make([]string, 0, len(texts))
	for name := range texts {
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, '{')
	var err error
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, name)
		b = append(b, ':')
		if b, err = appendJSON(b, v.Get(texts[name]).Value); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// appendNumber keeps the text of n, except where Rego's is not JSON's.
func appendNumber(b []byte, n ast.Number) []byte {
	if end, ok := scanNumber(string(n), 0); ok && end == len(n) {
		return append(b, n...)
	}
	text, err := json.Marshal(json.Number(n))
	if err != nil {
		return append(b, "null"...)
	}
	return append(b, text...)
}

// appendString quotes s without the HTML escapes of encoding/json.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			var buf bytes.Buffer
			enc := json.NewEncoder(&buf)
			enc.SetEscapeHTML(false)
			_ = enc.Encode(s) // a string always encodes
			return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
