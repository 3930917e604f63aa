package runtime

import (
	"bytes"
	"slices"
	"strings"
)

// swap puts an expression in place of a statement.
type swap struct {
	statement  int
	expression string
}

// maxRepairs bounds how many statements are left out one after the other because
// the parser stumbles over them; then the rest of the file is.
const maxRepairs = 25

// repair parses the draft into m in a form that parses: what does not is replaced
// by what does nothing. Every line stays the line it is.
func (d *Draft) repair(m *module, swap *swap) {
	if swap == nil && d.parses(m, d.text) == nil {
		return
	}
	out := make(map[int]string, 1) // what stands instead of a statement
	if swap != nil {
		out[swap.statement] = d.instead(swap.statement, swap.expression)
	}
	for i, s := range d.statements {
		if _, swapped := out[i]; s.broken && !swapped {
			out[i] = d.instead(i, "")
		}
	}
	for range maxRepairs {
		err := d.parses(m, d.render(out, len(d.statements)))
		if err == nil {
			return
		}
		line, ok := errorPosition(err)
		if !ok {
			break
		}
		bad := d.statementOfLine(line)
		for bad >= 0 && isOut(out, bad) {
			bad-- // it suffers from one before
		}
		if bad < 0 {
			break
		}
		out[bad] = d.instead(bad, "")
	}
	d.parseBeginning(m, out)
}

func isOut(out map[int]string, i int) bool {
	_, is := out[i]
	return is
}

// parseBeginning parses as much of the text as can be.
func (d *Draft) parseBeginning(m *module, out map[int]string) {
	whole, broken := 0, len(d.statements)+1
	for broken-whole > 1 {
		if mid := (whole + broken) / 2; d.parses(m, d.render(out, mid)) == nil {
			whole = mid
		} else {
			broken = mid
		}
	}
	_ = d.parses(m, d.render(out, whole)) // it did, or is empty
}

// parses makes m the module of a text.
func (d *Draft) parses(m *module, text []byte) error {
	*m = module{Module: m.Module, pkg: m.pkg, std: m.std, path: m.path, text: text}
	return parse(m, d.src.Body)
}

// instead is what stands in place of a statement: an expression, or nothing. What
// began a block still does.
func (d *Draft) instead(i int, expression string) string {
	s := d.statements[i]
	word := d.textOf(d.tokens[s.first])
	if !slices.Contains(headers, word) || !d.hasBlock(i) {
		if expression == "" {
			return "pass"
		}
		return expression
	}
	if expression == "" {
		expression = "True"
	}
	return "if " + expression + ":"
}

// hasBlock reports that what follows a statement is indented deeper.
func (d *Draft) hasBlock(i int) bool {
	return i+1 < len(d.statements) && d.statements[i+1].indent > d.statements[i].indent
}

// render writes the first n statements, those in out the way that they are there.
// A header without a block gets one.
func (d *Draft) render(out map[int]string, n int) []byte {
	var b bytes.Buffer
	at := 0
	for i, s := range d.statements[:n] {
		text, replaced := out[i]
		switch {
		case replaced:
			b.Write(d.text[at:s.start])
			b.WriteString(d.indentation(i))
			b.WriteString(text)
			b.WriteString(strings.Repeat("\n", lines(d.text[s.start:s.end])-strings.Count(text, "\n")))
			at = s.end
		case s.header && !d.hasBlock(i):
			b.Write(d.text[at:s.end])
			b.WriteString(" pass")
			at = s.end
		}
	}
	if n == len(d.statements) {
		b.Write(d.text[at:])
	} else if n > 0 {
		b.Write(d.text[at:max(at, d.statements[n-1].end)])
	}
	return b.Bytes()
}

func lines(text []byte) int { return lineAt(text, len(text)) - 1 }

// statementOfLine is the last statement that begins in a line or before it. The
// lines of what is repaired are those of the draft.
func (d *Draft) statementOfLine(line int) int {
	start := 0
	for at := 1; at < line && start < len(d.text); start++ {
		if c := d.text[start]; c == '\n' || c == '\r' && (start+1 == len(d.text) || d.text[start+1] != '\n') {
			at++
		}
	}
	return statementAt(d.statements, start)
}

// indentation is where a statement that is replaced stands: where it does if it
// may, else beside the one before it, or in its block.
func (d *Draft) indentation(i int) string {
	s := d.statements[i]
	own := string(d.text[s.start : s.start+s.indent])
	if i == 0 {
		return ""
	}
	before := d.statements[i-1]
	deeper := s.indent > before.indent
	known := s.indent == before.indent || slices.ContainsFunc(d.statements[:i], func(other statement) bool { return other.indent == s.indent })
	switch block := before.header && !before.broken; {
	case deeper && block, !deeper && !block && known:
		return own
	case block && !deeper && known:
		return own // the block is missing, and is made
	case block:
		return string(d.text[before.start:before.start+before.indent]) + "    "
	}
	return string(d.text[before.start : before.start+before.indent])
}
