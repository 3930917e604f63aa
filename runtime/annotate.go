package runtime

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"

	"go.starlark.net/syntax"
)

// Starlark has no annotations. They are read here and replaced by blanks, so
// that go.starlark.net sees plain Starlark in which everything else has kept its
// line and column. Why by hand: the parser of bazelbuild/buildtools knows
// annotations but neither while nor bytes, and go.starlark.net's scanner is not
// exported.

// annotations are the types of one function, as they are written.
type annotations struct {
	def    syntax.Position
	params map[string]*typeExpr // by name, without stars
	result *typeExpr            // nil when there is none
}

// annotate reads the annotations of a file and gives its text without them: the
// very same text when there are none. It fails with a syntax.Error for a type
// that cannot be read; whatever else is wrong in the text is left to the parser.
func annotate(file string, text []byte) ([]byte, []*annotations, error) {
	return annotateFrom(1, file, text)
}

// annotateFrom reads what begins in a later line of the file.
func annotateFrom(line int, file string, text []byte) ([]byte, []*annotations, error) {
	s := &scanner{file: &file, text: text, first: line, line: line}
	if err := s.scan(); err != nil {
		return nil, nil, err
	}
	if s.plain == nil {
		return text, nil, nil
	}
	return append(s.plain, text[s.copied:]...), s.defs, nil
}

// scanner reads as much of Starlark as it takes to find function headers.
type scanner struct {
	file *string
	text []byte
	off  int

	first              int // line of the text
	line, bol, counted int // the line of counted, and where it begins

	plain  []byte // text without annotations, up to copied
	copied int
	defs   []*annotations
}

func (s *scanner) scan() error {
	if !bytes.Contains(s.text, []byte("def")) {
		return nil
	}
	for s.off < len(s.text) {
		switch c := s.text[s.off]; {
		case c == 0: // the end of the file, to the parser
			return nil
		case c == '#':
			s.comment()
		case c == '"' || c == '\'':
			s.string()
		case isLetter(c):
			at := s.off
			if s.word() != "def" || at > 0 && s.text[at-1] == '.' {
				continue
			}
			s.off = at
			a := &annotations{def: s.pos()}
			s.off += len("def")
			if err := s.header(a); err != nil {
				return err
			}
			if a.params != nil || a.result != nil {
				s.defs = append(s.defs, a)
			}
		default:
			s.off++
		}
	}
	return nil
}

// header reads a function's name, parameters and result; it stops where they are
// not what they must be.
func (s *scanner) header(a *annotations) error {
	s.space(false)
	if s.ident() == "" || !s.after('(', false) {
		return nil
	}
	for {
		s.space(true)
		for s.peek() == '*' {
			s.off++
			s.space(true)
		}
		name := s.ident()
		s.space(true)
		if name != "" && s.peek() == ':' {
			t, err := s.annotation(1, 1)
			if err != nil {
				return err
			}
			if s.space(true); bytes.IndexByte([]byte(",)="), s.peek()) < 0 {
				return s.unexpected("a comma")
			}
			if a.params == nil {
				a.params = make(map[string]*typeExpr)
			}
			a.params[name] = t
		}
		if s.after('=', true) {
			s.expression()
		}
		if !s.after(',', true) {
			break
		}
	}
	if !s.after(')', true) {
		return nil
	}
	if s.space(false); s.peek() == '-' && s.peekAt(1) == '>' {
		t, err := s.annotation(len("->"), 0)
		if err != nil {
			return err
		}
		if s.space(false); s.peek() != ':' {
			return s.unexpected("a colon")
		}
		a.result = t
	}
	return nil
}

// annotation reads what follows a colon or an arrow and blanks both. depth is 1
// where a line may end anywhere.
func (s *scanner) annotation(mark, depth int) (*typeExpr, error) {
	start := s.off
	s.off += mark
	s.space(depth > 0)
	t, err := s.typeOf(depth)
	if err != nil {
		return nil, err
	}
	end := s.off
	s.plain = append(s.plain, s.text[s.copied:start]...)
	s.copied = end
	return t, s.blank(start, end, depth == 0)
}

// blank writes one blank for each character, and line ends as they are. Where
// only brackets that are blanked, too, let the line end, it is continued.
func (s *scanner) blank(start, end int, continued bool) error {
	for at := start; at < end; {
		c, size := utf8.DecodeRune(s.text[at:end])
		switch c {
		case '\r', '\n':
			if continued && (c == '\r' || s.text[at-1] != '\r') {
				last := len(s.plain) - 1
				if s.plain[last] != ' ' {
					s.off = at
					return s.error("the type of a result cannot have an empty line in it")
				}
				s.plain[last] = '\\'
			}
			s.plain = append(s.plain, byte(c))
		default:
			s.plain = append(s.plain, ' ')
		}
		at += size
	}
	return nil
}

