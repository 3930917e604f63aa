package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

// call is a function of a pipeline with its arguments, and the flags that are
// the host's.
type call struct {
	function string
	named    map[string]any
	rest     []any
	host     hostFlags
}

// hostFlags are the flags that may stand before or behind a function's name.
type hostFlags struct {
	config.Flags
	runFlags
	Expr []string `short:"e" sep:"none" hidden:""` // read already; it stands among the words before
}

// parseCall reads the words behind FILE: the first that names a function chooses
// it, else main is meant. The function's own flags win over the host's. It gives
// nil when the answer was help. tail is the number of words from FILE on.
func (p *pipeline) parseCall(words []string, tail int) (_ *call, err error) {
	functions := p.program.Functions()
	chosen := p.choose(functions, words)
	offered := functions
	if chosen != nil {
		offered = []runtime.Function{*chosen}
	}
	c := new(call)
	parser, commands, err := p.grammar(&c.host, offered, p.program.Doc())
	if err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r == errHelped { //nolint:errorlint // identity of the panic value
			err = nil
		} else if r != nil {
			panic(r)
		}
	}()
	if chosen == nil && len(functions) > 0 && !slices.Contains(words, "--help") && !slices.Contains(words, "-h") {
		return nil, p.noFunction(functions, words)
	}
	if chosen != nil && !slices.Contains(words, chosen.Name) && !slices.Contains(words, dashed(chosen.Name)) {
		words = append([]string{chosen.Name}, words...) // main, unnamed
	}
	ctx, err := parser.Parse(slices.Concat(p.hostWords(tail), words))
	if err != nil {
		return nil, usage(err)
	}
	if chosen == nil {
		return nil, p.noFunction(functions, words)
	}
	c.function = chosen.Name
	c.named, c.rest = commands[chosen.Name].arguments(ctx)
	return c, nil
}

// grammar is the command line of the functions; parsing fills flags.
func (p *pipeline) grammar(flags *hostFlags, offered []runtime.Function, doc string) (*kong.Kong, map[string]*function, error) {
	options := append(p.kongOptions(),
		kong.Name("policy run "+p.source.Name),
		kong.Description(doc),
		kong.ExplicitGroups([]kong.Group{{Key: "Functions", Title: "Functions:"}, {Key: "Global flags", Title: "Global flags:"}}),
		kong.PostBuild(functionFlagsWin))
	commands := map[string]*function{}
	for _, f := range offered {
		command := newFunction(f)
		commands[f.Name] = command
		options = append(options, command.option())
	}
	parser, err := kong.New(flags, options...)
	if err != nil {
		return nil, nil, fault.New(fault.Script, p.source.Name, "its functions make no command line: %w", err)
	}
	return parser, commands, nil
}

// hostWords are the flags that stood before FILE.
func (p *pipeline) hostWords(tail int) []string {
	before := p.args[:len(p.args)-tail]
	return slices.Concat(before[:p.before], before[p.before+1:])
}

// choose finds the function that words name, main when they name none.
func (p *pipeline) choose(functions []runtime.Function, words []string) *runtime.Function {
	find := func(name string) *runtime.Function {
		for i, f := range functions {
			if f.Name == name || dashed(f.Name) == name {
				return &functions[i]
			}
		}
		return nil
	}
	hasMain := find("main")
	for _, w := range words {
		if w == "--" {
			break
		}
		if f := find(w); f != nil {
			return f
		}
		if !strings.HasPrefix(w, "-") && hasMain != nil {
			break // an argument: main's
		}
	}
	if len(words) > 0 && len(functions) > 1 && (words[0] == "--help" || words[0] == "-h") {
		return nil // the list of all
	}
	return hasMain
}

func (p *pipeline) noFunction(functions []runtime.Function, words []string) error {
	var names []string
	for _, f := range functions {
		names = append(names, f.Name)
	}
	if len(names) == 0 {
		return fault.New(fault.Usage, p.source.Name, "has no public function to run").WithHint("define one: def main(): …")
	}
	for _, w := range words {
		if !strings.HasPrefix(w, "-") {
			f := fault.New(fault.Usage, p.source.Name, "has no function %q and no main; it has %s", w, strings.Join(names, ", "))
			if near := fault.Nearest(w, names); near != "" {
				return f.WithHint("did you mean %q?", near)
			}
			return f
		}
	}
	return fault.New(fault.Usage, p.source.Name, "has no main; name one of its functions: %s", strings.Join(names, ", ")).
		WithHint("policy run %s %s --help", p.source.Name, names[0])
}

