package artifact

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/policyhost/policy/runtime/fault"
)

const (
	maxJSONDepth = 10_000  // as encoding/json and OPA
	maxJSONKey   = 1 << 20 // bytes of one key
)

// JSONError says where a JSON text is wrong. Line and Col start at 1, Col counts
// bytes.
type JSONError struct {
	Line, Col int
	Key       string // the key that an object has twice
	Twice     bool   // an object has Key twice
	Err       error
}

// Error reads `line 3, column 7: the key "a" is there twice`.
func (e *JSONError) Error() string {
	return fmt.Sprintf("line %d, column %d: %v", e.Line, e.Col, e.Err)
}

// Unwrap gives the bare complaint, without the place.
func (e *JSONError) Unwrap() error { return e.Err }

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

func (s *JSONScanner) fail(p []byte, at int, err error) {
	e := &JSONError{Line: s.line, Err: err}
	lineAt := s.lineAt
	e.Line += bytes.Count(p[:at], []byte{'\n'})
	if i := bytes.LastIndexByte(p[:at], '\n'); i >= 0 {
		lineAt = s.written + int64(i) + 1
	}
	e.Col = int(s.written + int64(at) - lineAt + 1)
	if twice, ok := errors.AsType[keyTwice](err); ok {
		e.Key, e.Twice = string(twice), true
		e.Col = int(s.keyAt - lineAt + 1)
	}
	s.err = e
}

type keyTwice string

func (k keyTwice) Error() string {
	key := string(k)
	if len(key) > 80 {
		key = key[:80] + "…"
	}
	return fmt.Sprintf("the key %q is there twice", key)
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

func unexpected(c byte, want string) error {
	return fmt.Errorf("%s where %s should be", quoteByte(c), want)
}

func quoteByte(c byte) string {
	if c >= utf8.RuneSelf {
		return fmt.Sprintf("byte 0x%02x", c)
	}
	return fmt.Sprintf("%q", rune(c))
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
		s.state, s.literal = inLiteral, "rue"
	case c == 'f':
		s.state, s.literal = inLiteral, "alse"
	case c == 'n':
		s.state, s.literal = inLiteral, "ull"
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

// fewKeys is how many keys of an object are compared one by one.
const fewKeys = 8

// addKey refuses a key that the innermost object has already. Large objects
// mostly have their keys in order: such need no table. Keys are known by
// a 64-bit hash that is seeded anew for each document: for a million keys in
// one object the chance of a wrong refusal is 1 in 37 million, and trying again
// settles it.
func (s *JSONScanner) addKey(key []byte) error {
	top := &s.frames[len(s.frames)-1]
	h := maphash.Bytes(s.seed, key)
	if h == 0 {
		h = 1 // 0 is an empty slot
	}
	known := s.hashes[top.start:]
	if slices.Contains(known[:min(len(known), fewKeys)], h) {
		return keyTwice(key)
	}
	switch {
	case top.table != nil:
		if !insert(top.table, h) {
			return keyTwice(key)
		}
		if top.count++; top.count*2 > len(top.table) {
			s.grow(top)
		}
	case len(known) < fewKeys:
		s.hashes = append(s.hashes, h)
	case len(known) == fewKeys || bytes.Compare(key, top.last) > 0:
		s.hashes = append(s.hashes, h)
		top.last = append(top.last[:0], key...)
	default:
		s.grow(top)
		if !insert(top.table, h) {
			return keyTwice(key)
		}
		top.count++
	}
	if top.visit {
		s.path = append(s.path, string(key))
	}
	return nil
}

// grow makes a table of two to four times the keys that are not among the first
// few, and moves them there.
func (s *JSONScanner) grow(top *jsonFrame) {
	old := top.table
	if old == nil {
		old = s.hashes[top.start+fewKeys:]
		s.hashes = s.hashes[:top.start+fewKeys]
		top.count = len(old)
	}
	size := 2 << bits.Len(uint(top.count+1))
	top.table = nil
	for i, t := range s.tables {
		if len(t) == size {
			top.table = t
			s.tables = slices.Delete(s.tables, i, i+1)
			break
		}
	}
	if top.table == nil {
		top.table = make([]uint64, size)
	}
	for _, h := range old {
		if h != 0 {
			insert(top.table, h)
		}
	}
}

// insert puts h into an open table; false means it is there already.
func insert(table []uint64, h uint64) bool {
	mask := uint64(len(table) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		switch table[i] {
		case 0:
			table[i] = h
			return true
		case h:
			return false
		}
	}
}
