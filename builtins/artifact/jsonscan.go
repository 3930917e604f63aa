package artifact

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"

	"github.com/policyhost/policy/runtime/fault"
)

const (
	maxJSONDepth = 10_000  // as encoding/json and OPA
	maxJSONKey   = 1 << 20 // bytes of one key
)

// A JSONVisitor is told of the values of a document while it is checked. The
// path is that of the value, empty for the document itself, and valid during
// the call; kind is the value's first byte: '{', '[', '"', a digit or '-', 't',
// 'f' or 'n'. When it says descend for an object, the object's values are
// visited too. An error ends the scan, with the place added.
type JSONVisitor func(path []string, kind byte) (descend bool, err error)

// ValidateJSON reads r to its end and reports the first thing that keeps it from
// being one JSON document that everybody reads alike: syntax, invalid UTF-8, an
// object that has a key twice. It fails with Invalid and needs constant memory
// but for eight bytes for each key of the objects that are open.
func ValidateJSON(r io.Reader) error {
	s := NewJSONScanner(nil)
	_, err := io.CopyBuffer(s, struct{ io.Reader }{r}, make([]byte, 64<<10))
	if err == nil {
		err = s.Close()
	}
	if je, ok := errors.AsType[*JSONError](err); ok {
		return &fault.Error{Kind: fault.Invalid, Err: je}
	}
	return err
}

// JSONScanner checks one JSON document that is written to it in pieces, so that
// a copy can be checked on its way. Its errors are of type *[JSONError].
type JSONScanner struct {
	visit JSONVisitor
	seed  maphash.Seed
	err   error

	state  jsonState
	isKey  bool // the string at hand is a key
	frames []jsonFrame
	hashes []uint64   // keys of the open objects, innermost last
	tables [][]uint64 // cleared, to use again
	path   []string

	descend bool  // the visitor wants to see inside the value that begins
	keyAt   int64 // offset of the key at hand

	key     []byte // the part of a key that had to be put aside
	aside   bool   // key counts, even when empty
	high    rune   // a high surrogate that waits for its other half
	hex     rune
	digits  int
	partial []byte // a rune cut by the end of a piece
	literal string // what is left of true, false, null

	line    int   // of the first byte of the piece
	lineAt  int64 // offset where that line starts
	written int64 // bytes of earlier pieces
}

type jsonFrame struct {
	array bool
	visit bool
	start int      // of its keys in hashes
	table []uint64 // those after the first few, once they came out of order
	count int      // of keys in the table
	last  []byte   // the key before, while they come in order
}

type jsonState uint8

const (
	wantValue        jsonState = iota
	wantValueOrClose           // after [
	wantKeyOrClose             // after {
	wantKey                    // after , in an object
	wantColon
	wantCommaOrClose
	wantEnd
	inString
	inEscape
	inHex
	inRune
	inLiteral
	inMinus // numbers, by what has been read last
	inZero
	inDigits
	inDot
	inFraction
	inE
	inSign
	inExponent
)

// NewJSONScanner starts a document; visit may be nil.
func NewJSONScanner(visit JSONVisitor) *JSONScanner {
	return &JSONScanner{visit: visit, seed: maphash.MakeSeed(), line: 1}
}

// Write checks the next piece. It fails at the first error and then for ever.
func (s *JSONScanner) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if at, err := s.scan(p); err != nil {
		s.fail(p, at, err)
		return 0, s.err
	}
	if n := bytes.Count(p, []byte{'\n'}); n > 0 {
		s.line += n
		s.lineAt = s.written + int64(bytes.LastIndexByte(p, '\n')) + 1
	}
	s.written += int64(len(p))
	return len(p), nil
}

// Close reports a document that is not complete.
func (s *JSONScanner) Close() error {
	if s.err != nil {
		return s.err
	}
	if s.state == inZero || s.state == inDigits || s.state == inFraction || s.state == inExponent {
		s.endValue() // a number at the top ends where the text ends
	}
	switch {
	case s.state == wantEnd:
		return nil
	case s.state == wantValue && len(s.frames) == 0:
		s.fail(nil, 0, errors.New("the document is empty"))
	default:
		s.fail(nil, 0, errors.New("the document ends too early"))
	}
	return s.err
}

