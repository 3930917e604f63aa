package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/render"
)

// entry is a command of the command line.
type entry struct {
	names []string // the command's, then its aliases
	group string
	help  string
	make  func() any // a pointer to its grammar, kong's
}

// entries are all commands: those that are no verbs, and the verbs.
func entries() []entry {
	all := []entry{
		{[]string{"run"}, "Pipelines", "Run a function of a pipeline written in Starlark.", func() any { return new(runCommand) }},
		{[]string{"shell"}, "Pipelines", "Try verbs and pipelines at a prompt, line by line.", func() any { return new(shellCommand) }},
		{[]string{"apply"}, "Pipelines", "Carry out the plan that a dry run saved.", func() any { return new(applyCommand) }},
		{[]string{"recipe"}, "Pipelines", "Share modules of pipelines as images, pinned by digest.", func() any { return new(recipeCommand) }},
		{[]string{"templates"}, "Pipelines", "List beginnings of policies and pipelines, or write one.", func() any { return new(templatesCommand) }},
		{[]string{"doc"}, "Pipelines", "Print the reference of the verbs, or of a module.", func() any { return new(docCommand) }},
		{[]string{"lsp"}, "Pipelines", "Serve an editor: findings, completion, documentation.", func() any { return new(lspCommand) }},
		{[]string{"remote"}, builtins.GroupRegistries, "List what registries have, and who may read it.", newRemote},
		{[]string{"store"}, "Housekeeping", "Check, repair, prune or locate the local store.", func() any { return new(storeCommand) }},
		{[]string{"serve"}, "Housekeeping", "Serve the embedded registry over HTTP.", func() any { return new(serveCommand) }},
		{[]string{"completion"}, "Housekeeping", "Print the script that makes a shell complete command lines.", func() any { return new(completionCommand) }},
		{[]string{"config"}, "Housekeeping", "Show the settings and where they came from.", func() any { return new(configCommand) }},
		{[]string{"version"}, "Housekeeping", "Print the version.", func() any { return new(versionCommand) }},
	}
	for _, v := range builtins.Table() {
		if v.Script || v.Nested {
			continue
		}
		e := directEntry(v)
		if made := composites[v.Name]; made != nil {
			e.make = made
		}
		all = append(all, e)
	}
	all = append(all, entry{[]string{"fmt"}, builtins.GroupPolicies, "Lay out policies and pipelines in the usual way.", func() any { return new(fmtCommand) }})
	return append(all, entry{[]string{"repl"}, builtins.GroupPolicies, "Ask a policy questions, line by line.", func() any { return new(replCommand) }})
}

// composites are the commands of verbs that do more than the verb does: pipelines
// are checked and tested beside policies, and a project lists what it builds.
var composites = map[string]func() any{
	"build": func() any { return new(buildCommand) },
	"check": func() any { return new(checkCommand) },
	"test":  func() any { return new(testCommand) },
}

// option offers the command to the parser.
func (e entry) option() kong.Option {
	var tags []string
	for _, alias := range e.names[1:] {
		tags = append(tags, `aliases:"`+alias+`"`)
	}
	return kong.DynamicCommand(e.names[0], e.help, e.group, e.make(), tags...)
}

// command is what a parsed command line asks for.
type command interface {
	run(ctx context.Context, a *app, flags *config.Flags) error
}

// errHelped ends parsing after help was printed.
var errHelped = errors.New("help was printed")

// parse reads the command line. The command is nil when the answer was help.
func (a *app) parse() (_ command, _ *config.Flags, err error) {
	args := a.args
	switch {
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "help": // what people type who have not read the help yet
		args = append(slices.Clone(args[1:]), "--help")
	case args[0] == "--version":
		args = append([]string{"version"}, args[1:]...)
	}
	defer func() {
		if p := recover(); p == errHelped { //nolint:errorlint // identity of the panic value
			err = nil
		} else if p != nil {
			panic(p)
		}
	}()
	a.presetFormat(args)
	// Building the grammar of every command costs more than most commands do: those
	// that are named are enough, unless the command line turns out to be wrong.
	all := entries()
	if named := namedAmong(all, args); len(named) > 0 {
		if c, flags, err := a.parseWith(args, named); err == nil {
			return c, flags, nil
		}
	}
	return a.parseWith(args, all)
}

