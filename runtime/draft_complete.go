package runtime

import (
	"context"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

// Completion is what may be written at a place of a draft, and the part of the
// text that it takes the place of.
type Completion struct {
	Start, End int
	Candidates []Candidate
}

// Candidate is a proposal. Its kind is one of function, type, variable, parameter,
// attribute, method, module, keyword, constant, value and file.
type Candidate struct {
	Text   string // what is inserted
	Kind   string
	Detail string // its type, or how it is called
	Doc    string
	Near   int // 0 for what is likeliest here; the greater, the further away
}

// Complete proposes what may stand at an offset: names that are visible there,
// attributes, keywords of a call, the members of an enumeration, files to load and
// what they define, types in annotations. What it is not certain of it leaves out.
// Nothing is fetched: files that the host cannot read at once offer nothing.
func (d *Draft) Complete(ctx context.Context, off int) Completion {
	d, end := d.begin()
	defer end()
	c := d.cursorAt(off)
	done := Completion{Start: c.start, End: c.end}
	switch {
	case c.in == "comment", c.in == "number":
		return done
	case c.in == "string":
		return d.completeString(ctx, c)
	case d.mark(c.before) == '.':
		if d.tokens[c.before].end == c.start || c.start == c.end { // not 1.
			done.Candidates = d.completeAttribute(ctx, c)
		}
		return done
	case d.namesSomething(c):
		return done
	case d.wantsType(c):
		done.Candidates = d.view(ctx, nil).typesToName()
		return done
	}
	v := (*view)(nil)
	if s := c.call(); s != nil && !d.inHeader(c) {
		to := d.callee(ctx, s)
		v = to.view
		if s == c.innermost() && s.keyword == "" && (d.mark(c.before) == '(' || d.mark(c.before) == ',') {
			done.Candidates = to.keywords(s)
		}
		for _, choice := range to.choices(s) {
			done.Candidates = append(done.Candidates, Candidate{Text: starlark.String(choice).String(), Kind: "value"})
		}
	} else {
		v = d.view(ctx, nil)
	}
	done.Candidates = append(done.Candidates, v.visible(lineAt(d.text, c.start))...)
	done.Candidates = append(done.Candidates, d.keywordsOfTheLanguage(c)...)
	return done
}

// namesSomething reports that the word at the cursor is a new name.
func (d *Draft) namesSomething(c cursor) bool {
	if c.before >= 0 && d.tokens[c.before].kind == wordToken {
		switch d.textOf(d.tokens[c.before]) {
		case "def":
			return true
		case "for":
			return true
		}
	}
	s := c.innermost()
	return d.inHeader(c) && s != nil && len(c.calls) == 1 && s.bracket == '(' && (d.mark(c.before) == '(' || d.mark(c.before) == ',' || d.mark(c.before) == '*')
}

// wantsType reports that an annotation stands at the cursor.
func (d *Draft) wantsType(c cursor) bool {
	if !d.inHeader(c) {
		return false
	}
	first := d.statements[c.statement].first
	for i, depth := c.before, 0; i > first; i-- {
		switch d.mark(i) {
		case ']', ')':
			depth++
		case '[', '(':
			if depth--; d.mark(i) == '(' && depth < 0 {
				return false
			}
		case ':':
			return depth <= 0
		case '>':
			return d.mark(i-1) == '-'
		case '=':
			return false
		case ',':
			if depth == 0 && len(c.calls) == 1 {
				return false
			}
		}
	}
	return false
}

// visible are the names that a line of the file sees.
func (v *view) visible(line int) []Candidate {
	var all []Candidate
	seen := map[string]bool{markName: true}
	add := func(c Candidate) {
		if !seen[c.Text] {
			seen[c.Text] = true
			all = append(all, c)
		}
	}
	for _, def := range v.around(line) { // innermost first
		for _, x := range v.locals(def) {
			add(Candidate{Text: x.Name, Kind: v.kindOfLocal(def, x.Name), Detail: v.detailOf(x), Near: 1})
		}
	}
	for _, load := range v.m.loads() {
		for _, to := range load.To {
			add(v.candidate(to, 2))
		}
	}
	for _, stmt := range v.m.file.Stmts {
		eachTopLevel(stmt, func(id *syntax.Ident) { add(v.candidate(id, 2)) })
	}
	for name, value := range v.env {
		if !isGuard(name) {
			add(v.outside(name, value))
		}
	}
	for name, value := range starlark.Universe {
		if slices.Contains(constants, name) {
			add(Candidate{Text: name, Kind: "constant", Near: 4})
		} else {
			add(v.outside(name, value))
		}
	}
	slices.SortStableFunc(all, func(a, b Candidate) int {
		if a.Near != b.Near {
			return a.Near - b.Near
		}
		return strings.Compare(a.Text, b.Text)
	})
	return all
}

func eachTopLevel(stmt syntax.Stmt, visit func(*syntax.Ident)) {
	switch stmt := stmt.(type) {
	case *syntax.LoadStmt:
	case *syntax.DefStmt:
		visit(stmt.Name)
	default:
		eachBinding(stmt, visit)
	}
}

// around are the functions that a line is in, innermost first.
func (v *view) around(line int) []*syntax.DefStmt {
	var all []*syntax.DefStmt
	var visit func(stmts []syntax.Stmt, last int)
	visit = func(stmts []syntax.Stmt, last int) {
		for i, stmt := range stmts {
			until := last
			if i+1 < len(stmts) {
				until = int(syntax.Start(stmts[i+1]).Line) - 1
			}
			if int(syntax.Start(stmt).Line) > line || until < line {
				continue
			}
			switch stmt := stmt.(type) {
			case *syntax.DefStmt:
				all = append(all, stmt)
				visit(stmt.Body, until)
			case *syntax.IfStmt:
				visit(slices.Concat(stmt.True, stmt.False), until)
			case *syntax.ForStmt:
				visit(stmt.Body, until)
			case *syntax.WhileStmt:
				visit(stmt.Body, until)
			}
		}
	}
	visit(v.m.file.Stmts, 1<<30)
	slices.Reverse(all)
	return all
}

// locals are the parameters of a function and what its body binds.
func (v *view) locals(def *syntax.DefStmt) []*syntax.Ident {
	var all []*syntax.Ident
	for _, p := range def.Params {
		if id, _ := paramIdent(p); id != nil {
			all = append(all, id)
		}
	}
	for _, stmt := range def.Body {
		eachBinding(stmt, func(id *syntax.Ident) { all = append(all, id) })
	}
	return all
}

func (v *view) kindOfLocal(def *syntax.DefStmt, name string) string {
	for _, p := range def.Params {
		if id, _ := paramIdent(p); id != nil && id.Name == name {
			return "parameter"
		}
	}
	return "variable"
}

// detailOf is the type of a name, as far as it is certain.
func (v *view) detailOf(id *syntax.Ident) string {
	if t := v.typeOf(v.m, id); t != nil {
		return t.text
	}
	return ""
}

// candidate is a name of the file's top level.
func (v *view) candidate(id *syntax.Ident, near int) Candidate {
	t := v.thingOf(id)
	c := Candidate{Text: id.Name, Kind: t.kind, Detail: t.detail, Doc: t.doc, Near: near}
	if c.Kind == "" {
		c.Kind = "variable"
	}
	return c
}

// outside is a name that the host or the language gives.
func (v *view) outside(name string, value starlark.Value) Candidate {
	c := Candidate{Text: name, Kind: "function", Near: 3}
	if module, ok := value.(*starlarkstruct.Module); ok {
		c.Kind, c.Detail = "module", "module "+module.Name
		return c
	}
	if f, ok := v.outerFunction(name); ok {
		c.Detail, c.Doc = f.Signature(), f.Doc
	} else {
		c.Near = 4
	}
	return c
}

// keywordsOfTheLanguage are those that may stand at the cursor.
func (d *Draft) keywordsOfTheLanguage(c cursor) []Candidate {
	names := words
	if c.statement < 0 || d.tokens[d.statements[c.statement].first].start >= c.start || c.start > d.statements[c.statement].end {
		names = beginnings
	}
	var all []Candidate
	for _, word := range names {
		all = append(all, Candidate{Text: word, Kind: "keyword", Near: 5})
	}
	return all
}

// typesToName are what annotations may say.
func (v *view) typesToName() []Candidate {
	var all []Candidate
	for _, d := range v.m.definitions {
		all = append(all, Candidate{Text: d.name.Name, Kind: "type", Detail: v.thingOf(d.name).detail, Near: 1})
	}
	for _, load := range v.m.loads() {
		for _, to := range load.To {
			if t := v.targetOf(v.m, to); t != nil && (t.enum != nil || t.rec != nil || t.members != nil) {
				all = append(all, Candidate{Text: to.Name, Kind: "type", Near: 1})
			}
		}
	}
	for _, b := range baseTypes {
		if b.name != "Any" && b.name != "function" {
			all = append(all, Candidate{Text: b.name, Kind: "type", Near: 2})
		}
	}
	for name := range v.m.results() {
		all = append(all, Candidate{Text: name, Kind: "type", Near: 3})
	}
	return all
}
