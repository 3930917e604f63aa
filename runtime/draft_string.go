package runtime

import (
	"context"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.starlark.net/syntax"
)

// completeString proposes what may stand between quotes: files and names in load
// statements, members of an enumeration elsewhere.
func (d *Draft) completeString(ctx context.Context, c cursor) Completion {
	t := d.tokens[c.before+1]
	done := Completion{Start: c.content, End: t.end}
	if !t.open {
		done.End--
	}
	if c.off < c.content || strings.ContainsAny(string(d.text[c.content:done.End]), "\n\r") {
		return Completion{Start: c.off, End: c.off} // before its quote, or a docstring
	}
	s := c.innermost()
	switch {
	case s != nil && s.callee == "load" && s.index == 0 && s.keyword == "":
		done.Candidates = d.filesToLoad(string(d.text[c.content:c.off]))
	case s != nil && s.callee == "load":
		done.Candidates = d.namesToLoad(ctx, s)
	case d.mark(c.before) == '=' && (d.mark(c.before-1) == '=' || d.mark(c.before-1) == '!'):
		done.Candidates = values(d.comparedWith(ctx, c.before-2))
	default:
		if s := c.call(); s != nil && !d.inHeader(c) {
			done.Candidates = values(d.callee(ctx, s).choices(s))
		}
	}
	return done
}

func values(texts []string) []Candidate {
	var all []Candidate
	for _, text := range texts {
		all = append(all, Candidate{Text: text, Kind: "value"})
	}
	return all
}

// comparedWith are the texts that the expression which ends with token i may be.
func (d *Draft) comparedWith(ctx context.Context, i int) []string {
	first := d.primary(i)
	if first < 0 {
		return nil
	}
	at := d.tokens[first].start
	v, x := d.understand(ctx, at, string(d.text[at:d.tokens[i].end]))
	if x == nil {
		return nil
	}
	if t := v.typeOf(v.m, x); t != nil {
		return t.choices()
	}
	return nil
}

// filesToLoad are the modules that a load statement may name, given the beginning.
func (d *Draft) filesToLoad(typed string) []Candidate {
	l := newLoader(d.host, d.src)
	defer l.close()
	m := l.mainModule(d.src)
	var all []Candidate
	list := func(in *module, prefix, folder string, folders bool) {
		files, err := l.files(in)
		if err != nil {
			return
		}
		entries, err := fs.ReadDir(files, path.Clean(folder))
		if err != nil {
			return
		}
		for _, e := range entries {
			name := e.Name()
			switch {
			case strings.HasPrefix(name, ".") || strings.HasSuffix(name, "_test.star"):
			case e.IsDir() && folders:
				all = append(all, Candidate{Text: prefix + name + "/", Kind: "file", Near: 2})
			case path.Ext(name) == ".star" && path.Join(folder, name) != in.path:
				all = append(all, Candidate{Text: prefix + name, Kind: "file", Near: 1})
			}
		}
	}
	below := func(prefix string) string { return prefix + folderOf(typed[len(prefix):]) }
	std := &module{std: true}
	switch {
	case strings.HasPrefix(typed, "//"):
		prefix := below("//")
		list(m, prefix, strings.TrimPrefix(prefix, "//"), true)
	case strings.HasPrefix(typed, ":"):
		prefix := below(":")
		list(m, prefix, path.Join(path.Dir(m.path), prefix[1:]), true)
	default:
		list(m, ":", path.Dir(m.path), false)
		list(std, stdRoot+"//", ".", false)
	}
	return all
}

// folderOf is a path up to and with its last slash.
func folderOf(typed string) string { return typed[:strings.LastIndexByte(typed, '/')+1] }

// namesToLoad are what the file that a load statement names defines.
func (d *Draft) namesToLoad(ctx context.Context, s *site) []Candidate {
	name, ok := d.loaded(s)
	if !ok {
		return nil
	}
	v := d.view(ctx, nil)
	other := v.module(name)
	if other == nil {
		return nil
	}
	var all []Candidate
	for _, name := range other.names() {
		all = append(all, v.exported(other, name))
	}
	return all
}

// exported describes what another file defines.
func (v *view) exported(other *module, name string) Candidate {
	c := Candidate{Text: name, Kind: "variable"}
	s := other.defines()[name]
	switch {
	case s == nil:
	case s.def != nil:
		f := outlineFunction(s.def, other.annotationsOf(s.def))
		c.Kind, c.Detail, c.Doc = "function", f.Signature(), f.Doc
	case s.value != nil:
		if t := v.targetOf(other, s.value); t != nil {
			switch {
			case t.enum != nil, t.rec != nil:
				c.Kind = "type"
			case t.members != nil:
				c.Kind, c.Doc = "module", firstParagraph(docstring(other.file))
			}
		}
	}
	return c
}

// loaded is the file that the load statement with this bracket names.
func (d *Draft) loaded(s *site) (string, bool) {
	if s.open+1 >= len(d.tokens) || d.tokens[s.open+1].kind != stringToken || d.tokens[s.open+1].open {
		return "", false
	}
	return strings.Trim(d.textOf(d.tokens[s.open+1]), `'"`), true
}

// loadAt is the load statement of the string at the cursor, and the name in it
// that the string is: nil for that of the file itself.
func (d *Draft) loadAt(v *view, c cursor) (load *syntax.LoadStmt, to *syntax.Ident) {
	line, column := placeAt(d.text, c.content)
	for _, load := range v.m.loads() {
		if at := load.Module.TokenPos; int(at.Line) == line && int(at.Col)+1 == column {
			return load, nil
		}
		if i := slices.IndexFunc(load.From, func(id *syntax.Ident) bool {
			return int(id.NamePos.Line) == line && (int(id.NamePos.Col) == column || int(id.NamePos.Col)+1 == column)
		}); i >= 0 {
			return load, load.To[i]
		}
	}
	return nil, nil
}
