package main

import (
	"context"
	"io"
	"os"
	"strings"
	"time"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/complete"
	"github.com/policyhost/policy/cmd/internal/config"
)

// completeWord is the command that the scripts of policy completion call: with
// bash, the line and $COMP_WORDBREAKS, or with another shell and its words.
const completeWord = "__complete"

// completionTime is the longest that candidates may take, registries included.
const completionTime = 800 * time.Millisecond

// complete writes what may stand where the cursor is. It never fails, asks nor
// warns: who presses a key wants none of that.
func (a *app) complete(ctx context.Context, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	c := &completer{app: a, flags: new(config.Flags)}
	c.home, _ = os.UserHomeDir()
	text := ""
	switch n := len(args); {
	case n == 3 && args[0] == "bash":
		line := complete.BashWords(args[1], args[2])
		text = line.Bash(c.answer(ctx, line.Words, line.Typed), c.home)
	case n >= 2 && args[0] == "zsh":
		text = complete.Zsh(c.answer(ctx, args[1:n-1], args[n-1]))
	case n >= 2 && args[0] == "fish":
		text = complete.Fish(c.answer(ctx, args[1:n-1], args[n-1]))
	}
	_, _ = io.WriteString(a.printer.Out, text)
	return nil
}

// completer answers for one command line.
type completer struct {
	*app
	flags *config.Flags // as far as they are typed
	home  string
}

func (c *completer) answer(ctx context.Context, words []string, typed string) complete.Answer {
	if len(words) > 0 && words[0] == "help" {
		words = words[1:]
	}
	all := entries()
	parser, err := c.grammar(c.flags, namedAmong(all, append([]string{""}, words...)))
	if err != nil {
		return complete.Answer{}
	}
	place := complete.At(parser.Model.Node, words, typed)
	if place.Commands && place.Node == parser.Model.Node {
		return commandNames(all).Beginning(typed)
	}
	return c.at(ctx, place, typed)
}

func commandNames(all []entry) (a complete.Answer) {
	for _, e := range all {
		a.Candidates = append(a.Candidates, complete.Candidate{Word: e.names[0], About: e.help})
	}
	for _, e := range all { // behind all names
		for _, alias := range e.names[1:] {
			a.Candidates = append(a.Candidates, complete.Candidate{Word: alias, About: e.help})
		}
	}
	return a
}

// at offers what a place takes.
func (c *completer) at(ctx context.Context, place complete.Place, typed string) complete.Answer {
	switch {
	case place.Commands:
		var a complete.Answer
		for _, child := range place.Node.Children {
			if !child.Hidden {
				a.Candidates = append(a.Candidates, complete.Candidate{Word: child.Name, About: child.Help})
			}
		}
		return a.Beginning(typed)
	case place.Value != nil:
		return c.value(ctx, place, strings.TrimPrefix(typed, place.Prefix)).After(place.Prefix)
	}
	return complete.FlagsAnswer(place.Flags, typed)
}

// value offers what a flag or an argument takes: the values of its enum, else
// what its kinds have. A value that is given is not offered again.
func (c *completer) value(ctx context.Context, place complete.Place, typed string) complete.Answer {
	if place.Value.Enum != "" {
		return complete.Words(place.Value.EnumSlice()...).Beginning(typed)
	}
	if choices := place.Value.Tag.Get("choices"); choices != "" { // of a pipeline's enum
		return complete.Words(strings.Split(choices, ",")...).Beginning(typed).Without(place.Given)
	}
	var a complete.Answer
	kinds := c.kinds()
	for _, kind := range kindsOf(place.Value) {
		if offer, ok := kinds[kind]; ok {
			a = a.And(offer(ctx, place, typed))
		} else {
			a = a.And(complete.Words(kind))
		}
	}
	return a.Beginning(typed).Without(place.Given)
}

// env is what the verbs work with, for one who may ask nobody and say nothing.
func (c *completer) env() (*builtins.Env, error) {
	p, _ := loadProject(".") // one with a mistake has no say
	settings, _, err := config.Load(*c.flags, c.getenv, c.home, p)
	if err != nil {
		return nil, err
	}
	settings.UserAgent = "policy/" + version()
	settings.LockTimeout = completionTime
	return builtins.NewEnv(builtins.Options{Settings: settings, Lookup: c.lookup, Home: c.home, NoHelpers: true}), nil
}
