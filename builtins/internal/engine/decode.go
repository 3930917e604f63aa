package engine

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// maxDepth bounds nesting, as encoding/json does: the decoder recurses.
const maxDepth = 10000

var (
	errDepth  = errors.New("nested deeper than 10000")
	errEnd    = errors.New("unexpected end of JSON")
	errMore   = errors.New("more than one JSON value")
	errNumber = errors.New("not a JSON number")
)

// decodeJSON turns one JSON document into a value of OPA's, numbers exact. It
// is [ast.ValueFromReader] without the detour through Go maps, and it refuses
// what that accepts silently: duplicate keys and a second document.
//
// The value shares memory with text, which must not change afterwards.
func decodeJSON(text string) (ast.Value, error) {
	d := decoder{text: text, strict: true}
	return d.document()
}

// decodeChecked is decodeJSON for text whose duplicate keys were ruled out
// before, by the pre-scan.
func decodeChecked(text string) (ast.Value, error) {
	d := decoder{text: text}
	return d.document()
}

// decoder reads one document. Terms come from slabs, and short strings that
// repeat (keys above all) are one term: both halve the allocations.
type decoder struct {
	text   string
	pos    int
	depth  int
	strict bool // look for duplicate keys

	slab   []ast.Term
	recent [256]*ast.Term // strings seen lately, by a cheap hash
	items  [][2]*ast.Term // stack of the object members being read
	elems  []*ast.Term    // stack of the array elements being read
	seen   map[ast.String]struct{}
}

func (d *decoder) document() (ast.Value, error) {
	t, err := d.value()
	if err == nil {
		if d.space(); d.pos < len(d.text) {
			err = errMore
		}
	}
	if err != nil {
		line, col := position(d.text, d.pos)
		return nil, fmt.Errorf("line %d, column %d: %w", line, col, err)
	}
	return t.Value, nil
}

func (d *decoder) value() (*ast.Term, error) {
	d.space()
	if d.pos >= len(d.text) {
		return nil, errEnd
	}
	switch c := d.text[d.pos]; c {
	case '{':
		return d.object()
	case '[':
		return d.array()
	case '"':
		return d.str()
	case 't':
		return d.literal("true", ast.InternedTerm(true))
	case 'f':
		return d.literal("false", ast.InternedTerm(false))
	case 'n':
		return d.literal("null", ast.InternedNullTerm)
	default:
		if c == '-' || c-'0' <= 9 {
			return d.number()
		}
		return nil, d.unexpected("a value")
	}
}

func (d *decoder) object() (*ast.Term, error) {
	if d.depth++; d.depth > maxDepth {
		return nil, errDepth
	}
	d.pos++ // {
	base := len(d.items)
	for first := true; ; first = false {
		d.space()
		if d.pos >= len(d.text) {
			return nil, errEnd
		}
		if d.text[d.pos] == '}' && first {
			break
		}
		if d.text[d.pos] != '"' {
			return nil, d.unexpected("a key")
		}
		key, err := d.str()
		if err != nil {
			return nil, err
		}
		if d.space(); d.pos >= len(d.text) {
			return nil, errEnd
		}
		if d.text[d.pos] != ':' {
			return nil, d.unexpected(`":"`)
		}
		d.pos++
		val, err := d.value()
		if err != nil {
			return nil, err
		}
		d.items = append(d.items, [2]*ast.Term{key, val})
		more, err := d.next('}')
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
	}
	if d.strict {
		if key, dup := d.duplicate(d.items[base:]); dup {
			return nil, fmt.Errorf("duplicate key %s in the object that ends here", key)
		}
	}
	d.pos++ // }
	d.depth--
	term := d.term(ast.NewObject(d.items[base:]...))
	d.items = d.items[:base]
	return term, nil
}

// duplicate finds a key that occurs twice among members.
func (d *decoder) duplicate(members [][2]*ast.Term) (ast.String, bool) {
	const few, many = 12, 1000
	if len(members) <= few {
		for i := range members {
			k := members[i][0].Value.(ast.String)
			for j := range i {
				if members[j][0] == members[i][0] || members[j][0].Value.(ast.String) == k {
					return k, true
				}
			}
		}
		return "", false
	}
	seen := d.seen
	if seen == nil || len(members) > many { // a set once large is slow to clear for ever
		seen = make(map[ast.String]struct{}, len(members))
	}
	if len(members) <= many {
		d.seen = seen
		defer clear(seen)
	}
	for _, m := range members {
		k := m[0].Value.(ast.String)
		if _, ok := seen[k]; ok {
			return k, true
		}
		seen[k] = struct{}{}
	}
	return "", false
}

