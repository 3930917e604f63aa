package artifact

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// whole returns where the value at p[i] ends if it is one of the many that are
// simple and complete in p: a string without escapes, a natural number below a
// billion billion, true, false, null. It returns 0 for any other, which is for
// the slow way to judge.
func whole(p []byte, i int, c byte) int {
	switch c {
	case '"':
		if j := plain(p, i+1); j < len(p) && p[j] == '"' {
			return j + 1
		}
	case '1', '2', '3', '4', '5', '6', '7', '8', '9':
		for j := i + 1; j < len(p) && j < i+20; j++ {
			if d := p[j]; d < '0' || d > '9' {
				if d == ',' || d == '}' || d == ']' {
					return j
				}
				break
			}
		}
	case 't', 'n':
		if j := i + 4; j < len(p) && (string(p[i:j]) == "true" || string(p[i:j]) == "null") {
			return j
		}
	case 'f':
		if j := i + 5; j < len(p) && string(p[i:j]) == "false" {
			return j
		}
	}
	return 0
}

// string goes on with a string at p[i:] and returns where it stopped: behind the
// closing quote, behind what needs special care, or at the end of the piece.
func (s *JSONScanner) string(p []byte, i int) (int, error) {
	start := i
	for {
		if i = plain(p, i); i == len(p) {
			return i, s.put(p[start:])
		}
		switch c := p[i]; {
		case c == '"':
			if !s.isKey {
				s.endValue()
				return i + 1, nil
			}
			key := p[start:i]
			if s.aside {
				if err := s.put(key); err != nil {
					return i, err
				}
				if s.high != 0 {
					s.key = utf8.AppendRune(s.key, utf8.RuneError)
				}
				key = s.key
			}
			s.state = wantColon
			return i + 1, s.addKey(key)
		case c == '\\':
			s.state = inEscape
			return i + 1, s.put(p[start:i])
		case c < ' ':
			return i, fmt.Errorf("control character 0x%02x in a string", c)
		case !utf8.FullRune(p[i:]):
			if err := s.put(p[start:i]); err != nil {
				return i, err
			}
			s.partial = append(s.partial[:0], p[i:]...)
			s.state = inRune
			return len(p), nil
		default:
			r, n := utf8.DecodeRune(p[i:])
			if r == utf8.RuneError && n == 1 {
				return i, errors.New("a string that is not UTF-8")
			}
			i += n
		}
	}
}

// plain returns where the first byte at or after i is that is a quote, a
// backslash, a control character or not ASCII.
func plain(p []byte, i int) int {
	for i+8 <= len(p) {
		if m := notPlain(binary.LittleEndian.Uint64(p[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	for i < len(p) && ' ' <= p[i] && p[i] < utf8.RuneSelf && p[i] != '"' && p[i] != '\\' {
		i++
	}
	return i
}

// notPlain marks, from the lowest on, the bytes of w that are a quote, a
// backslash, a control character or not ASCII. Marks above the lowest may be
// wrong.
func notPlain(w uint64) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	q, b := w^(ones*'"'), w^(ones*'\\')
	return ((q-ones)&^q | (b-ones)&^b | (w-ones*' ')&^w | w) & highs
}

// put keeps a part of a key until the rest is known.
func (s *JSONScanner) put(part []byte) error {
	if !s.isKey {
		return nil
	}
	s.aside = true
	if len(part) > 0 && s.high != 0 {
		s.key = utf8.AppendRune(s.key, utf8.RuneError)
		s.high = 0
	}
	if len(s.key)+len(part) > maxJSONKey {
		return fmt.Errorf("a key longer than %d bytes", maxJSONKey)
	}
	s.key = append(s.key, part...)
	return nil
}

// special takes one byte of an escape, or of a rune that was cut.
func (s *JSONScanner) special(c byte) error {
	switch s.state {
	case inEscape:
		if c == 'u' {
			s.state, s.hex, s.digits = inHex, 0, 0
			return nil
		}
		at := strings.IndexByte(`"\/bfnrt`, c)
		if at < 0 {
			return fmt.Errorf("unknown escape \\%s", strings.Trim(quoteByte(c), "'"))
		}
		s.state = inString
		if s.isKey {
			return s.put([]byte{"\"\\/\b\f\n\r\t"[at]})
		}
	case inHex:
		d := strings.IndexByte("0123456789abcdef", c|0x20)
		if d < 0 || c < '0' {
			return unexpected(c, "a hexadecimal digit")
		}
		s.hex = s.hex<<4 | rune(d)
		if s.digits++; s.digits == 4 {
			s.state = inString
			return s.escaped(s.hex)
		}
	case inRune:
		s.partial = append(s.partial, c)
		if !utf8.FullRune(s.partial) {
			return nil
		}
		if r, n := utf8.DecodeRune(s.partial); r == utf8.RuneError && n == 1 || n != len(s.partial) {
			return errors.New("a string that is not UTF-8")
		}
		s.state = inString
		return s.put(s.partial)
	}
	return nil
}

// escaped adds \uXXXX to a key as encoding/json decodes it: halves of a
// surrogate pair joined, lone ones replaced.
func (s *JSONScanner) escaped(r rune) error {
	if !s.isKey {
		return nil
	}
	if s.high != 0 {
		pair := utf16.DecodeRune(s.high, r)
		s.high = 0
		if pair != utf8.RuneError {
			return s.put(utf8.AppendRune(nil, pair))
		}
		if err := s.put(utf8.AppendRune(nil, utf8.RuneError)); err != nil {
			return err
		}
	}
	if utf16.IsSurrogate(r) && r < 0xdc00 {
		s.high, s.aside = r, true
		return nil
	}
	return s.put(utf8.AppendRune(nil, r)) // a lone low half is appended as the replacement
}

// number takes the next byte of a number, or says that the number is done.
func (s *JSONScanner) number(c byte) (done bool, err error) {
	digit := '0' <= c && c <= '9'
	next := s.state
	switch s.state {
	case inMinus:
		switch {
		case c == '0':
			next = inZero
		case digit:
			next = inDigits
		default:
			return false, unexpected(c, "a digit")
		}
	case inZero, inDigits:
		switch {
		case digit && s.state == inDigits:
		case digit:
			return false, errors.New("a number with a leading zero")
		case c == '.':
			next = inDot
		case c == 'e' || c == 'E':
			next = inE
		default:
			return true, nil
		}
	case inDot:
		if !digit {
			return false, unexpected(c, "a digit")
		}
		next = inFraction
	case inFraction:
		switch {
		case digit:
		case c == 'e' || c == 'E':
			next = inE
		default:
			return true, nil
		}
	case inE, inSign:
		switch {
		case digit:
			next = inExponent
		case s.state == inE && (c == '+' || c == '-'):
			next = inSign
		default:
			return false, unexpected(c, "a digit")
		}
	case inExponent:
		if !digit {
			return true, nil
		}
	}
	s.state = next
	return false, nil
}
