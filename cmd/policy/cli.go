package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/render"
)

// grammar is the command line: the global flags, and the commands that are no
// verbs. The verbs come from builtins.Table.
type grammar struct {
	config.Flags

	Run     runCommand     `cmd:"" group:"Pipelines" help:"Run a function of a pipeline written in Starlark."`
	Doc     docCommand     `cmd:"" group:"Pipelines" help:"Print the reference of the verbs, or of one."`
	Store   storeCommand   `cmd:"" group:"Housekeeping" help:"Check, repair, prune or locate the local store."`
	Serve   serveCommand   `cmd:"" group:"Housekeeping" help:"Serve the embedded registry over HTTP."`
	Version versionCommand `cmd:"" group:"Housekeeping" help:"Print the version."`
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
	// Building the grammar of every verb costs more than most verbs do: those
	// that are named are enough, unless the command line turns out to be wrong.
	if named, some := verbsAmong(args); some {
		if c, flags, err := a.parseWith(args, named); err == nil {
			return c, flags, nil
		}
	}
	return a.parseWith(args, builtins.Table())
}

// verbsAmong are the verbs whose name is one of the words, and whether any
// command is, behind whose name alone --help means that command's.
func verbsAmong(words []string) (named []builtins.Verb, some bool) {
	if strings.HasPrefix(words[0], "--help") || words[0] == "-h" {
		return nil, false
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[grammar]()) {
		if _, is := f.Tag.Lookup("cmd"); is && slices.Contains(words, strings.ToLower(f.Name)) {
			some = true
		}
	}
	for _, v := range builtins.Table() {
		if slices.ContainsFunc(append(v.Aliases, v.Name), func(name string) bool { return slices.Contains(words, name) }) {
			named = append(named, v)
		}
	}
	return named, some || len(named) > 0
}

func (a *app) parseWith(args []string, verbs []builtins.Verb) (command, *config.Flags, error) {
	g := new(grammar)
	options := append(a.kongOptions(),
		kong.Name("policy"),
		kong.Description("Pipelines for authorization policies: build, judge, test and ship them."),
		kong.ExplicitGroups(groups()),
		kong.PostBuild(dropScriptOnly))
	for _, v := range verbs {
		if !v.Script {
			options = append(options, directCommand(v))
		}
	}
	parser, err := kong.New(g, options...)
	if err != nil {
		return nil, nil, fmt.Errorf("the command line's grammar: %w", err)
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		return nil, nil, usage(err)
	}
	for _, step := range ctx.Path {
		if step.Command != nil {
			a.before = len(args) - len(step.Remainder()) - 1
		}
	}
	return ctx.Selected().Target.Addr().Interface().(command), &g.Flags, nil
}

// kongOptions are what every grammar of ours shares: help on standard output,
// and no way for the parser to end the process.
func (a *app) kongOptions() []kong.Option {
	return []kong.Option{
		kong.Writers(a.printer.Out, a.printer.Err),
		kong.Exit(func(int) { panic(errHelped) }),
		kong.Help(a.help),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
	}
}

// groups are the headings of the help, in their order.
func groups() []kong.Group {
	var all []kong.Group
	for _, title := range []string{"Functions", "Pipelines", builtins.GroupImages, builtins.GroupRegistries, builtins.GroupPolicies, "Housekeeping", "Global flags"} {
		all = append(all, kong.Group{Key: title, Title: title + ":"})
	}
	return all
}

// dropScriptOnly takes the arguments marked cli:"-" out of the command line.
func dropScriptOnly(k *kong.Kong) error {
	for _, node := range k.Model.Leaves(false) {
		kept := node.Flags[:0]
		for _, f := range node.Flags {
			if f.Tag.Get("cli") != "-" {
				kept = append(kept, f)
			}
		}
		node.Flags = kept
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