func (d *decoder) array() (*ast.Term, error) {
	if d.depth++; d.depth > maxDepth {
		return nil, errDepth
	}
	d.pos++ // [
	base := len(d.elems)
	if d.space(); d.pos < len(d.text) && d.text[d.pos] == ']' {
		d.pos++
		d.depth--
		return ast.InternedEmptyArray, nil
	}
	for {
		val, err := d.value()
		if err != nil {
			return nil, err
		}
		d.elems = append(d.elems, val)
		more, err := d.next(']')
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
	}
	d.pos++ // ]
	d.depth--
	// NewArray keeps the slice it is given: it must not be our stack.
	term := d.term(ast.NewArray(append([]*ast.Term(nil), d.elems[base:]...)...))
	d.elems = d.elems[:base]
	return term, nil
}

// next steps over a comma, or stops in front of the closing bracket.
func (d *decoder) next(closing byte) (bool, error) {
	if d.space(); d.pos >= len(d.text) {
		return false, errEnd
	}
	switch d.text[d.pos] {
	case ',':
		d.pos++
		return true, nil
	case closing:
		return false, nil
	}
	return false, d.unexpected(`"," or "` + string(closing) + `"`)
}

func (d *decoder) literal(word string, term *ast.Term) (*ast.Term, error) {
	if !strings.HasPrefix(d.text[d.pos:], word) {
		return nil, d.unexpected("a value")
	}
	d.pos += len(word)
	return term, nil
}

func (d *decoder) number() (*ast.Term, error) {
	start := d.pos
	end, ok := scanNumber(d.text, d.pos)
	if !ok {
		return nil, errNumber
	}
	d.pos = end
	text := d.text[start:end]
	if len(text) <= 3 {
		if t := ast.InternedIntNumberTermFromString(text); t != nil {
			return t, nil
		}
	}
	n, err := ast.NumberChecked(text)
	if err != nil {
		d.pos = start
		return nil, err
	}
	return d.term(n), nil
}

// str reads the string that starts at pos.
func (d *decoder) str() (*ast.Term, error) {
	start := d.pos + 1
	for i := start; i < len(d.text); i++ {
		switch c := d.text[i]; {
		case c == '"':
			d.pos = i + 1
			return d.stringTerm(d.text[start:i]), nil
		case c == '\\' || c >= utf8.RuneSelf:
			return d.slowStr(start)
		case c < ' ':
			d.pos = i
			return nil, fmt.Errorf("control character %#x in a string", c)
		}
	}
	d.pos = len(d.text)
	return nil, errEnd
}

// slowStr is str for text with escapes or beyond ASCII.
func (d *decoder) slowStr(start int) (*ast.Term, error) {
	end, plain := stringEnd(d.text, start)
	if end < 0 {
		d.pos = len(d.text)
		return nil, errEnd
	}
	raw := d.text[start:end]
	if plain && utf8.ValidString(raw) {
		for i := range len(raw) {
			if raw[i] < ' ' {
				d.pos = start + i
				return nil, fmt.Errorf("control character %#x in a string", raw[i])
			}
		}
		d.pos = end + 1
		return d.stringTerm(raw), nil
	}
	s, at, err := unescape(raw)
	if err != nil {
		d.pos = start + at
		return nil, err
	}
	d.pos = end + 1
	return d.stringTerm(s), nil
}

func (d *decoder) stringTerm(s string) *ast.Term {
	const short = 32
	if len(s) == 0 || len(s) > short {
		return d.term(ast.String(s))
	}
	h := (uint(s[0])*31+uint(s[len(s)-1]))*31 + uint(s[len(s)/2])*7 + uint(len(s))
	slot := &d.recent[h%uint(len(d.recent))]
	if t := *slot; t != nil && string(t.Value.(ast.String)) == s {
		return t
	}
	t := d.term(ast.String(s))
	*slot = t
	return t
}

func (d *decoder) term(v ast.Value) *ast.Term {
	if len(d.slab) == 0 {
		// Small documents should not pay for a large slab.
		d.slab = make([]ast.Term, min(256, max(8, (len(d.text)-d.pos)/16)))
	}
	t := &d.slab[0]
	d.slab = d.slab[1:]
	t.Value = v
	return t
}

func (d *decoder) space() {
	for d.pos < len(d.text) {
		switch d.text[d.pos] {
		case ' ', '\n', '\r', '\t':
			d.pos++
		default:
			return
		}
	}
}

func (d *decoder) unexpected(want string) error {
	r, _ := utf8.DecodeRuneInString(d.text[d.pos:])
	return fmt.Errorf("%q where %s is expected", r, want)
}
