package lsp

import (
	"unicode/utf16"
	"unicode/utf8"
)

// Encoding is what the characters of a [Position] are.
type Encoding string

// The encodings that editors and the server may agree on. UTF16 is the protocol's
// own: what is beyond the basic plane counts twice.
const (
	UTF16 Encoding = "utf-16"
	UTF8  Encoding = "utf-8"
)

// Text is the content of a file and where its lines begin. A line ends with \n,
// \r\n or \r.
type Text struct {
	Bytes    []byte
	lines    []int
	encoding Encoding
}

// NewText is a text whose positions count characters of an encoding.
func NewText(content string, encoding Encoding) *Text {
	t := &Text{Bytes: []byte(content), encoding: encoding}
	t.index()
	return t
}

func (t *Text) index() {
	t.lines = append(t.lines[:0], 0)
	for i, c := range t.Bytes {
		if c == '\n' || c == '\r' && (i+1 == len(t.Bytes) || t.Bytes[i+1] != '\n') {
			t.lines = append(t.lines, i+1)
		}
	}
}

// line is where a line, counted from 0, begins and ends, without what ends it.
func (t *Text) line(n int) (start, end int) {
	start, end = t.lines[n], len(t.Bytes)
	if n+1 < len(t.lines) {
		end = t.lines[n+1]
		for end > start && (t.Bytes[end-1] == '\n' || t.Bytes[end-1] == '\r') {
			end--
		}
	}
	return start, end
}

// Offset is where a position is, in bytes; the nearest there is for one that is
// not in the text.
func (t *Text) Offset(p Position) int {
	switch {
	case p.Line < 0:
		return 0
	case p.Line >= len(t.lines):
		return len(t.Bytes)
	}
	at, end := t.line(p.Line)
	for n := p.Character; n > 0 && at < end; {
		r, size := utf8.DecodeRune(t.Bytes[at:])
		if n -= t.units(r, size); n < 0 {
			break // in the middle of a character
		}
		at += size
	}
	return at
}

// units is how many characters of the encoding a rune is.
func (t *Text) units(r rune, size int) int {
	if t.encoding == UTF8 {
		return size
	}
	return max(utf16.RuneLen(r), 1)
}

// Position is the place of a byte.
func (t *Text) Position(off int) Position {
	off = max(0, min(off, len(t.Bytes)))
	low, high := 0, len(t.lines)
	for high-low > 1 { // the last line that begins at off or before
		if mid := (low + high) / 2; t.lines[mid] <= off {
			low = mid
		} else {
			high = mid
		}
	}
	p := Position{Line: low}
	for at := t.lines[low]; at < off; {
		r, size := utf8.DecodeRune(t.Bytes[at:])
		p.Character += t.units(r, size)
		at += size
	}
	return p
}

// At is the byte at a line and column as the language counts them: from 1, in
// runes.
func (t *Text) At(line, column int) int {
	if line < 1 || len(t.lines) < line {
		return min(max(line, 0), 1) * len(t.Bytes)
	}
	at, end := t.line(line - 1)
	for ; column > 1 && at < end; column-- {
		_, size := utf8.DecodeRune(t.Bytes[at:])
		at += size
	}
	return at
}

// Range is the part of the text from one byte to another.
func (t *Text) Range(start, end int) Range {
	return Range{t.Position(start), t.Position(max(start, end))}
}

// change puts a text in place of a range, or of everything.
func (t *Text) change(c change) {
	if c.Range == nil {
		t.Bytes = []byte(c.Text)
	} else {
		start := t.Offset(c.Range.Start)
		end := max(start, t.Offset(c.Range.End))
		changed := make([]byte, 0, len(t.Bytes)-(end-start)+len(c.Text))
		t.Bytes = append(append(append(changed, t.Bytes[:start]...), c.Text...), t.Bytes[end:]...)
	}
	t.index()
}

// Sibling is another text whose positions count as this one's do.
func (t *Text) Sibling(content string) *Text { return NewText(content, t.encoding) }
