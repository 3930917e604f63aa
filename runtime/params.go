package runtime

import (
	"reflect"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Function is a public function of a script, as a command line shows it.
type Function struct {
	Name    string
	Summary string // first line of the docstring
	Doc     string // the docstring without its Args section, without indentation
	Params  []Param
	Result  string // the type it returns, as annotated; empty when it is not
	Pos     Position
}

// Param is one parameter of a [Function].
type Param struct {
	Name        string
	Help        string // from the Args section of the docstring
	Required    bool
	KeywordOnly bool
	Variadic    bool   // *args: takes any further arguments
	Extra       bool   // **kwargs: takes any further names
	Type        string // as annotated: "list[str] | None"; empty when it is not

	// Kind says how to read the parameter from a command line: string int float bool
	// list dict enum duration secret any. It is the type's, else the default's: any
	// for None, string when there is neither. What a list, a dict or any is made of
	// can be passed as [Text].
	Kind    string
	Choices []string // that an enum has, or the items of a list of them
	Default any      // Go value; nil when there is none, or when it is no data
}

// Signature is the function as a script declares it, with types and defaults:
// release(version: str, *, stage: Stage = "staging") -> Image.
func (f Function) Signature() string {
	var positional, keywords []string
	star := "*"
	for _, p := range f.Params {
		switch text := p.Declaration(); {
		case p.Variadic:
			star = text
		case p.Extra, p.KeywordOnly:
			keywords = append(keywords, text)
		default:
			positional = append(positional, text)
		}
	}
	only := slices.ContainsFunc(f.Params, func(p Param) bool { return p.KeywordOnly })
	if star != "*" || only {
		positional = append(positional, star)
	}
	text := f.Name + "(" + strings.Join(append(positional, keywords...), ", ") + ")"
	if f.Result != "" {
		text += " -> " + f.Result
	}
	return text
}

// Declaration is the parameter as the signature has it: stage: Stage = "staging".
func (p Param) Declaration() string {
	text := p.Name
	if p.Type != "" {
		text += ": " + p.Type
	}
	switch {
	case p.Variadic:
		return "*" + text
	case p.Extra:
		return "**" + text
	}
	return text + p.shownDefault()
}

// shownDefault is " = 3"; empty for a parameter without a default.
func (p Param) shownDefault() string {
	if p.Required {
		return ""
	}
	if p.Default == nil {
		if p.Kind == "any" || strings.Contains(p.Type, "None") {
			return " = None"
		}
		return " = …"
	}
	if v, err := toStarlark(reflect.ValueOf(p.Default)); err == nil {
		return " = " + v.String()
	}
	return " = …"
}

// Functions lists the public functions of the main file, those whose name has no
// leading underscore, in the order of the file.
func (p *Program) Functions() []Function {
	var all []Function
	for _, b := range p.main.file.Module.(*resolve.Module).Globals {
		name := b.First.Name
		fn, ok := p.main.globals[name].(*starlark.Function)
		if !ok || strings.HasPrefix(name, "_") {
			continue
		}
		all = append(all, p.loader.describe(name, fn))
	}
	return all
}

// describe is a function under one of its names.
func (l *loader) describe(name string, fn *starlark.Function) Function {
	sig := l.signatureOf(fn)
	f := Function{Name: name, Params: parameters(fn, sig), Pos: position(fn.Position())}
	if sig != nil && sig.result != nil {
		f.Result = sig.result.String()
	}
	var help map[string]string
	f.Summary, f.Doc, help = splitDoc(fn.Doc())
	for i := range f.Params {
		f.Params[i].Help = help[f.Params[i].Name]
	}
	return f
}

// Doc is the docstring of the main file as it stands there: it begins at the left
// margin, so that what is indented in it is meant to be.
func (p *Program) Doc() string {
	return cutIndent(docstring(p.main.file), 0)
}

// docstring is the string that a file starts with.
func docstring(f *syntax.File) string {
	if len(f.Stmts) == 0 {
		return ""
	}
	if stmt, ok := f.Stmts[0].(*syntax.ExprStmt); ok {
		if text, ok := stmt.X.(*syntax.Literal); ok {
			s, _ := text.Value.(string)
			return s
		}
	}
	return ""
}

// parameters describes fn's parameters in their order: positional, keyword-only,
// then *args and **kwargs.
func parameters(fn *starlark.Function, sig *signature) []Param {
	all := untypedParameters(fn)
	for i := range all {
		p := &all[i]
		e, t := sig.typeOf(p.Name)
		if t == nil {
			continue
		}
		if p.Variadic || p.Extra {
			t = t.item(p.starred() - 1)
		}
		p.Type = e.String()
		p.read(t)
	}
	return all
}

// read says how a parameter of type t is read from a command line.
func (p *Param) read(t *typ) {
	p.Kind, p.Choices = t.word(), nil
	switch p.Kind {
	case "enum":
		p.Choices = t.choices()
	case "list":
		p.Choices = t.item(0).choices()
	}
}

// starred is 1 for *args, 2 for **kwargs.
func (p *Param) starred() int {
	switch {
	case p.Variadic:
		return 1
	case p.Extra:
		return 2
	}
	return 0
}

func untypedParameters(fn *starlark.Function) []Param {
	n := fn.NumParams()
	if fn.HasKwargs() {
		n--
	}
	if fn.HasVarargs() {
		n--
	}
	var all []Param
	for i := range n {
		name, _ := fn.Param(i)
		p := Param{Name: name, KeywordOnly: i >= n-fn.NumKwonlyParams(), Kind: "string", Required: true}
		if def := fn.ParamDefault(i); def != nil {
			p.Required = false
			p.Kind = kindOf(def)
			if value, err := toGo(def); err == nil {
				p.Default = value
			}
		}
		all = append(all, p)
	}
	if fn.HasVarargs() {
		name, _ := fn.Param(n)
		all = append(all, Param{Name: name, Variadic: true, Kind: "string"})
		n++
	}
	if fn.HasKwargs() {
		name, _ := fn.Param(n)
		all = append(all, Param{Name: name, Extra: true, Kind: "string"})
	}
	return all
}

func kindOf(v starlark.Value) string {
	switch v.(type) {
	case starlark.String:
		return "string"
	case starlark.Int:
		return "int"
	case starlark.Float:
		return "float"
	case starlark.Bool:
		return "bool"
	case *starlark.List, starlark.Tuple, *starlark.Set:
		return "list"
	case *starlark.Dict:
		return "dict"
	}
	return "any"
}

// splitDoc reads a docstring: its first line, the text, and the help of each
// parameter listed below "Args:".
func splitDoc(doc string) (summary, text string, help map[string]string) {
	lines := strings.Split(dedent(doc), "\n")
	summary = lines[0]
	help = make(map[string]string)
	var kept []string
	inArgs, name, width := false, "", 0
	for _, line := range lines {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		word := strings.TrimSpace(line)
		switch {
		case !inArgs && (word == "Args:" || word == "Arguments:") && indent == 0:
			inArgs, name, width = true, "", 0
		case inArgs && word != "" && indent == 0:
			inArgs = false
			kept = append(kept, line)
		case !inArgs:
			kept = append(kept, line)
		case word == "":
		case width == 0 || indent <= width:
			width = indent
			before, after, _ := strings.Cut(word, ":")
			name, _, _ = strings.Cut(strings.TrimLeft(before, "*"), " ")
			help[name] = strings.TrimSpace(after)
		case name != "":
			help[name] = strings.TrimSpace(help[name] + " " + word)
		}
	}
	return summary, strings.TrimSpace(strings.Join(kept, "\n")), help
}

// dedent removes the indentation that a docstring has from its place in the file.
func dedent(doc string) string {
	least := -1
	for _, line := range strings.Split(spaced(doc), "\n")[1:] {
		if rest := strings.TrimLeft(line, " "); rest != "" {
			if indent := len(line) - len(rest); least < 0 || indent < least {
				least = indent
			}
		}
	}
	return cutIndent(doc, max(least, 0))
}

func spaced(doc string) string {
	return strings.TrimSpace(strings.ReplaceAll(doc, "\t", "    "))
}

// cutIndent removes width spaces from all lines but the first.
func cutIndent(doc string, width int) string {
	lines := strings.Split(spaced(doc), "\n")
	for i, line := range lines[1:] {
		lines[i+1] = strings.TrimRight(line[min(width, len(line)):], " ")
	}
	return strings.Join(lines, "\n")
}
