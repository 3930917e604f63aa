package main

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

type docCommand struct {
	Verb string `arg:"" optional:"" complete:"verb,pipeline" help:"Verb or function of pipelines to describe, or a file that scripts load, such as @std//semver.star; everything without it."`
	Man  string `placeholder:"DIR" complete:"folder" help:"Write pages for man into this folder instead: policy.1 and one for each command."`
	Stub bool   `help:"Print declarations in Python instead, for editors that take pipelines for it."`
}

func (*docCommand) Help() string {
	return "The reference is Markdown, made from the declarations that the verbs run on;\nof a file it shows what those who load it may call.\n\n    policy doc @std//select.star\n    policy doc --stub > __builtins__.pyi\n\nExample:\n\n    policy doc push"
}

func (c *docCommand) run(ctx context.Context, a *app, flags *config.Flags) error {
	if c.Man != "" {
		if c.Verb != "" {
			return fault.In("doc", "", fault.New(fault.Usage, c.Verb, "--man writes the pages of all commands").WithHint("policy doc --man %s", c.Man))
		}
		if c.Stub {
			return fault.In("doc", "", fault.New(fault.Usage, "", "--man and --stub are different things").WithHint("policy doc --man %s", c.Man))
		}
		return fault.In("doc", "", a.writeManual(c.Man))
	}
	if c.Stub {
		return fault.In("doc", "", a.writeStub(ctx, flags, c.Verb))
	}
	if c.Verb == "" {
		return reference(a.printer.Out)
	}
	if isModule(c.Verb) {
		return fault.In("doc", "", a.moduleReference(ctx, flags, c.Verb))
	}
	names := modules()
	for _, v := range builtins.Table() {
		for _, name := range append(v.Aliases, v.Name) {
			if name == c.Verb {
				return section(a.printer.Out, v)
			}
			names = append(names, name)
		}
	}
	for _, control := range runtime.Control() {
		if control.Name == c.Verb {
			var b strings.Builder
			functionMarkdown(&b, "###", control)
			_, err := io.WriteString(a.printer.Out, b.String()[1:])
			return err
		}
		names = append(names, control.Name)
	}
	f := fault.New(fault.NotFound, c.Verb, "no verb has this name")
	f.Op = "doc"
	if near := fault.Nearest(c.Verb, names); near != "" {
		return f.WithHint("did you mean %q?", near)
	}
	return f.WithHint("policy doc lists them all")
}

// reference writes the manual of all verbs; spec/builtins.md is it.
func reference(w io.Writer) error {
	if _, err := io.WriteString(w, `# The verbs

Every verb is a subcommand and a function of scripts, made from one declaration.
A flag `+"`--no-latest` or `--rego-version`"+` is the keyword `+"`latest = False` or `rego_version`"+`. An
argument that takes several values takes one or a list; one in gives one out, a list
in gives a list out. This page is made by `+"`policy doc`"+`.
`); err != nil {
		return err
	}
	group := ""
	for _, v := range builtins.Table() {
		if v.Group != group {
			group = v.Group
			if _, err := fmt.Fprintf(w, "\n## %s\n", group); err != nil {
				return err
			}
		}
		if _, err := io.WriteString(w, "\n"); err != nil {
			return err
		}
		if err := section(w, v); err != nil {
			return err
		}
	}
	var b strings.Builder
	controlMarkdown(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// section writes the manual of one verb.
func section(w io.Writer, v builtins.Verb) error {
	parser, err := kong.New(v.Func.New(), kong.NoDefaultHelp())
	if err != nil {
		return fmt.Errorf("the declaration of %s: %w", v.Name, err)
	}
	signature, err := runtime.Builtin{Name: v.Name, Args: v.Func.New}.Signature()
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n%s\n\n", strings.Join(append([]string{v.Name}, v.Aliases...), ", "), v.Doc)
	fence := "sh"
	if v.Script {
		fence = "python"
	}
	fmt.Fprintf(&b, "```%s\n%s\n```\n\n```python\n%s\n```\n", fence, v.Example, signature)
	if model := parser.Model.Node; len(model.Positional)+len(model.Flags) > 0 {
		b.WriteString("\n| parameter | command line | type | default | meaning |\n| --- | --- | --- | --- | --- |\n")
		for _, p := range model.Positional {
			writeParameter(&b, v, p, "`"+strings.ToUpper(p.Name)+"`")
		}
		for _, f := range model.Flags {
			writeParameter(&b, v, f.Value, flagName(f))
		}
	}
	writeResult(&b, v.Func.Result)
	_, err = io.WriteString(w, b.String())
	return err
}

func flagName(f *kong.Flag) string {
	name := "`--" + f.Name + "`"
	if f.Tag.Negatable != "" && f.Default == "true" {
		name = "`--no-" + f.Name + "`"
	}
	if f.Short != 0 {
		name = "`-" + string(f.Short) + "` " + name
	}
	return name
}

func writeParameter(b *strings.Builder, v builtins.Verb, p *kong.Value, flag string) {
	keyword := "`" + strings.ReplaceAll(p.Name, "-", "_") + "`"
	if name := p.Tag.Get("star"); name == "-" {
		keyword = "–"
	} else if name != "" {
		keyword = "`" + name + "`"
	}
	if p.Tag.Get("cli") == "-" || v.Script {
		flag = "–"
	}
	byDefault := "–"
	if p.HasDefault {
		byDefault = "`" + p.Default + "`"
	} else if p.Required {
		byDefault = "required"
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", keyword, flag, typeName(p.Target.Type()), byDefault, p.Help)
}

// writeResult lists the fields of a result, by their json names.
func writeResult(b *strings.Builder, t reflect.Type) {
	many := t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Pointer
	if many {
		t = t.Elem()
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[builtins.Secret]() {
		fmt.Fprintf(b, "\nGives %s.\n", typeName(t))
		return
	}
	name := "`" + t.Name() + "`"
	if many {
		name = "`" + t.Name() + "`, or a list of them"
	}
	var fields []string
	for _, f := range reflect.VisibleFields(t) {
		if key, _, _ := strings.Cut(f.Tag.Get("json"), ","); key != "" && key != "-" {
			fields = append(fields, "`"+key+"`")
		}
	}
	fmt.Fprintf(b, "\nGives %s: %s.\n", name, strings.Join(fields, " "))
}

// typeName is a Go type as the language calls it.
func typeName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[builtins.Ref]():
		return "reference"
	case reflect.TypeFor[builtins.Document]():
		return "document"
	case reflect.TypeFor[builtins.Secret]():
		return "secret"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "bool"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "int"
	case reflect.Float64:
		return "float"
	case reflect.String:
		return "string"
	case reflect.Map:
		return "dict of strings"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "any value"
		}
		return "list of " + typeName(t.Elem()) + "s"
	}
	return "any value"
}
