package engine

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// scanNumber finds the end of the JSON number at pos.
func scanNumber(s string, pos int) (int, bool) {
	digits := func() bool {
		start := pos
		for pos < len(s) && s[pos]-'0' <= 9 {
			pos++
		}
		return pos > start
	}
	if pos < len(s) && s[pos] == '-' {
		pos++
	}
	if pos < len(s) && s[pos] == '0' {
		pos++
	} else if !digits() {
		return pos, false
	}
	if pos < len(s) && s[pos] == '.' {
		if pos++; !digits() {
			return pos, false
		}
	}
	if pos < len(s) && s[pos]|0x20 == 'e' {
		if pos++; pos < len(s) && (s[pos] == '+' || s[pos] == '-') {
			pos++
		}
		if !digits() {
			return pos, false
		}
	}
	return pos, true
}

// stringEnd finds the quote that closes the string whose text starts at start,
// or -1, and reports whether there was no escape before it.
func stringEnd(s string, start int) (end int, plain bool) {
	plain = true
	for i := start; i < len(s); {
		q := strings.IndexByte(s[i:], '"')
		if q < 0 {
			return -1, plain
		}
		q += i
		esc := strings.IndexByte(s[i:q], '\\')
		if esc < 0 {
			return q, plain
		}
		plain = false
		i += esc + 2 // what follows the backslash is not a closing quote
	}
	return -1, plain
}

// unescape resolves the escapes of a JSON string's text, and replaces what is
// not UTF-8 as encoding/json does. On failure it says at which byte.
func unescape(raw string) (string, int, error) {
	b := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		c := raw[i]
		switch {
		case c < ' ':
			return "", i, fmt.Errorf("control character %#x in a string", c)
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(raw[i:])
			b = utf8.AppendRune(b, r)
			i += n
			continue
		case c != '\\':
			b = append(b, c)
			i++
			continue
		}
		if i+1 >= len(raw) {
			return "", i, errEnd
		}
		at := i
		c = raw[i+1]
		i += 2
		switch c {
		case '"', '\\', '/':
			b = append(b, c)
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r, ok := hex4(raw, i)
			if !ok {
				return "", at, errors.New(`\u without four hex digits`)
			}
			i += 4
			if utf16.IsSurrogate(r) {
				pair := utf8.RuneError
				if strings.HasPrefix(raw[i:], `\u`) {
					if low, ok := hex4(raw, i+2); ok {
						pair = utf16.DecodeRune(r, low)
					}
				}
				if r = utf8.RuneError; pair != utf8.RuneError {
					r = pair
					i += 6
				}
			}
			b = utf8.AppendRune(b, r)
		default:
			return "", at, fmt.Errorf(`\%c is not an escape`, c)
		}
	}
	return unsafe.String(unsafe.SliceData(b), len(b)), 0, nil
}

func hex4(s string, at int) (rune, bool) {
	if at+4 > len(s) {
		return 0, false
	}
	n, err := strconv.ParseUint(s[at:at+4], 16, 16)
	return rune(n), err == nil
}

// position turns an offset into a line and a column, both from 1.
func position(text string, offset int) (line, col int) {
	before := text[:min(offset, len(text))]
	return strings.Count(before, "\n") + 1, len(before) - strings.LastIndexByte(before, '\n')
}

// asText views bytes that will not change as a string, without a copy.
func asText(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// tooLong reports text whose offsets do not fit the compact index.
func tooLong(text string) bool { return uint64(len(text)) > math.MaxUint32 }
