package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime/fault"
)

// help prints the help of what the command line names: the list of commands at
// the top, everything about one below it.
func (a *app) help(options kong.HelpOptions, ctx *kong.Context) error {
	if ctx.Selected() != nil {
		return commandHelp(options, ctx)
	}
	return overview(ctx.Stdout, ctx.Model)
}

// commandHelp is kong's help of a command, but an argument's tag usage says what
// stands for it in the first line.
func commandHelp(options kong.HelpOptions, ctx *kong.Context) error {
	out := ctx.Stdout
	defer func() { ctx.Stdout = out }()
	var text strings.Builder
	ctx.Stdout = &text
	err := kong.DefaultHelpPrinter(options, ctx)
	shown := text.String()
	for _, arg := range ctx.Selected().Positional {
		if usage := arg.Tag.Get("usage"); usage != "" {
			shown = strings.Replace(shown, arg.Summary(), usage, 1)
		}
	}
	return cmp.Or(writeHelp(out, shown), err)
}

// overview lists commands only, by group, so that it fits a terminal.
func overview(w io.Writer, app *kong.Application) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s COMMAND [FLAGS]\n\n", app.Name)
	if app.Help != "" {
		fmt.Fprintf(&b, "%s\n", app.Help)
	}
	width := 0
	for _, c := range app.Children {
		width = max(width, len(titleOf(c)))
	}
	for _, group := range groups() {
		title := group.Title
		for _, c := range app.Children {
			if c.Group == nil || c.Group.Key != group.Key || c.Hidden {
				continue
			}
			if title != "" {
				fmt.Fprintf(&b, "\n%s\n", title)
				title = ""
			}
			fmt.Fprintf(&b, "  %-*s  %s\n", width, titleOf(c), folded(c.Help, width+4))
		}
	}
	fmt.Fprintf(&b, "\n%s\n%s COMMAND --help says what each takes.\n", globalFlags(app), app.Name)
	return writeHelp(w, b.String())
}

// writeHelp makes safe what a pipeline, maybe a stranger's, says of itself.
func writeHelp(w io.Writer, text string) error {
	if _, err := io.WriteString(w, render.SafeLines(text)); err != nil {
		return fault.New(fault.Unavailable, "", "writing the help: %w", err)
	}
	return nil
}

// folded is a text that stands behind a margin, in lines of a terminal.
func folded(text string, margin int) string {
	var b strings.Builder
	column := margin
	for i, word := range strings.Fields(text) {
		switch long := utf8.RuneCountInString(word); {
		case i == 0:
			column += long
		case column+1+long > 80:
			b.WriteString("\n" + strings.Repeat(" ", margin))
			column = margin + long
		default:
			b.WriteByte(' ')
			column += 1 + long
		}
		b.WriteString(word)
	}
	return b.String()
}

// globalFlags names those that every command takes, in lines of a terminal.
func globalFlags(app *kong.Application) string {
	var b strings.Builder
	b.WriteString("Global flags:")
	at := b.Len()
	for _, f := range app.Flags {
		if f.Group == nil || f.Hidden {
			continue
		}
		if at += len(f.Name) + 3; at > 80 {
			b.WriteString("\n ")
			at = len(f.Name) + 4
		}
		b.WriteString(" --" + f.Name)
	}
	return b.String()
}

// titleOf is a command's name with its aliases.
func titleOf(c *kong.Node) string {
	return strings.Join(append([]string{c.Name}, c.Aliases...), ", ")
}
