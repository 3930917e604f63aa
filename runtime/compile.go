package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/policyhost/policy/runtime/fault"
)

// mainFunction runs when nobody names another.
const mainFunction = "main"

// parse reads a module's text. body makes it the body of a function main.
func parse(m *module, body bool) error {
	if len(m.text) > maxSource {
		return fault.New(fault.Limit, m.Name, "is larger than %d bytes", maxSource)
	}
	m.text = bytes.TrimPrefix(m.text, []byte("\uFEFF"))
	if err := m.read(&dialect, 1, m.text); err != nil {
		return err
	}
	if body {
		m.body = wrap(m.file)
	}
	return nil
}

// refuseNUL fails for text with a byte that the parser takes for the end of the
// file: what follows would be shown to every reader and never run.
func (m *module) refuseNUL(line int, text []byte) error {
	at := bytes.IndexByte(text, 0)
	if at < 0 {
		return nil
	}
	before := text[:at]
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return syntax.Error{
		Pos: syntax.MakePosition(&m.Name, int32(line+bytes.Count(before, []byte("\n"))), int32(column)),
		Msg: `unexpected input character '\x00'`,
	}
}

// read parses text, which begins in a line of the module's file.
func (m *module) read(language *syntax.FileOptions, line int, text []byte) error {
	if err := m.refuseNUL(line, text); err != nil {
		return err
	}
	plain, types, err := annotateFrom(line, m.Name, text)
	if err != nil {
		return err
	}
	f, err := language.Parse(m.Name, syntax.FilePortion{Content: plain, FirstLine: int32(line), FirstCol: 1}, 0)
	if err != nil {
		return err
	}
	if m.definitions, err = definitions(f); err != nil {
		return err
	}
	m.file, m.annotations = f, types
	return nil
}

// compile adds what the compiler has to guard and what is counted, resolves names
// and compiles a parsed module.
func compile(m *module, env starlark.StringDict, cover *Coverage) (*starlark.Program, error) {
	m.nameTypes()
	guardTypes(m.file, m)
	guardRepetition(m.file, m.text)
	if cover != nil {
		env[coverName] = cover.instrument(m)
	}
	undefined := make(map[string]bool)
	program, err := starlark.FileProgram(m.file, func(name string) bool {
		if env.Has(name) {
			return true
		}
		undefined[name] = !starlark.Universe.Has(name)
		return false
	})
	if list, ok := errors.AsType[resolve.ErrorList](err); ok {
		return nil, &nameErrors{list: list, module: m, undefined: undefined, env: env}
	}
	return program, err
}

// wrap makes the statements of f the body of a function main that returns the
// value of a final expression. Load statements stay where they are allowed.
func wrap(f *syntax.File) *syntax.DefStmt {
	start := syntax.MakePosition(&f.Path, 1, 1)
	var loads, body []syntax.Stmt
	for _, stmt := range f.Stmts {
		if _, ok := stmt.(*syntax.LoadStmt); ok {
			loads = append(loads, stmt)
		} else {
			body = append(body, stmt)
		}
	}
	if n := len(body); n == 0 {
		body = []syntax.Stmt{&syntax.BranchStmt{Token: syntax.PASS, TokenPos: start}}
	} else if last, ok := body[n-1].(*syntax.ExprStmt); ok {
		body[n-1] = &syntax.ReturnStmt{Return: syntax.Start(last), Result: last.X}
	}
	def := &syntax.DefStmt{Def: start, Name: &syntax.Ident{NamePos: start, Name: mainFunction}, Body: body}
	f.Stmts = append(loads, def)
	return def
}

// nameErrors are the names of a file that the resolver refuses.
type nameErrors struct {
	list      resolve.ErrorList
	module    *module
	undefined map[string]bool
	env       starlark.StringDict
}

func (e *nameErrors) Error() string { return e.list.Error() }

// describe gives the text of the i-th error, and a hint. The resolver's own
// suggestions do not know the names that are predeclared.
func (e *nameErrors) describe(l *loader, i int) (text, hint string) {
	err := e.list[i]
	name := identifierAt(l.line(e.module.Name, int(err.Pos.Line)), int(err.Pos.Col))
	if !e.undefined[name] {
		return err.Msg, ""
	}
	if near := fault.Nearest(name, e.candidates()); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return "undefined: " + name, hint
}

// candidates are the names a typo may have meant.
func (e *nameErrors) candidates() []string {
	names := slices.DeleteFunc(e.env.Keys(), isGuard)
	names = append(names, starlark.Universe.Keys()...)
	syntax.Walk(e.module.file, func(n syntax.Node) bool {
		if dot, ok := n.(*syntax.DotExpr); ok {
			syntax.Walk(dot.X, func(n syntax.Node) bool {
				if id, ok := n.(*syntax.Ident); ok && !e.undefined[id.Name] && !isGuard(id.Name) {
					names = append(names, id.Name)
				}
				return true
			})
			return false
		}
		if id, ok := n.(*syntax.Ident); ok && !e.undefined[id.Name] && !isGuard(id.Name) {
			names = append(names, id.Name)
		}
		return true
	})
	return names
}
