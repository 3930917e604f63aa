package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/policyhost/policy/runtime"
)

// function is a script's function as a command: a struct made from its
// parameters, which the parser fills.
type function struct {
	runtime.Function
	target reflect.Value // pointer to the struct; one field a parameter
}

func newFunction(f runtime.Function, optional []string) *function {
	var fields []reflect.StructField
	for i, param := range f.Params {
		fields = append(fields, reflect.StructField{
			Name: fmt.Sprintf("P%d", i),
			Type: goType(param),
			Tag:  reflect.StructTag(tags(param, slices.Contains(optional, param.Name))),
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
				for i := range field.Len() {
					rest = append(rest, field.Index(i).Interface())
				}
				continue
			}
			given[param.Name] = field.Interface()
		}
	}
	return given, rest
}

// goType is what the parser reads a parameter's words into.
func goType(p runtime.Param) reflect.Type {
	if p.Variadic && p.Type == "" {
		return reflect.TypeFor[[]string]()
	}
	if p.Variadic {
		return reflect.TypeFor[[]runtime.Text]()
	}
	switch p.Kind {
	case "bool":
		if isPositional(p) { // the parser would not give it a word
			return reflect.TypeFor[runtime.Text]()
		}
		return reflect.TypeFor[bool]()
	case "int":
		return reflect.TypeFor[int64]()
	case "float":
		return reflect.TypeFor[float64]()
	case "duration":
		return reflect.TypeFor[time.Duration]()
	case "list":
		if p.Type != "" {
			return reflect.TypeFor[[]runtime.Text]()
		}
		return reflect.TypeFor[[]string]()
	case "dict":
		if p.Type != "" {
			return reflect.TypeFor[map[string]runtime.Text]()
		}
		return reflect.TypeFor[map[string]string]()
	case "any":
		return reflect.TypeFor[runtime.Text]()
	}
	return reflect.TypeFor[string]()
}

// isPositional reports an argument; the others are flags.
func isPositional(p runtime.Param) bool { return p.Variadic || p.Required && !p.KeywordOnly }

// tags are the parser's, made from a parameter. An optional one may be left out
// though the function needs it.
func tags(p runtime.Param, optional bool) string {
	all := []string{fmt.Sprintf("name:%q", dashed(p.Name)), fmt.Sprintf("help:%q", helpOf(p))}
	switch {
	case p.Variadic, optional:
		all = append(all, `arg:""`, `optional:""`)
	case isPositional(p):
		all = append(all, `arg:""`)
	case p.Required:
		all = append(all, `required:""`)
	}
	if placeholder := placeholderOf(p); placeholder != "" {
		all = append(all, fmt.Sprintf("placeholder:%q", placeholder))
	}
	if takesImages(p) {
		all = append(all, `complete:"image"`)
	}
	if len(p.Choices) > 0 { // for completion; the parser's enum is not for all of them
		all = append(all, fmt.Sprintf("choices:%q", strings.Join(p.Choices, ",")))
	}
	switch {
	case p.Kind == "bool" && !isPositional(p):
		all = append(all, `negatable:""`)
	case p.Kind == "list" || p.Variadic: // repeated, so that a value may have any character
		all = append(all, `sep:"none"`)
	case p.Kind == "dict":
		all = append(all, `mapsep:"none"`)
	case p.Kind == "enum":
		// The parser wants a default that is one of the choices; without one, the
		// function's own check has to do.
		if text, ok := p.Default.(string); p.Required && !optional || ok && slices.Contains(p.Choices, text) {
			all = append(all, fmt.Sprintf("enum:%q", strings.Join(p.Choices, ",")))
			if !p.Required {
				all = append(all, fmt.Sprintf("default:%q", text))
			}
		}
	}
	return strings.Join(all, " ")
}

// longChoices is where a list of choices is left to the help's text.
const longChoices = 40

// placeholderOf says what to type for a parameter.
func placeholderOf(p runtime.Param) string {
	if choices := strings.Join(p.Choices, "|"); choices != "" && len(choices) <= longChoices {
		return choices
	}
	switch p.Kind {
	case "int", "float", "duration", "enum":
		return strings.ToUpper(p.Kind)
	case "list", "any":
		return "VALUE"
	case "dict":
		return "KEY=VALUE"
	case "secret":
		return "env:NAME"
	}
	return ""
}

// helpOf is the parameter's line of the docstring, what an argument has to be
// where that is not plain text, and the default. Interpolation of the parser is
// escaped.
func helpOf(p runtime.Param) string {
	var notes []string
	choices := strings.Join(p.Choices, ", ")
	positional := isPositional(p)
	switch {
	case choices != "" && (positional || len(choices) > longChoices):
		notes = append(notes, "one of "+choices)
	case p.Kind == "secret":
		notes = append(notes, "env:NAME, file:PATH or -")
	case p.Type != "" && (p.Kind == "any" || positional && p.Kind != "string" && p.Kind != "enum"):
		notes = append(notes, p.Type)
	}
	if shown := defaultOf(p); shown != "" {
		notes = append(notes, "default: "+shown)
	}
	help := p.Help
	if len(notes) > 0 {
		help = strings.TrimSpace(fmt.Sprintf("%s (%s)", help, strings.Join(notes, "; ")))
	}
	return strings.ReplaceAll(help, "$", "$$")
}

// defaultOf is a default worth showing.
func defaultOf(p runtime.Param) string {
	if p.Required || p.Variadic || p.Default == nil || p.Default == false || p.Default == "" {
		return ""
	}
	switch p.Default.(type) {
	case string, bool, int64, float64, json.Number, time.Duration:
		return fmt.Sprint(p.Default)
	}
	text, err := json.Marshal(p.Default)
	if err != nil || string(text) == "[]" || string(text) == "{}" {
		return ""
	}
	return string(text)
}

// secretsOf are the parameters that take a secret: their words say where it is.
func secretsOf(f runtime.Function) []string {
	var names []string
	for _, p := range f.Params {
		if p.Kind == "secret" {
			names = append(names, p.Name)
		}
	}
	return names
}

// imageParams are the parameters that take an image: their words are references.
func imageParams(f runtime.Function) []string {
	var names []string
	for _, p := range f.Params {
		if takesImages(p) {
			names = append(names, p.Name)
		}
	}
	return names
}

func takesImages(p runtime.Param) bool {
	return p.Type == "Image" || p.Type == "Image | None" || p.Type == "list[Image]"
}

func dashed(name string) string { return strings.ReplaceAll(name, "_", "-") }
