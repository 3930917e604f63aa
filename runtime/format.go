package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"regexp"
	"slices"

	"github.com/bazelbuild/buildtools/build"
	"go.starlark.net/syntax"

	"github.com/policyhost/policy/runtime/fault"
)

// Format gives the text of a script in the usual layout: that of buildifier for
// .bzl files, without its rewriting of labels and load statements. It fails with
// Script for a text that does not parse, and never gives one that means something
// else.
func Format(name string, text []byte) ([]byte, error) {
	m := &module{Module: Module{Name: name}, text: text}
	l := newLoader(&Host{}, Source{Name: name})
	l.modules[name] = m
	if err := parse(m, false); err != nil {
		return nil, l.fault(err)
	}
	file, err := build.ParseDefault(name, disguise(m.text))
	if err != nil {
		return nil, fault.New(fault.Script, name, "cannot be formatted: %w", parseError(err))
	}
	formatted := undisguise(build.FormatWithoutRewriting(file))
	again := &module{Module: m.Module, text: bytes.Clone(formatted)}
	if err := parse(again, false); err != nil {
		return nil, fault.New(fault.Internal, name, "its formatted text does not parse: %w", err)
	}
	if !sameProgram(m, again) {
		return nil, fault.New(fault.Internal, name, "its formatted text means something else")
	}
	return formatted, nil
}

func parseError(err error) error {
	if bad, ok := errors.AsType[build.ParseError](err); ok {
		return fmt.Errorf("line %d: %s", bad.Pos.Line, bad.Message)
	}
	return err
}

// The formatter knows neither while nor bytes. They are given to it as what looks
// the same: a for loop over the condition, and strings that begin in a way that
// nobody's do.
const (
	whileMark = "for while__policy__ in"
	bytesMark = "bytes__policy__"
)

func disguise(text []byte) []byte {
	file := ""
	s := &scanner{file: &file, text: text, line: 1}
	var out []byte
	copied := 0
	for s.off < len(text) {
		start := s.off
		switch c := text[s.off]; {
		case c == '#':
			s.comment()
			if s.off == start {
				s.off++
			}
		case c == '"' || c == '\'':
			s.string()
		case isLetter(c):
			word := s.word()
			switch {
			case word == "while":
				out, copied = append(append(out, text[copied:start]...), whileMark...), s.off
			case (word == "b" || word == "rb") && (s.peek() == '"' || s.peek() == '\''):
				quotes := 1
				if s.peekAt(1) == s.peek() && s.peekAt(2) == s.peek() {
					quotes = 3
				}
				out = append(append(out, text[copied:start]...), word[:len(word)-1]...)
				out = append(append(out, text[s.off:s.off+quotes]...), bytesMark...)
				copied = s.off + quotes
				s.string()
			}
		default:
			s.off++
		}
	}
	if out == nil {
		return text
	}
	return append(out, text[copied:]...)
}

func undisguise(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte(whileMark), []byte("while"))
	if !bytes.Contains(text, []byte(bytesMark)) {
		return text
	}
	return regexp.MustCompile(`(r?)("""|'''|"|')`+bytesMark).ReplaceAll(text, []byte("${1}b$2"))
}

// sameProgram compares two files but for positions, and how literals are written.
func sameProgram(a, b *module) bool {
	return slices.Equal(a.types(), b.types()) && sameNodes(reflect.ValueOf(a.file.Stmts), reflect.ValueOf(b.file.Stmts))
}

// types are all types in a file, in an order that only they decide.
func (m *module) types() []string {
	var all []string
	for i, a := range m.annotations {
		for name, t := range a.params {
			all = append(all, fmt.Sprintf("%d %s: %s", i, name, t))
		}
		if a.result != nil {
			all = append(all, fmt.Sprintf("%d -> %s", i, a.result))
		}
	}
	for i, d := range m.definitions {
		for _, f := range d.fields {
			all = append(all, fmt.Sprintf("%d %s = %s", i, f.name, f.typ))
		}
	}
	slices.Sort(all)
	return all
}

func sameNodes(a, b reflect.Value) bool {
	if a.Kind() != b.Kind() || a.Type() != b.Type() {
		return false
	}
	switch a.Kind() {
	case reflect.Interface, reflect.Pointer:
		if x, ok := a.Interface().(*big.Int); ok {
			return x.Cmp(b.Interface().(*big.Int)) == 0
		}
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return sameNodes(a.Elem(), b.Elem())
	case reflect.Slice:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !sameNodes(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Struct:
		if a.Type() == reflect.TypeFor[syntax.Position]() {
			return true
		}
		for i := range a.NumField() {
			f := a.Type().Field(i)
			if f.Name == "Raw" || !f.IsExported() {
				continue
			}
			if !sameNodes(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	}
	return a.Equal(b)
}