// expression skips a default: up to a comma, or a parenthesis that closes what
// it did not open. The commas of a lambda's parameters are its own.
func (s *scanner) expression() {
	depth, lambdas := 0, []int(nil)
	for s.off < len(s.text) {
		switch c := s.text[s.off]; {
		case c == 0:
			return
		case c == '#':
			s.comment()
			continue
		case c == '"' || c == '\'':
			s.string()
			continue
		case isLetter(c):
			if s.word() == "lambda" {
				lambdas = append(lambdas, depth)
			}
			continue
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			if depth--; depth < 0 {
				return
			}
		case c == ':' && len(lambdas) > 0 && lambdas[len(lambdas)-1] == depth:
			lambdas = lambdas[:len(lambdas)-1]
		case c == ',' && depth == 0 && len(lambdas) == 0:
			return
		}
		s.off++
	}
}

// string skips a literal and reports whether it is closed; a line end in one with
// single quotes ends it, which the parser will refuse.
func (s *scanner) string() bool {
	quote := s.text[s.off]
	long := s.peekAt(1) == quote && s.peekAt(2) == quote
	if s.off++; long {
		s.off += 2
	}
	for s.off < len(s.text) {
		switch c := s.text[s.off]; {
		case c == '\\':
			s.off++
			if s.peek() == '\r' && s.peekAt(1) == '\n' {
				s.off++
			}
		case c == quote && !long:
			s.off++
			return true
		case c == quote && s.peekAt(1) == quote && s.peekAt(2) == quote:
			s.off += 3
			return true
		case (c == '\n' || c == '\r') && !long:
			return false
		}
		s.off = min(s.off+1, len(s.text))
	}
	return false
}

func (s *scanner) comment() {
	for s.off < len(s.text) && bytes.IndexByte([]byte("\n\r\x00"), s.text[s.off]) < 0 {
		s.off++
	}
}

// space skips blanks and continued lines, and in brackets line ends and comments.
func (s *scanner) space(bracketed bool) {
	for s.off < len(s.text) {
		switch c := s.text[s.off]; {
		case c == ' ' || c == '\t':
		case c == '\\' && s.peekAt(1) == '\r' && s.peekAt(2) == '\n':
			s.off += 2
		case c == '\\' && (s.peekAt(1) == '\n' || s.peekAt(1) == '\r'):
			s.off++
		case bracketed && (c == '\n' || c == '\r'):
		case bracketed && c == '#':
			s.comment()
			continue
		default:
			return
		}
		s.off++
	}
}

// after skips space and c, if that is what follows; else nothing.
func (s *scanner) after(c byte, bracketed bool) bool {
	start := s.off
	if s.space(bracketed); s.peek() == c {
		s.off++
		return true
	}
	s.off = start
	return false
}

// ident reads a name; it is empty when there is none.
func (s *scanner) ident() string {
	start := s.off
	for s.off < len(s.text) {
		c := s.text[s.off]
		if c < utf8.RuneSelf {
			if !isLetter(c) && (s.off == start || c < '0' || c > '9') {
				break
			}
			s.off++
			continue
		}
		r, size := utf8.DecodeRune(s.text[s.off:])
		if !unicode.IsLetter(r) {
			break
		}
		s.off += size
	}
	if s.off == start {
		return ""
	}
	return string(s.text[start:s.off])
}

// word reads a name, or skips a byte that begins none.
func (s *scanner) word() string {
	name := s.ident()
	if name == "" {
		s.off++
	}
	return name
}

func isLetter(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}

func (s *scanner) peek() byte { return s.peekAt(0) }

// peekAt is the n-th byte from here, 0 behind the end.
func (s *scanner) peekAt(n int) byte {
	if s.off+n < len(s.text) {
		return s.text[s.off+n]
	}
	return 0
}

// pos is where off is: counted from the last one, which seldom lies behind it.
func (s *scanner) pos() syntax.Position {
	if s.off < s.counted {
		s.line, s.bol, s.counted = s.first, 0, 0
	}
	for ; s.counted < s.off; s.counted++ {
		c := s.text[s.counted]
		if c == '\n' || c == '\r' && (s.counted+1 == len(s.text) || s.text[s.counted+1] != '\n') {
			s.line++
			s.bol = s.counted + 1
		}
	}
	return syntax.MakePosition(s.file, int32(s.line), int32(utf8.RuneCount(s.text[s.bol:s.off])+1))
}

func (s *scanner) error(format string, args ...any) error {
	return syntax.Error{Pos: s.pos(), Msg: fmt.Sprintf(format, args...)}
}

func (s *scanner) unexpected(want string) error {
	got := "the end of the file"
	if r, _ := utf8.DecodeRune(s.text[s.off:]); s.off < len(s.text) && r >= ' ' {
		got = fmt.Sprintf("%q", r)
	} else if s.off < len(s.text) {
		got = "the end of the line"
	}
	return s.error("in an annotation: got %s, want %s", got, want)
}
