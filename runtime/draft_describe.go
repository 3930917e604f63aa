package runtime

import (
	"context"
	"strings"

	"go.starlark.net/syntax"
)

// Description is what a word of a draft stands for.
type Description struct {
	Start, End int       // the word
	Title      string    // how it is declared: "push(refs: …) -> Image", "image: Image"
	Doc        string    // Markdown, or plain text; may be empty
	Function   *Function // for a function: its parameters have help of their own
}

// Place is where something is defined.
type Place struct {
	Module Module
	Path   string // of its file below the module's root, with slashes
	Text   []byte // of that file
	Start  int    // the word, in bytes
	End    int
}

// Describe tells what the word at an offset is. It reports false for what is no
// word, and where there is no telling.
func (d *Draft) Describe(ctx context.Context, off int) (Description, bool) {
	d, end := d.begin()
	defer end()
	c := d.cursorAt(off)
	v, x := d.expressionAt(ctx, c)
	done := Description{Start: c.start, End: c.end}
	switch {
	case v == nil:
		return done, false
	case c.in == "string":
		load, to := d.loadAt(v, c)
		if load != nil && to == nil {
			other := v.module(load.ModuleName())
			if other == nil {
				return done, false
			}
			done.Title, done.Doc = other.Name, cutIndent(docstring(other.file), 0)
			return done, true
		}
		if to == nil {
			return done, false
		}
		x = to
	case c.start == c.end:
		return done, false
	}
	if x == nil {
		return d.describeRest(ctx, v, c, done)
	}
	t := v.thingOf(x)
	done.Title, done.Doc, done.Function = t.detail, t.doc, t.function
	return done, t.detail != ""
}

// describeRest is about words that are no expressions: keywords of calls, and
// types.
func (d *Draft) describeRest(ctx context.Context, v *view, c cursor, done Description) (Description, bool) {
	word := string(d.text[c.start:c.end])
	if s := c.call(); s != nil && !d.inHeader(c) {
		if to := d.callee(ctx, s); to.function != nil {
			for _, p := range to.function.Params {
				if p.Name == word {
					done.Title, done.Doc = p.Declaration(), p.Help
					if len(p.Choices) > 0 {
						done.Doc = strings.TrimSpace(done.Doc + "\n\nOne of " + quoted(p.Choices) + ".")
					}
					return done, true
				}
			}
		}
	}
	if !d.wantsType(c) {
		return done, false
	}
	t, err := (&staticNames{v.checker, v.m}).named(word)
	if err != nil || t == nil {
		return done, false
	}
	done.Title = word
	switch t.kind {
	case enumKind:
		done.Title += " = enum(" + quoted(t.enum.members) + ")"
	case recordKind:
		done.Title = t.rec.signature()
	case resultKind:
		if _, names := attributesOf(t); len(names) > 0 {
			done.Doc = "Has `" + strings.Join(names, "` `") + "`."
		}
	}
	return done, true
}

// Define tells where the word at an offset is defined: in this file, in one that
// it loads, or nowhere that has a text.
func (d *Draft) Define(ctx context.Context, off int) (Place, bool) {
	d, end := d.begin()
	defer end()
	c := d.cursorAt(off)
	v, x := d.expressionAt(ctx, c)
	if v == nil {
		return Place{}, false
	}
	if c.in == "string" {
		load, to := d.loadAt(v, c)
		switch {
		case load == nil:
			return Place{}, false
		case to == nil:
			if other := v.module(load.ModuleName()); other != nil {
				return v.place(other, nil), true
			}
			return Place{}, false
		}
		x = to
	}
	if x == nil {
		if c.start == c.end || !d.wantsType(c) {
			return Place{}, false
		}
		x = v.topLevel(v.m, string(d.text[c.start:c.end]))
		if x == (*syntax.Ident)(nil) {
			return Place{}, false
		}
	}
	in, at := v.definition(x)
	if at == nil {
		return Place{}, false
	}
	return v.place(in, at), true
}

// definition is the name that x is defined by, and the file it stands in.
func (v *view) definition(x syntax.Expr) (*module, *syntax.Ident) {
	if t := v.targetOf(v.m, x); t != nil {
		switch {
		case t.def != nil && t.def != v.m.body:
			return t.in, t.def.Name
		case t.enum != nil || t.rec != nil:
			for _, d := range t.in.definitions {
				if t.enum != nil && d.enum == t.enum || t.rec != nil && d.rec == t.rec {
					return t.in, d.name
				}
			}
		}
	}
	id, ok := x.(*syntax.Ident)
	if !ok {
		return nil, nil
	}
	s := v.variable(id)
	switch {
	case s == nil:
		return nil, nil
	case s.load != nil:
		if other := v.module(s.load.ModuleName()); other != nil {
			if at := v.topLevel(other, s.from); at != nil {
				return other, at
			}
		}
	}
	return v.m, s.ident
}

// topLevel is where a file first binds a name at its top level, or loads it.
func (v *view) topLevel(m *module, name string) *syntax.Ident {
	var found *syntax.Ident
	for _, stmt := range m.file.Stmts {
		eachTopLevel(stmt, func(id *syntax.Ident) {
			if found == nil && id.Name == name {
				found = id
			}
		})
		if load, ok := stmt.(*syntax.LoadStmt); ok && found == nil && m == v.m {
			for _, to := range load.To {
				if to.Name == name {
					found = to
				}
			}
		}
	}
	return found
}

func (v *view) place(m *module, at *syntax.Ident) Place {
	p := Place{Module: m.Module, Path: m.path, Text: m.text}
	if m == v.m {
		p.Text = v.source
	}
	if at != nil {
		p.Start, p.End = wordOf(p.Text, at)
	}
	return p
}

// expressionAt is the expression that ends with the word at the cursor: x is nil
// when it is none.
func (d *Draft) expressionAt(ctx context.Context, c cursor) (v *view, x syntax.Expr) {
	if c.in == "comment" {
		return nil, nil
	}
	v = d.view(ctx, nil)
	if c.in == "string" || c.start == c.end {
		return v, nil
	}
	line, column := placeAt(d.text, c.start)
	word := string(d.text[c.start:c.end])
	syntax.Walk(v.m.file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DotExpr:
			if int(n.Name.NamePos.Line) == line && int(n.Name.NamePos.Col) == column && n.Name.Name == word {
				x = n
			}
		case *syntax.Ident:
			if _, member := x.(*syntax.DotExpr); !member && int(n.NamePos.Line) == line && int(n.NamePos.Col) == column && n.Name == word {
				x = n
			}
		}
		return true
	})
	if id, ok := x.(*syntax.Ident); ok && id.Binding == nil {
		return v, nil // the keyword of an argument
	}
	if x != nil || c.statement < 0 || !d.statements[c.statement].broken || d.inHeader(c) {
		return v, x
	}
	first := d.primary(c.before + 1)
	if first < 0 {
		return v, nil
	}
	at := d.tokens[first].start
	swapped, x := d.understand(ctx, at, string(d.text[at:c.end]))
	if x == nil {
		return v, nil
	}
	return swapped, x
}

// placeAt is the line and column of a byte, as the parser counts them.
func placeAt(text []byte, off int) (line, column int) {
	line = lineAt(text, off)
	start := off
	for start > 0 && text[start-1] != '\n' && text[start-1] != '\r' {
		start--
	}
	if start == 0 {
		start = min(off, len(text)-len(strings.TrimPrefix(string(text), bom)))
	}
	return line, len([]rune(string(text[start:off]))) + 1
}
