package engine

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/util"

	"github.com/policyhost/policy/runtime/fault"
)

// index knows where the members of one JSON object, or the elements of one
// array, begin and end: 12 bytes a member, whatever its size.
type index struct {
	array   bool
	end     int // of the text it was made of, which may go on
	entries []entry
	slots   []uint32 // open addressing over the keys: 1 + position in entries
	seed    maphash.Seed
}

type entry struct{ key, start, end uint32 } // key: offset behind its opening quote

// newIndex scans the value at the front of text once, one level deep, and along
// path deeper: the child that path starts with comes back with its own index if
// the path goes on behind it. A value that is neither an object nor an array has
// no members.
func newIndex(text string, path []string) (*index, *node, error) {
	x := &index{array: text[0] == '['}
	if text[0] != '{' && !x.array {
		x.end = len(text)
		return x, nil, nil
	}
	if tooLong(text) {
		return nil, nil, fault.New(fault.Limit, "", "a JSON document of more than 4 GiB")
	}
	var found *node
	pos := skipSpace(text, 1)
	for pos < len(text) && text[pos] != '}' && text[pos] != ']' {
		var e entry
		var key string // as written: one with escapes is found by find
		if !x.array {
			if text[pos] != '"' {
				return nil, nil, errMalformed
			}
			e.key = uint32(pos + 1)
			end := skipString(text, pos+1)
			if end < 0 {
				return nil, nil, errMalformed
			}
			key = text[pos+1 : end]
			pos = skipSpace(text, end+1)
			if pos >= len(text) || text[pos] != ':' {
				return nil, nil, errMalformed
			}
			pos = skipSpace(text, pos+1)
		}
		var end int
		if !x.array && found == nil && len(path) > 1 && pos < len(text) && text[pos] == '{' && key == path[0] {
			kid, grandkid, err := newIndex(text[pos:], path[1:])
			if err != nil {
				return nil, nil, err
			}
			end = pos + kid.end
			found = &node{text: text[pos:end], index: kid}
			if grandkid != nil {
				found.kids = map[string]*node{path[1]: grandkid}
			}
		} else {
			end = skipValue(text, pos)
		}
		if end <= pos {
			return nil, nil, errMalformed
		}
		e.start, e.end = uint32(pos), uint32(end)
		x.entries = append(x.entries, e)
		if pos = skipSpace(text, end); pos < len(text) && text[pos] == ',' {
			pos = skipSpace(text, pos+1)
		}
	}
	if pos >= len(text) {
		return nil, nil, errMalformed
	}
	x.end = pos + 1
	return x, found, nil
}

// find returns the text of the member called key. Array elements are called by
// their position, as OPA's stores do it.
func (x *index) find(text, key string) (string, bool) {
	if x.array {
		i, ok := util.Atoi(key)
		if !ok || i < 0 || i >= len(x.entries) {
			return "", false
		}
		return text[x.entries[i].start:x.entries[i].end], true
	}
	const few = 8
	if len(x.entries) <= few {
		for _, e := range x.entries {
			if keyText(text, e.key) == key {
				return text[e.start:e.end], true
			}
		}
		return "", false
	}
	if x.slots == nil {
		x.hash(text)
	}
	mask := uint64(len(x.slots) - 1)
	for h := maphash.String(x.seed, key) & mask; x.slots[h] != 0; h = (h + 1) & mask {
		if e := x.entries[x.slots[h]-1]; keyText(text, e.key) == key {
			return text[e.start:e.end], true
		}
	}
	return "", false
}

func (x *index) hash(text string) {
	size := 16
	for size < 2*len(x.entries) {
		size *= 2
	}
	x.slots, x.seed = make([]uint32, size), maphash.MakeSeed()
	mask := uint64(size - 1)
	for i, e := range x.entries {
		h := maphash.String(x.seed, keyText(text, e.key)) & mask
		for x.slots[h] != 0 {
			h = (h + 1) & mask
		}
		x.slots[h] = uint32(i + 1)
	}
}

