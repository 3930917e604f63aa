// Package manpage writes pages for man(1) from the parser's grammar, in the macros
// of man(7), which groff and mandoc both read.
package manpage

import (
	"fmt"
	"strings"
)

// roff gathers a page. Its methods take plain text, whatever that holds.
type roff struct{ strings.Builder }

// Text gives s as roff prints it: in any locale, and never as a request.
func Text(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case (r == '.' || r == '\'') && (i == 0 || s[i-1] == '\n'):
			b.WriteString(`\&` + string(r))
		case r == '\\':
			b.WriteString(`\e`)
		case r == '-':
			b.WriteString(`\-`)
		case r == '\'': // in ASCII, to be copied
			b.WriteString(`\(aq`)
		case r == '`':
			b.WriteString(`\(ga`)
		case r == '^':
			b.WriteString(`\(ha`)
		case r == '~':
			b.WriteString(`\(ti`)
		case r > '~':
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func bold(s string) string   { return `\fB` + Text(s) + `\fR` }
func italic(s string) string { return `\fI` + Text(s) + `\fR` }

// request writes a line that begins with a macro; its arguments are quoted.
func (r *roff) request(macro string, args ...string) {
	r.WriteString("." + macro)
	for _, a := range args {
		r.WriteString(` "` + strings.ReplaceAll(Text(a), `"`, `\(dq`) + `"`)
	}
	r.WriteByte('\n')
}

// line writes a line that is roff already.
func (r *roff) line(parts ...string) { r.WriteString(strings.Join(parts, "") + "\n") }

// item writes a tagged paragraph: a term that is roff already, and a text.
func (r *roff) item(term, text string) {
	r.request("TP")
	r.line(term)
	r.prose(text)
}

// prose writes a text, its lines broken as sources are.
func (r *roff) prose(text string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > 76 {
			r.line(Text(line))
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	r.line(Text(line))
}

// paragraphs writes text whose paragraphs are separated by empty lines; those that
// are indented by four blanks stay as they are.
func (r *roff) paragraphs(text string) {
	between := false
	for p := range strings.SplitSeq(text, "\n\n") {
		if p = strings.Trim(p, "\n"); p == "" {
			continue
		}
		if between {
			r.request("PP")
		}
		between = true
		if !strings.HasPrefix(p, "    ") {
			r.prose(p)
			continue
		}
		r.request("EX")
		for line := range strings.SplitSeq(p, "\n") {
			r.line(Text(strings.TrimPrefix(line, "    ")))
		}
		r.request("EE")
	}
}
