package runtime

import (
	"bytes"
	"unicode/utf8"

	"go.starlark.net/starlark"
)

// plainJSON converts what most documents are made of: strings without escapes, whole
// numbers that are not long, true, false, null, and objects and arrays of them. ok is
// false for anything else, and for what is no JSON: [decodeJSON] knows all of it. It
// does without a thread, since what is read of a large document is mostly small.
func plainJSON(text []byte) (v starlark.Value, ok bool) {
	v, end := plainValue(text, skipSpace(text, 0), 0)
	return v, v != nil && skipSpace(text, end) == len(text)
}

// maxPlain bounds the nesting that is not left to decodeJSON.
const maxPlain = 64

// plainValue is the value at i and what is behind it; nil for what is not plain.
func plainValue(text []byte, i, depth int) (starlark.Value, int) {
	if i >= len(text) || depth > maxPlain {
		return nil, i
	}
	switch c := text[i]; {
	case c == '"':
		return plainString(text, i)
	case c == '{':
		return plainObject(text, i, depth)
	case c == '[':
		return plainArray(text, i, depth)
	case c == 't' && bytes.HasPrefix(text[i:], []byte("true")):
		return starlark.True, i + 4
	case c == 'f' && bytes.HasPrefix(text[i:], []byte("false")):
		return starlark.False, i + 5
	case c == 'n' && bytes.HasPrefix(text[i:], []byte("null")):
		return starlark.None, i + 4
	}
	return plainNumber(text, i)
}

// plainNumber reads a whole number of at most 18 digits; others must be judged.
func plainNumber(text []byte, i int) (starlark.Value, int) {
	begin, n := i, int64(0)
	for ; i < len(text) && '0' <= text[i] && text[i] <= '9'; i++ {
		n = n*10 + int64(text[i]-'0')
		if i-begin >= 18 {
			return nil, i
		}
	}
	if i > begin && (text[begin] != '0' || i == begin+1) && (i == len(text) || bytes.IndexByte([]byte(",]} \n\t\r"), text[i]) >= 0) {
		return starlark.MakeInt64(n), i
	}
	end := skipValue(text, begin)
	if end == begin {
		return nil, i
	}
	v, err := decodeJSON(text[begin:end])
	if err != nil {
		return nil, i
	}
	return v, end
}

func plainString(text []byte, i int) (starlark.Value, int) {
	end := i + 1
	ascii := true
	for ; end < len(text) && text[end] != '"'; end++ {
		if c := text[end]; c < ' ' || c == '\\' {
			return nil, end
		} else if c >= utf8.RuneSelf {
			ascii = false
		}
	}
	if end >= len(text) || !ascii && !utf8.Valid(text[i+1:end]) {
		return nil, end
	}
	return starlark.String(text[i+1 : end]), end + 1
}

func plainArray(text []byte, i, depth int) (starlark.Value, int) {
	var items []starlark.Value
	i = skipSpace(text, i+1)
	for more := i < len(text) && text[i] != ']'; more; {
		v, end := plainValue(text, i, depth+1)
		if v == nil {
			return nil, end
		}
		items = append(items, v)
		i, more = separated(text, end)
	}
	if i >= len(text) || text[i] != ']' {
		return nil, i
	}
	return starlark.NewList(items), i + 1
}

func plainObject(text []byte, i, depth int) (starlark.Value, int) {
	d := starlark.NewDict(0)
	i = skipSpace(text, i+1)
	for more := i < len(text) && text[i] != '}'; more; {
		if i >= len(text) || text[i] != '"' {
			return nil, i
		}
		key, end := plainString(text, i)
		if key == nil {
			return nil, end
		}
		if i = skipSpace(text, end); i >= len(text) || text[i] != ':' {
			return nil, i
		}
		v, end := plainValue(text, skipSpace(text, i+1), depth+1)
		if v == nil {
			return nil, end
		}
		before := d.Len()
		if err := d.SetKey(key, v); err != nil || d.Len() == before {
			return nil, end // a key that is there twice
		}
		i, more = separated(text, end)
	}
	if i >= len(text) || text[i] != '}' {
		return nil, i
	}
	return d, i + 1
}

// separated is behind the comma at i, or where there is none.
func separated(text []byte, i int) (next int, comma bool) {
	if i = skipSpace(text, i); i < len(text) && text[i] == ',' {
		return skipSpace(text, i+1), true
	}
	return i, false
}