// scan returns where in p an error is. What is cut by the end of a piece goes
// on in resume; everything else stays in this loop and its local state.
func (s *JSONScanner) scan(p []byte) (int, error) {
	i := 0
	if s.state >= inString {
		var err error
		if i, err = s.resume(p); err != nil || s.state >= inString {
			return i, err
		}
	}
	for i < len(p) {
		c := p[i]
		if c <= ' ' {
			if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
				return i, fmt.Errorf("control character 0x%02x", c)
			}
			i++
			continue
		}
		switch s.state {
		case wantCommaOrClose:
			top := &s.frames[len(s.frames)-1]
			switch {
			case c == ',' && top.array:
				s.state = wantValue
			case c == ',':
				s.state = wantKey
			case c == ']' && top.array, c == '}' && !top.array:
				s.close()
			case top.array:
				return i, unexpected(c, "a comma or ]")
			default:
				return i, unexpected(c, "a comma or }")
			}
			i++
		case wantColon:
			if c != ':' {
				return i, unexpected(c, "a colon")
			}
			s.state = wantValue
			i++
		case wantKey, wantKeyOrClose:
			if c == '}' && s.state == wantKeyOrClose {
				s.close()
				i++
				break
			}
			if c != '"' {
				return i, unexpected(c, "a key")
			}
			s.keyAt = s.written + int64(i)
			j := plain(p, i+1)
			if j < len(p) && p[j] == '"' {
				if err := s.addKey(p[i+1 : j]); err != nil {
					return i, err
				}
				if i = j + 1; i < len(p) && p[i] == ':' {
					i++
					s.state = wantValue
				} else {
					s.state = wantColon
				}
				break
			}
			s.state, s.isKey = inString, true
			s.key, s.aside, s.high = s.key[:0], false, 0
			if at, err := s.resume(p[i+1:]); err != nil {
				return i + 1 + at, err
			} else {
				i += 1 + at
			}
		case wantValue, wantValueOrClose:
			if c == ']' && s.state == wantValueOrClose {
				s.close()
				i++
				break
			}
			if s.visiting() {
				if err := s.tell(c); err != nil {
					return i, err
				}
			}
			if j := whole(p, i, c); j > 0 {
				i = j
				s.endValue()
				break
			}
			if err := s.begin(c); err != nil {
				return i, err
			}
			i++
			if s.state >= inString {
				at, err := s.resume(p[i:])
				if i += at; err != nil {
					return i, err
				}
			}
		case wantEnd:
			return i, fmt.Errorf("%s after the end of the document", quoteByte(c))
		}
	}
	return i, nil
}

// resume goes on with a string, number or literal until it is complete or p
// ends, and returns how far it came.
func (s *JSONScanner) resume(p []byte) (int, error) {
	i := 0
	for i < len(p) {
		switch s.state {
		case inString:
			var err error
			if i, err = s.string(p, i); err != nil {
				return i, err
			}
		case inEscape, inHex, inRune:
			if err := s.special(p[i]); err != nil {
				return i, err
			}
			i++
		case inLiteral:
			if s.literal[0] != p[i] {
				return i, unexpected(p[i], "true, false or null")
			}
			i++
			if s.literal = s.literal[1:]; s.literal == "" {
				s.endValue()
			}
		case inDigits, inFraction, inExponent:
			for i < len(p) && '0' <= p[i] && p[i] <= '9' {
				i++
			}
			if i == len(p) {
				return i, nil
			}
			fallthrough
		case inMinus, inZero, inDot, inE, inSign:
			done, err := s.number(p[i])
			if err != nil {
				return i, err
			}
			if done {
				s.endValue()
				return i, nil
			}
			i++
		default:
			return i, nil
		}
	}
	return i, nil
}

// begin takes the first byte of a value.
func (s *JSONScanner) begin(c byte) error {
	switch {
	case c == '"':
		s.state, s.isKey = inString, false
	case c == '{' || c == '[':
		if len(s.frames) == maxJSONDepth {
			return fmt.Errorf("nested deeper than %d", maxJSONDepth)
		}
		s.state = wantKeyOrClose
		if c == '[' {
			s.state = wantValueOrClose
		}
		s.open(c == '[')
	case c == '-':
		s.state = inMinus
	case c == '0':
		s.state = inZero
	case '1' <= c && c <= '9':
		s.state = inDigits
	case c == 't':
		s.state, s.literal = inLiteral, "true"[1:]
	case c == 'f':
		s.state, s.literal = inLiteral, "false"[1:]
	case c == 'n':
		s.state, s.literal = inLiteral, "null"[1:]
	default:
		return unexpected(c, "a value")
	}
	return nil
}

// visiting says whether the value that begins now is to be told of.
func (s *JSONScanner) visiting() bool {
	if len(s.frames) == 0 {
		return s.visit != nil
	}
	return s.frames[len(s.frames)-1].visit
}

// tell hands the value that begins with c to the visitor.
func (s *JSONScanner) tell(c byte) error {
	descend, err := s.visit(s.path, c)
	if err != nil {
		return err
	}
	if s.descend = descend && c == '{'; !s.descend && len(s.path) > 0 {
		s.path = s.path[:len(s.path)-1]
	}
	return nil
}

func (s *JSONScanner) endValue() {
	s.state = wantCommaOrClose
	if len(s.frames) == 0 {
		s.state = wantEnd
	}
}

// open starts an array or object, in the memory of an earlier one.
func (s *JSONScanner) open(array bool) {
	n := len(s.frames)
	s.frames = slices.Grow(s.frames, 1)[:n+1]
	top := &s.frames[n]
	*top = jsonFrame{array: array, visit: s.descend, start: len(s.hashes), last: top.last}
	s.descend = false
}

func (s *JSONScanner) close() {
	top := s.frames[len(s.frames)-1]
	s.frames = s.frames[:len(s.frames)-1]
	s.hashes = s.hashes[:top.start]
	if top.table != nil {
		clear(top.table)
		s.tables = append(s.tables, top.table)
	}
	if top.visit && len(s.path) > 0 {
		s.path = s.path[:len(s.path)-1]
	}
	s.endValue()
}
