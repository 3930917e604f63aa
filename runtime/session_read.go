package runtime

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"go.starlark.net/syntax"
)

// Reading is how much of a statement a text is.
type Reading int

const (
	Whole Reading = iota // no line can be added to it: it can be run, or is wrong
	Block                // a block, to which lines may be added that are indented, or begin with else or elif
	Open                 // the statement goes on in the next line: in brackets, say
)

// ReadLines says how much of a statement the lines are that were typed so far.
func ReadLines(text string) Reading {
	text = significant(text)
	if text == "" || !wants(text) {
		return Whole
	}
	if strings.HasSuffix(text, "\\\n") || wants(text+"\n") {
		return Open
	}
	return Block
}

// significant is text without its comments and empty lines, which end a block to
// the parser of a prompt. It ends with a line end.
func significant(text string) string {
	s := &scanner{text: []byte(text + "\n")}
	var kept []byte
	line := 0 // where it begins in kept
	for s.off < len(s.text) {
		start := s.off
		switch c := s.text[s.off]; c {
		case '#':
			s.comment()
			continue
		case '"', '\'':
			s.string()
		default:
			s.off++
			if c == '\n' && len(bytes.TrimSpace(kept[line:])) == 0 {
				kept = kept[:line]
				continue
			}
		}
		kept = append(kept, s.text[start:s.off]...)
		if s.text[s.off-1] == '\n' {
			line = len(kept)
		}
	}
	return string(kept)
}

// Indents reports whether a line belongs to the block that it follows.
func Indents(line string) bool {
	word := strings.TrimSpace(line)
	if word == "" || word[0] == '#' || line[0] == ' ' || line[0] == '\t' {
		return true
	}
	for _, keyword := range []string{"else", "elif"} {
		if rest, ok := strings.CutPrefix(word, keyword); ok && (rest == "" || !isName(rune(rest[0]))) {
			return true
		}
	}
	return false
}

// wants reports whether the parser asks for lines behind text.
func wants(text string) bool {
	plain, _, err := annotate("", []byte(text))
	if err != nil {
		bad, ok := errors.AsType[syntax.Error](err)
		return ok && int(bad.Pos.Line) > strings.Count(strings.TrimRight(text, "\n"), "\n")+1
	}
	asked := false
	_, _ = sessionDialect.ParseCompoundStmt("", func() ([]byte, error) {
		if len(plain) == 0 {
			asked = true
			return nil, io.EOF
		}
		n := bytes.IndexByte(plain, '\n') + 1
		if n == 0 {
			n = len(plain)
		}
		line := plain[:n]
		plain = plain[n:]
		return line, nil
	})
	return asked
}