// namedAmong are the commands whose name is one of the words. Before any name,
// --help is about all of them.
func namedAmong(all []entry, words []string) []entry {
	if strings.HasPrefix(words[0], "--help") || words[0] == "-h" {
		return nil
	}
	var named []entry
	for _, e := range all {
		if slices.ContainsFunc(e.names, func(name string) bool { return slices.Contains(words, name) }) {
			named = append(named, e)
		}
	}
	return named
}

// grammar is the command line's, with these commands; parsing fills flags.
func (a *app) grammar(flags *config.Flags, commands []entry) (*kong.Kong, error) {
	options := append(a.kongOptions(),
		kong.Name("policy"),
		kong.Description("Pipelines for authorization policies: build, judge, test and ship them."),
		kong.ExplicitGroups(groups()),
		kong.PostBuild(dropScriptOnly), kong.PostBuild(relaxOptional))
	for _, c := range commands {
		options = append(options, c.option())
	}
	parser, err := kong.New(flags, options...)
	if err != nil {
		return nil, fmt.Errorf("the command line's grammar: %w", err)
	}
	return parser, nil
}

func (a *app) parseWith(args []string, commands []entry) (command, *config.Flags, error) {
	flags := new(config.Flags)
	parser, err := a.grammar(flags, commands)
	if err != nil {
		return nil, nil, err
	}
	args = withoutEmpty(parser, args)
	ctx, err := parser.Parse(args)
	if err != nil {
		return nil, nil, usage(err)
	}
	for _, step := range ctx.Path {
		if step.Command != nil {
			a.before = len(args) - len(step.Remainder()) - 1
		}
	}
	return ctx.Selected().Target.Addr().Interface().(command), flags, nil
}

// withoutEmpty leaves out --flag= with nothing behind it, as scripts spell a
// flag's default (spec O1.2). Not for run: its pipeline may take an empty text for
// what it is.
func withoutEmpty(k *kong.Kong, args []string) []string {
	if slices.Contains(args, "run") {
		return args
	}
	end := slices.Index(args, "--")
	if end < 0 {
		end = len(args)
	}
	known := func(word string) bool {
		name, empty := strings.CutSuffix(strings.TrimPrefix(word, "--"), "=")
		return empty && slices.ContainsFunc(k.Model.Leaves(false), func(n *kong.Node) bool {
			return slices.ContainsFunc(slices.Concat(n.AllFlags(false)...), func(f *kong.Flag) bool { return f.Name == name })
		})
	}
	return append(slices.DeleteFunc(slices.Clone(args[:end]), known), args[end:]...)
}

// kongOptions are what every grammar of ours shares: help on standard output,
// and no way for the parser to end the process.
func (a *app) kongOptions() []kong.Option {
	return []kong.Option{
		kong.Writers(a.printer.Out, a.printer.Err),
		kong.Exit(func(int) { panic(errHelped) }),
		kong.Help(a.help),
		kong.PostBuild(namePlaceholders),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
	}
}

// groups are the headings of the help, in their order.
func groups() []kong.Group {
	var all []kong.Group
	for _, title := range []string{"Functions", "Tasks", "Pipelines", builtins.GroupImages, builtins.GroupRegistries, builtins.GroupPolicies, "Housekeeping", "Global flags"} {
		all = append(all, kong.Group{Key: title, Title: title + ":"})
	}
	return all
}

// dropScriptOnly takes the arguments marked cli:"-" out of the command line.
func dropScriptOnly(k *kong.Kong) error {
	for _, node := range k.Model.Leaves(false) {
		kept := node.Flags[:0]
		for _, f := range node.Flags {
			implied := f.Name == "remote" && node.Parent.Name == "remote"
			if f.Tag.Get("cli") != "-" && !implied {
				kept = append(kept, f)
			}
		}
		node.Flags = kept
	}
	return nil
}

// relaxOptional lets the arguments marked cli:"optional" be left out on the command
// line, where the project may say what they are.
func relaxOptional(k *kong.Kong) error {
	for _, node := range k.Model.Leaves(false) {
		for _, arg := range node.Positional {
			if arg.Tag.Get("cli") == "optional" {
				arg.Required = false
			}
		}
	}
	return nil
}

// presetFormat makes errors of the command line itself come in the format that
// it asks for.
func (a *app) presetFormat(args []string) {
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, "--output="); ok {
			a.printer.Format = render.Format(value)
		} else if arg == "--output" && i+1 < len(args) {
			a.printer.Format = render.Format(args[i+1])
		}
	}
}

// output is the flag of every command that answers.
type output struct {
	Output render.Format `default:"text" enum:"text,table,json,yaml" help:"Format of the answer: text, table, json or yaml."`
}