// functionFlagsWin drops the host's flags that a function has, too.
func functionFlagsWin(k *kong.Kong) error {
	for _, node := range k.Model.Children {
		for _, f := range node.Flags {
			k.Model.Flags = slices.DeleteFunc(k.Model.Flags, func(host *kong.Flag) bool { return host.Name == f.Name })
		}
	}
	return nil
}

// function is a script's function as a command: a struct made from its
// parameters, which the parser fills.
type function struct {
	runtime.Function
	target reflect.Value // pointer to the struct; one field a parameter
}

func newFunction(f runtime.Function) *function {
	var fields []reflect.StructField
	for i, param := range f.Params {
		fields = append(fields, reflect.StructField{
			Name: fmt.Sprintf("P%d", i),
			Type: goType(param),
			Tag:  reflect.StructTag(tags(param)),
		})
	}
	return &function{Function: f, target: reflect.New(reflect.StructOf(fields))}
}

// functionCommand is a function as the parser sees it.
type functionCommand struct {
	Args any `embed:""`

	detail string
}

// Help is the docstring below its first line.
func (f *functionCommand) Help() string { return f.detail }

func (f *function) option() kong.Option {
	command := &functionCommand{Args: f.target.Interface(), detail: strings.Trim(strings.TrimPrefix(f.Doc, f.Summary), "\n")}
	var aliases []string
	if d := dashed(f.Name); d != f.Name {
		aliases = append(aliases, `aliases:"`+d+`"`)
	}
	return kong.DynamicCommand(f.Name, f.Summary, "Functions", command, aliases...)
}

// arguments are the parameters that the command line gave; the script's own
// defaults fill the others.
func (f *function) arguments(ctx *kong.Context) (map[string]any, []any) {
	given := map[string]any{}
	var rest []any
	for _, step := range ctx.Path {
		var v *kong.Value
		switch {
		case step.Flag != nil:
			v = step.Flag.Value
		case step.Positional != nil:
			v = step.Positional
		default:
			continue
		}
		for i, param := range f.Params {
			field := f.target.Elem().Field(i)
			if field.Addr() != v.Target.Addr() {
				continue
			}
			if param.Variadic {
				for _, word := range field.Interface().([]string) {
					rest = append(rest, word)
				}
				continue
			}
			given[param.Name] = field.Interface()
		}
	}
	return given, rest
}

func goType(p runtime.Param) reflect.Type {
	if p.Variadic {
		return reflect.TypeFor[[]string]()
	}
	switch p.Kind {
	case "bool":
		return reflect.TypeFor[bool]()
	case "int":
		return reflect.TypeFor[int64]()
	case "float":
		return reflect.TypeFor[float64]()
	case "list":
		return reflect.TypeFor[[]string]()
	case "dict":
		return reflect.TypeFor[map[string]string]()
	}
	return reflect.TypeFor[string]()
}

// tags are the parser's, made from a parameter.
func tags(p runtime.Param) string {
	all := []string{fmt.Sprintf("name:%q", dashed(p.Name)), fmt.Sprintf("help:%q", helpOf(p))}
	switch {
	case p.Variadic:
		all = append(all, `arg:""`, `optional:""`)
	case p.Required && !p.KeywordOnly:
		all = append(all, `arg:""`)
	case p.Required:
		all = append(all, `required:""`)
	}
	switch p.Kind {
	case "bool":
		all = append(all, `negatable:""`)
	case "int", "float":
		all = append(all, fmt.Sprintf("placeholder:%q", strings.ToUpper(p.Kind)))
	case "list": // repeated, so that a value may have any character
		all = append(all, `sep:"none"`, `placeholder:"VALUE"`)
	case "dict":
		all = append(all, `mapsep:"none"`, `placeholder:"KEY=VALUE"`)
	}
	return strings.Join(all, " ")
}

// helpOf is the parameter's line of the docstring and its default. Interpolation
// of the parser is escaped.
func helpOf(p runtime.Param) string {
	help := p.Help
	if !p.Required && !p.Variadic && p.Default != nil && p.Default != false && p.Default != "" {
		shown := fmt.Sprint(p.Default)
		if text, err := json.Marshal(p.Default); err == nil && (p.Kind == "list" || p.Kind == "dict") {
			shown = string(text)
		}
		if shown != "[]" && shown != "{}" {
			help = strings.TrimSpace(fmt.Sprintf("%s (default: %s)", help, shown))
		}
	}
	return strings.ReplaceAll(help, "$", "$$")
}

func dashed(name string) string { return strings.ReplaceAll(name, "_", "-") }
