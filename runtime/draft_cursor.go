package runtime

import (
	"slices"
)

// cursor is a place in a draft and what it is in.
type cursor struct {
	off        int
	start, end int // of the word that it is in or at the end of; both off for none
	before     int // the last token before the word, comments left out; -1 for none
	statement  int
	in         string // "comment", "string", "number" or nothing
	content    int    // where the string begins, behind its quote
	calls      []site // calls that it is inside of, outermost first, and other brackets
}

// site is a bracket that is open at the cursor.
type site struct {
	bracket byte
	open    int    // the token of the bracket
	callee  string // the expression before it; empty when it is no call
	at      int    // where that begins
	index   int    // of the argument that the cursor is in
	keyword string // its name, if it has one
	names   []string
}

// cursorAt finds where an offset is.
func (d *Draft) cursorAt(off int) cursor {
	off = max(0, min(off, len(d.text)))
	c := cursor{off: off, start: off, end: off, before: -1, statement: statementAt(d.statements, off)}
	i, _ := slices.BinarySearchFunc(d.tokens, off, func(t token, off int) int {
		if t.end < off || t.end == off && t.kind != wordToken && !t.open {
			return -1
		}
		return 1
	})
	if i < len(d.tokens) && d.tokens[i].start < off || i < len(d.tokens) && d.tokens[i].start == off && d.tokens[i].kind == wordToken {
		switch t := d.tokens[i]; t.kind {
		case wordToken:
			c.start, c.end = t.start, t.end
		case commentToken:
			c.in = "comment"
		case stringToken:
			c.in, c.start, c.end = "string", t.start, t.end
			c.content = t.start
			for c.content < t.end && d.text[c.content] != '"' && d.text[c.content] != '\'' {
				c.content++
			}
			c.content++
		}
	} else if i > 0 && d.tokens[i-1].end == off {
		switch d.tokens[i-1].kind {
		case commentToken:
			c.in = "comment"
		case numberToken:
			c.in = "number"
		}
	}
	c.before = i - 1
	for c.before >= 0 && d.tokens[c.before].kind == commentToken {
		c.before--
	}
	if c.statement >= 0 {
		c.calls = d.sites(d.statements[c.statement], c)
	}
	return c
}

// sites are the brackets of a statement that are open at the cursor.
func (d *Draft) sites(s statement, c cursor) []site {
	var open []site
	for i := s.first; i <= c.before && i < len(d.tokens); i++ {
		t := d.tokens[i]
		switch ch := d.mark(i); ch {
		case '(', '[', '{':
			next := site{bracket: ch, open: i}
			if ch == '(' {
				if first := d.primary(i - 1); first >= s.first {
					next.at = d.tokens[first].start
					next.callee = string(d.text[next.at:t.start])
				}
			}
			open = append(open, next)
		case ')', ']', '}':
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
		case ',':
			if n := len(open); n > 0 {
				open[n-1].index++
				open[n-1].keyword = ""
			}
		case '=':
			// NAME = at the beginning of an argument, and not ==.
			n := len(open)
			if n == 0 || d.mark(i+1) == '=' || d.mark(i-1) == '=' || d.tokens[i-1].kind != wordToken {
				continue
			}
			if b := d.previous(i - 2); d.mark(b) == ',' || b == open[n-1].open {
				open[n-1].keyword = d.textOf(d.tokens[i-1])
				open[n-1].names = append(open[n-1].names, open[n-1].keyword)
			}
		}
	}
	return open
}

// previous is the token at i or before it that is neither the end of a line nor a
// comment.
func (d *Draft) previous(i int) int {
	for i >= 0 && (d.tokens[i].kind == lineToken || d.tokens[i].kind == commentToken) {
		i--
	}
	return i
}

// primary is the first token of the expression that ends with token i: a name,
// its attributes, calls and items. It is -1 when nothing like that ends there.
func (d *Draft) primary(i int) int {
	first := -1
	for i >= 0 {
		switch t := d.tokens[i]; {
		case t.kind == wordToken:
			if word := d.textOf(t); slices.Contains(reserved, word) && word != "load" {
				return first
			}
			first = i
			if d.mark(i-1) != '.' {
				return first
			}
			i -= 2
			continue
		case t.kind == stringToken && !t.open:
			return i
		case d.mark(i) == ')' || d.mark(i) == ']' || d.mark(i) == '}':
			opening := d.matching(i)
			if opening < 0 {
				return first
			}
			first = opening
			if i = opening - 1; i < 0 || d.mark(opening) == '{' {
				return first
			}
			if t := d.tokens[i]; t.kind != wordToken && d.mark(i) != ')' && d.mark(i) != ']' && t.kind != stringToken {
				return first
			}
		default:
			return first
		}
	}
	return first
}

// matching is the bracket that the one at i closes, -1 for none.
func (d *Draft) matching(i int) int {
	depth := 0
	for ; i >= 0; i-- {
		switch d.mark(i) {
		case ')', ']', '}':
			depth++
		case '(', '[', '{':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// call is the innermost call that the cursor is an argument of, or nil.
func (c cursor) call() *site {
	for i := len(c.calls) - 1; i >= 0; i-- {
		if s := &c.calls[i]; s.bracket == '(' && s.callee != "" {
			return s
		}
	}
	return nil
}

// innermost is the bracket around the cursor, or nil.
func (c cursor) innermost() *site {
	if len(c.calls) == 0 {
		return nil
	}
	return &c.calls[len(c.calls)-1]
}

// inHeader reports that the statement is the header of a function.
func (d *Draft) inHeader(c cursor) bool {
	return c.statement >= 0 && d.textOf(d.tokens[d.statements[c.statement].first]) == "def"
}
