package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// maxDepth bounds nesting, so that hostile JSON cannot exhaust the stack.
const maxDepth = 100

// A scanner walks JSON strictly (RFC 8259) without building values: an index of
// ten thousand entries is checked and cut into entries in a few milliseconds.
type scanner struct {
	b []byte
	i int
}

var errTruncated = errors.New("ends in the middle")

func (s *scanner) unexpected(want string) error {
	if s.i >= len(s.b) {
		return errTruncated
	}
	return fmt.Errorf("byte %d: want %s, got %q", s.i, want, s.b[s.i])
}

func (s *scanner) space() {
	for s.i < len(s.b) && s.b[s.i] <= ' ' {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

// peek is the next byte that is not space, 0 at the end.
func (s *scanner) peek() byte {
	if s.i < len(s.b) && s.b[s.i] > ' ' {
		return s.b[s.i]
	}
	s.space()
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

func (s *scanner) expect(c byte) error {
	if s.peek() != c {
		return s.unexpected(fmt.Sprintf("%q", c))
	}
	s.i++
	return nil
}

// end fails when anything but space is left.
func (s *scanner) end() error {
	if s.space(); s.i < len(s.b) {
		return s.unexpected("the end")
	}
	return nil
}

// value skips one value and returns its bytes without the space around it.
func (s *scanner) value(depth int) ([]byte, error) {
	s.space()
	start := s.i
	err := s.skip(depth)
	return s.b[start:s.i], err
}

// skip passes over one value. It is one loop and not a descent, because it sees
// every byte of every index.
func (s *scanner) skip(depth int) error {
	var isObject [maxDepth + 1]bool
	for level := depth; ; {
		c := s.peek()
		switch c {
		case '{', '[':
			if level++; level > maxDepth {
				return fmt.Errorf("byte %d: nested too deep", s.i)
			}
			s.i++
			isObject[level] = c == '{'
			if s.peek() == c+2 { // '}' and ']' follow two after their openers
				break
			}
			if c == '{' {
				if err := s.key(); err != nil {
					return err
				}
			}
			continue
		default:
			if err := s.scalar(c); err != nil {
				return err
			}
		}
		for { // after a value: on to the next, or out of what it ends
			if level == depth {
				return nil
			}
			c := s.peek()
			if c == ',' {
				s.i++
				if isObject[level] {
					if err := s.key(); err != nil {
						return err
					}
				}
				break
			}
			if isObject[level] && c != '}' || !isObject[level] && c != ']' {
				return s.unexpected("a comma or the end of the list")
			}
			s.i++
			level--
		}
	}
}

// key passes over a member's name and its colon.
func (s *scanner) key() error {
	s.space()
	if err := s.str(); err != nil {
		return err
	}
	return s.expect(':')
}

func (s *scanner) scalar(c byte) error {
	switch {
	case c == '"':
		return s.str()
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	}
	return s.unexpected("a value")
}

// object calls member with each raw key, quotes included; member must consume
// the value.
func (s *scanner) object(depth int, member func(key []byte) error) error {
	if depth > maxDepth {
		return fmt.Errorf("byte %d: nested too deep", s.i)
	}
	if err := s.expect('{'); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.i++
		return nil
	}
	for {
		s.space()
		start := s.i
		if err := s.str(); err != nil {
			return err
		}
		key := s.b[start:s.i]
		if err := s.expect(':'); err != nil {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.i++
		case '}':
			s.i++
			return nil
		default:
			return s.unexpected(`"," or "}"`)
		}
	}
}

// array calls element for each element; element must consume it.
func (s *scanner) array(depth int, element func() error) error {
	if depth > maxDepth {
		return fmt.Errorf("byte %d: nested too deep", s.i)
	}
	if err := s.expect('['); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.i++
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.i++
		case ']':
			s.i++
			return nil
		default:
			return s.unexpected(`"," or "]"`)
		}
	}
}

func (s *scanner) str() error {
	if s.i >= len(s.b) || s.b[s.i] != '"' {
		return s.unexpected("a string")
	}
	b := s.b
	for i := s.i + 1; i < len(b); {
		if i+8 <= len(b) {
			n := plain(binary.LittleEndian.Uint64(b[i:]))
			if i += n; n == 8 {
				continue
			}
		}
		switch c := b[i]; {
		case c == '"':
			s.i = i + 1
			return nil
		case c < ' ':
			s.i = i
			return s.unexpected("no control character in a string")
		case c != '\\':
			i++
		default:
			n, err := escape(b, i)
			if err != nil {
				return err
			}
			i += n
		}
	}
	s.i = len(b)
	return errTruncated
}

// plain is the number of leading bytes, 0 to 8, that a string may hold as they
// are: no quote, no backslash, no control character. Eight at a time is three
// times as fast as one by one.
func plain(w uint64) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	quote, slash := w^ones*'"', w^ones*'\\'
	stop := (w-ones*' ')&^w | (quote-ones)&^quote | (slash-ones)&^slash
	return bits.TrailingZeros64(stop&tops) / 8
}

// escape is the length of the escape sequence at b[i].
func escape(b []byte, i int) (int, error) {
	if i+1 >= len(b) {
		return 0, errTruncated
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, nil
	case 'u':
		for k := i + 2; k < i+6; k++ {
			if k >= len(b) {
				return 0, errTruncated
			}
			if !isHex(b[k]) {
				return 0, fmt.Errorf("byte %d: want a hex digit, got %q", k, b[k])
			}
		}
		return 6, nil
	}
	return 0, fmt.Errorf("byte %d: unknown escape %q", i, b[i+1])
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

func (s *scanner) number() error {
	if s.b[s.i] == '-' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '0' {
		s.i++
	} else if err := s.digits(); err != nil {
		return err
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if err := s.digits(); err != nil {
			return err
		}
	}
	if s.i < len(s.b) && s.b[s.i]|0x20 == 'e' {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		return s.digits()
	}
	return nil
}

func (s *scanner) digits() error {
	start := s.i
	for s.i < len(s.b) && '0' <= s.b[s.i] && s.b[s.i] <= '9' {
		s.i++
	}
	if s.i == start {
		return s.unexpected("a digit")
	}
	return nil
}

func (s *scanner) word(w string) error {
	for k := range len(w) {
		if s.i >= len(s.b) || s.b[s.i] != w[k] {
			return s.unexpected(w)
		}
		s.i++
	}
	return nil
}
