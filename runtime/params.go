package runtime

import (
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
	Kind        string // of the default: string int float bool list dict any; string when there is none, any for None
	Default     any    // Go value; nil when there is none, or when it is no data
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
		f := Function{Name: name, Params: parameters(fn), Pos: position(fn.Position())}
		var help map[string]string
		f.Summary, f.Doc, help = splitDoc(fn.Doc())
		for i := range f.Params {
			f.Params[i].Help = help[f.Params[i].Name]
		}
		all = append(all, f)
	}
	return all
}

// Doc is the docstring of the main file, without indentation.
func (p *Program) Doc() string {
	return dedent(docstring(p.main.file))
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
func parameters(fn *starlark.Function) []Param {
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
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(doc, "\t", "    ")), "\n")
	least := -1
	for _, line := range lines[1:] {
		if rest := strings.TrimLeft(line, " "); rest != "" {
			if indent := len(line) - len(rest); least < 0 || indent < least {
				least = indent
			}
		}
	}
	for i, line := range lines[1:] {
		lines[i+1] = strings.TrimRight(line[min(max(least, 0), len(line)):], " ")
	}
	return strings.Join(lines, "\n")
}