func (x *index) keys(text string) []string {
	if x.array {
		return nil
	}
	keys := make([]string, len(x.entries))
	for i, e := range x.entries {
		keys[i] = keyText(text, e.key)
	}
	return keys
}

// keyText is the key whose text starts at the offset, unescaped.
func keyText(text string, start uint32) string {
	end := skipString(text, int(start))
	if end < 0 {
		return ""
	}
	raw := text[start:end]
	if strings.IndexByte(raw, '\\') < 0 && utf8.ValidString(raw) {
		return raw
	}
	s, _, err := unescape(raw)
	if err != nil {
		return raw
	}
	return s
}

func skipSpace(text string, pos int) int {
	for pos < len(text) {
		switch text[pos] {
		case ' ', '\n', '\r', '\t':
			pos++
		default:
			return pos
		}
	}
	return pos
}

// skipString finds the quote that closes a string, or -1. Strings are short: a
// search that is set up for long ones costs more than it saves.
func skipString(text string, start int) int {
	for i := start; i < len(text); i++ {
		if text[i] != '"' {
			continue
		}
		escapes := 0
		for j := i - 1; j >= start && text[j] == '\\'; j-- {
			escapes++
		}
		if escapes%2 == 0 {
			return i
		}
	}
	return -1
}

// skipValue returns where the value at pos ends, or pos when there is none. It
// trusts the syntax, which was checked before, but never reads out of bounds.
func skipValue(text string, pos int) int {
	if pos >= len(text) {
		return pos
	}
	switch text[pos] {
	case '"':
		return max(pos, skipString(text, pos+1)+1)
	case '{', '[':
	default:
		i := pos
		for i < len(text) && !endsWord(text[i]) {
			i++
		}
		return i
	}
	if end := skipNested(text, pos+1); end > 0 {
		return end
	}
	return pos
}

// skipNested returns where the object or array ends that text[i:] is inside of,
// or 0. Nearly all of a large document goes through here: eight bytes at a time,
// as long as they hold no bracket and no escape, and one by one where they do.
func skipNested(text string, i int) int {
	depth := 1
	inString := false
	for i < len(text) {
		if i+8 <= len(text) {
			w := binary.LittleEndian.Uint64([]byte(text[i : i+8]))
			if !bracketOrEscape(w) {
				inString = inString != oddQuotes(w)
				i += 8
				continue
			}
		}
		for end := min(i+8, len(text)); i < end; i++ {
			switch c := text[i]; {
			case c == '"':
				inString = !inString
			case inString:
				if c == '\\' {
					i++
				}
			case c|0x20 == '{': // [ and { differ in this bit, ] and } as well
				depth++
			case c|0x20 == '}':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	return 0
}

// ones has a one in each byte, tops the highest bit of each.
const (
	ones = 0x0101010101010101
	tops = ones << 7
)

// bracketOrEscape reports whether any byte of w is a bracket of either kind or a
// backslash. It may say so when none is (for a y, say), which only costs time.
func bracketOrEscape(w uint64) bool {
	bracket := (w|ones*0x20)&^(ones*0x06) ^ ones*0x79 // zero where one of []{} is
	escape := w ^ ones*'\\'
	return ((bracket-ones)&^bracket|(escape-ones)&^escape)&tops != 0
}

// oddQuotes reports whether w has an odd number of quotes.
func oddQuotes(w uint64) bool {
	const low = ^uint64(tops)
	w ^= ones * '"'
	return bits.OnesCount64(^((w&low+low)|w|low))&1 == 1 // a top bit for each quote
}

// endsWord reports whether a number, true, false or null ends before c.
func endsWord(c byte) bool {
	switch c {
	case ',', '}', ']', ' ', '\n', '\r', '\t':
		return true
	}
	return false
}
