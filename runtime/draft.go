package runtime

import (
	"bytes"
	"context"
	"errors"
	"unicode/utf8"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Draft is a script while it is written: what an editor shows of it. Its text may
// be in any state; what does not parse is left out, statement by statement, and
// the rest is understood as [Host.Check] would. Nothing of it is run. Places in it
// are byte offsets into the text. A Draft may be used by several at once.
type Draft struct {
	host       *Host
	src        Source
	text       []byte
	tokens     []token
	statements []statement
	opened     *[]*loader // by what is being answered
}

// Draft reads a script. It never fails.
func (h *Host) Draft(src Source) *Draft {
	d := &Draft{host: h, src: src, text: src.Text}
	d.tokens = tokenize(d.text)
	d.statements = segment(d.text, d.tokens)
	return d
}

// begin is the draft for one answer, and what gives back the files that it took.
func (d *Draft) begin() (*Draft, func()) {
	c := *d
	c.opened = new([]*loader)
	return &c, func() {
		for _, l := range *c.opened {
			l.close()
		}
	}
}

// bom is what some editors write at the beginning of a file; the parser's columns
// begin behind it.
const bom = "\uFEFF"

// view is a draft as far as it can be understood: the checker knows its names and
// their types.
type view struct {
	*checker
	env    starlark.StringDict
	text   []byte // what was understood
	source []byte // of the draft
}

// view understands the draft, with one statement replaced if swap is given.
func (d *Draft) view(ctx context.Context, swap *swap) *view {
	l := newLoader(d.host, d.src)
	*d.opened = append(*d.opened, l)
	m := l.mainModule(d.src)
	d.repair(m, swap)
	l.modules[m.key()] = m
	if d.host.Package != nil {
		_ = l.discover(ctx, m) // what cannot be opened has no names
	}
	v := &view{checker: newChecker(ctx, l, m), text: m.text, source: d.text}
	v.env = l.env(m)
	// What is undefined, or stands where it may not, has no binding; the rest has.
	_ = resolve.File(m.file, v.env.Has, starlark.Universe.Has)
	v.bind()
	return v
}

// replaceWithCall puts the expression in text in place of a statement, as the
// argument of a call that nobody writes. Whoever asks what the expression is finds
// it by that name.
func (d *Draft) replaceWithCall(at int, expression string) *swap {
	i := statementAt(d.statements, at)
	if i < 0 {
		return nil
	}
	return &swap{statement: i, expression: markName + "(" + expression + ")"}
}

// markName is the function of that call.
const markName = "mark__policy__"

// understand is what the expression in the text is where the statement at an
// offset stands; x is nil when that cannot be told.
func (d *Draft) understand(ctx context.Context, at int, expression string) (v *view, x syntax.Expr) {
	swap := d.replaceWithCall(at, expression)
	if swap == nil {
		return nil, nil
	}
	v = d.view(ctx, swap)
	syntax.Walk(v.m.file, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok {
			if id, ok := call.Fn.(*syntax.Ident); ok && id.Name == markName && len(call.Args) == 1 {
				x = call.Args[0]
			}
		}
		return x == nil
	})
	return v, x
}

// errorPosition is where a text does not parse.
func errorPosition(err error) (line int, ok bool) {
	if e, is := errors.AsType[syntax.Error](err); is {
		return int(e.Pos.Line), true
	}
	if e, is := errors.AsType[*placed](err); is {
		return int(e.pos.Line), true
	}
	return 0, false
}

// lineAt is the number of the line that a byte is in, counted from 1 as the parser
// does.
func lineAt(text []byte, off int) int {
	line := 1
	for i := 0; i < off && i < len(text); i++ {
		if c := text[i]; c == '\n' || c == '\r' && (i+1 == len(text) || text[i+1] != '\n') {
			line++
		}
	}
	return line
}

// wordOf is where a name stands. Its bytes are not those of the text where that
// is no UTF-8.
func wordOf(text []byte, id *syntax.Ident) (start, end int) {
	behind := id.NamePos
	behind.Col += int32(utf8.RuneCountInString(id.Name))
	return offsetOf(text, id.NamePos), offsetOf(text, behind)
}

// offsetOf is where a line and column of the parser are.
func offsetOf(text []byte, pos syntax.Position) int {
	line, off := 1, 0
	for i := 0; line < int(pos.Line) && i < len(text); i++ {
		if c := text[i]; c == '\n' || c == '\r' && (i+1 == len(text) || text[i+1] != '\n') {
			line, off = line+1, i+1
		}
	}
	if line == 1 && bytes.HasPrefix(text, []byte(bom)) {
		off = len(bom)
	}
	for i := range string(text[off:]) {
		if pos.Col--; pos.Col <= 0 {
			return off + i
		}
	}
	return len(text)
}

// module asks for the file that a load statement of the main file names.
func (v *view) module(name string) *module {
	m, err := v.loader.peek(v.m, name)
	if err != nil {
		return nil
	}
	return m
}
