package artifact

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
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

func unexpected(c byte, want string) error {
	return fmt.Errorf("%s where %s should be", quoteByte(c), want)
}

func quoteByte(c byte) string {
	if c >= utf8.RuneSelf {
		return fmt.Sprintf("byte 0x%02x", c)
	}
	return fmt.Sprintf("%q", rune(c))
}
