package runtime

import (
	"bytes"
	"slices"
)

// token is a word of a draft. Parsing needs a text that is whole; these need
// none.
type token struct {
	kind       tokenKind
	start, end int
	open       bool // a string that nothing closes
}

type tokenKind byte

const (
	wordToken tokenKind = iota
	stringToken
	numberToken
	markToken // one character: an operator, a bracket
	lineToken // the end of a line
	commentToken
)

// tokenize reads any text at all.
func tokenize(text []byte) []token {
	file := ""
	s := &scanner{file: &file, text: text, line: 1}
	if bytes.HasPrefix(text, []byte(bom)) {
		s.off = len(bom)
	}
	var all []token
	for s.off < len(text) {
		t := token{kind: markToken, start: s.off}
		switch c := text[s.off]; {
		case c == ' ' || c == '\t':
			s.off++
			continue
		case c == '\\' && (s.peekAt(1) == '\n' || s.peekAt(1) == '\r'):
			s.space(false)
			continue
		case c == '\n' || c == '\r':
			t.kind = lineToken
			if s.off++; c == '\r' && s.peek() == '\n' {
				s.off++
			}
		case c == '#':
			t.kind = commentToken
			s.comment()
			s.off = max(s.off, t.start+1)
		case c == '"' || c == '\'':
			t.kind, t.open = stringToken, !s.string()
		case isLetter(c):
			t.kind = wordToken
			word := s.word()
			if (word == "r" || word == "b" || word == "rb" || word == "br") && (s.peek() == '"' || s.peek() == '\'') {
				t.kind, t.open = stringToken, !s.string()
			}
		case c >= '0' && c <= '9':
			t.kind = numberToken
			for c := s.peek(); isLetter(c) || c >= '0' && c <= '9' || c == '.'; c = s.peek() {
				s.off++
			}
		default:
			s.off++
		}
		t.end = s.off
		all = append(all, t)
	}
	return all
}

func (d *Draft) textOf(t token) string { return string(d.text[t.start:t.end]) }

// mark is the character of a mark, 0 for other tokens.
func (d *Draft) mark(i int) byte {
	if i < 0 || i >= len(d.tokens) || d.tokens[i].kind != markToken {
		return 0
	}
	return d.text[d.tokens[i].start]
}

// statement is a logical line: it ends where a line ends outside of brackets, or
// inside of them where the next line can only be another statement.
type statement struct {
	first, last int // tokens, the line end not included
	start, end  int // bytes, from the beginning of its line to the end of its last
	indent      int // of its first line, in bytes
	broken      bool
	header      bool // it ends with a colon
}

// beginners are words that no line inside of brackets begins with.
var beginners = []string{"def", "return", "while", "pass", "break", "continue", "load"}

// continuers are words that a line inside of brackets may well begin with.
var continuers = []string{"for", "if", "else", "in", "and", "or", "not", "lambda", "None", "True", "False"}

// headers are words that statements with a block begin with.
var headers = []string{"def", "if", "elif", "else", "for", "while"}

// segment cuts a text into statements. Comments and empty lines are between them.
func segment(text []byte, tokens []token) []statement {
	var all []statement
	for i := 0; i < len(tokens); {
		if k := tokens[i].kind; k == lineToken || k == commentToken {
			i++
			continue
		}
		s := statementFrom(text, tokens, i)
		all = append(all, s)
		i = s.last + 1
	}
	return all
}

func statementFrom(text []byte, tokens []token, first int) statement {
	s := statement{first: first, last: first, start: tokens[first].start}
	for s.start > 0 && text[s.start-1] != '\n' && text[s.start-1] != '\r' {
		s.start--
	}
	s.indent = tokens[first].start - s.start
	var open []byte
	for i := first; i < len(tokens); i++ {
		switch t := tokens[i]; t.kind {
		case lineToken:
			if len(open) == 0 {
				return s.finish(text, tokens)
			}
			if begins(text, tokens, i+1, s) {
				s.broken = true
				return s.finish(text, tokens)
			}
			continue
		case commentToken:
			continue
		case markToken:
			switch c := text[t.start]; c {
			case '(', '[', '{':
				open = append(open, c)
			case ')', ']', '}':
				if n := len(open); n > 0 && closes(open[n-1], c) {
					open = open[:n-1]
				} else {
					s.broken = true
				}
			}
		case stringToken:
			s.broken = s.broken || t.open
		}
		s.last = i
	}
	s.broken = s.broken || len(open) > 0
	return s.finish(text, tokens)
}

func closes(opening, closing byte) bool {
	return opening == '(' && closing == ')' || opening == '[' && closing == ']' || opening == '{' && closing == '}'
}

// begins reports that the line at token i, inside of brackets, begins a statement.
func begins(text []byte, tokens []token, i int, s statement) bool {
	for i < len(tokens) && (tokens[i].kind == lineToken || tokens[i].kind == commentToken) {
		i++
	}
	if i >= len(tokens) || tokens[i].kind != wordToken {
		return false
	}
	t := tokens[i]
	word := string(text[t.start:t.end])
	if slices.Contains(beginners, word) {
		return true
	}
	indent := 0
	for t.start-indent > 0 && (text[t.start-indent-1] == ' ' || text[t.start-indent-1] == '\t') {
		indent++
	}
	return indent <= s.indent && !slices.Contains(continuers, word)
}

func (s statement) finish(text []byte, tokens []token) statement {
	s.end = tokens[s.last].end
	last := tokens[s.last]
	s.header = last.kind == markToken && text[last.start] == ':'
	return s
}

// statementAt is the statement that an offset is in, or behind in the same line;
// -1 for none.
func statementAt(all []statement, off int) int {
	i, _ := slices.BinarySearchFunc(all, off, func(s statement, off int) int {
		if s.start <= off {
			return -1
		}
		return 1
	})
	return i - 1
}
