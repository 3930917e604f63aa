package runtime

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"go.starlark.net/starlark"
)

// span is where a value stands in the text of a document.
type span struct{ start, end int }

var errNoJSON = errors.New("a document that is no JSON")

// hasMany reports that a text has many values. It looks no further than it must.
func hasMany(text []byte) bool {
	if len(text) < 2*manyValues {
		return false
	}
	values := 1
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i = skipString(text, i) - 1
		case ',', '{', '[':
			if values++; values > manyValues {
				return true
			}
		}
	}
	return false
}

// scanLevel finds the members of the object or array that text is. What stands in
// them is passed over.
func scanLevel(text []byte) (*level, error) {
	i := skipSpace(text, 0)
	if i == len(text) {
		return nil, errNoJSON
	}
	isObject := text[i] == '{'
	l := &level{}
	if isObject {
		l.at = make(map[string]int)
	}
	for i = skipSpace(text, i+1); i < len(text) && text[i] != '}' && text[i] != ']'; {
		key := ""
		if isObject {
			end := skipString(text, i)
			if text[i] != '"' || json.Unmarshal(text[i:end], &key) != nil {
				return nil, errNoJSON
			}
			if i = skipSpace(text, end); i == len(text) || text[i] != ':' {
				return nil, errNoJSON
			}
			i = skipSpace(text, i+1)
		}
		end := skipValue(text, i)
		if end == i {
			return nil, errNoJSON
		}
		if err := l.add(isObject, key, span{i, end}); err != nil {
			return nil, err
		}
		if i = skipSpace(text, end); i < len(text) && text[i] == ',' {
			i = skipSpace(text, i+1)
		}
	}
	if i == len(text) {
		return nil, errNoJSON
	}
	l.values = make([]*[chunk]starlark.Value, (len(l.spans)+chunk-1)/chunk)
	return l, nil
}

// add appends a member, and refuses a key that is there already.
func (l *level) add(isObject bool, key string, s span) error {
	if isObject {
		if _, twice := l.at[key]; twice {
			return fmt.Errorf("a document with the key %q twice", key)
		}
		l.at[key] = len(l.keys)
		l.keys = append(l.keys, key)
	}
	l.spans = append(l.spans, s)
	return nil
}

func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r') {
		i++
	}
	return i
}

// skipString is behind the string that begins at i.
func skipString(text []byte, i int) int {
	for i++; i < len(text); i++ {
		quote := bytes.IndexByte(text[i:], '"')
		if quote < 0 {
			return len(text)
		}
		i += quote
		backslashes := 0
		for text[i-1-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			return i + 1
		}
	}
	return len(text)
}

// skipValue is behind the value that begins at i.
func skipValue(text []byte, i int) int {
	for depth := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i = skipString(text, i) - 1
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth--; depth < 0 {
				return i
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return i
			}
			continue
		default:
			if depth == 0 {
				continue
			}
		}
		if depth == 0 && (text[i] == '"' || text[i] == '}' || text[i] == ']') {
			return i + 1
		}
	}
	return i
}
