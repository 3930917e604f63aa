package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

// shellWord is a word that the shell obeys rather than evaluates, and the name
// behind it.
type shellWord struct {
	do   func(s *starShell, name string) error
	name string
}

// word reads a line as a word to obey; nil: it is Starlark. A name that was defined
// is that.
func (s *starShell) word(text string) *shellWord {
	word, name, called := strings.Cut(strings.TrimSpace(text), "(")
	if called {
		var closed bool
		if name, closed = strings.CutSuffix(name, ")"); !closed {
			return nil
		}
	} else {
		word, name, _ = strings.Cut(word, " ")
	}
	name = strings.Trim(strings.TrimSpace(name), `"'`)
	if s.starlark.Defines(word) || strings.ContainsFunc(name, func(r rune) bool { return strings.ContainsRune(" =()[]{},;", r) }) {
		return nil
	}
	switch word {
	case "exit", "quit":
		if name == "" {
			return &shellWord{(*starShell).leave, ""}
		}
	case "help":
		return &shellWord{(*starShell).help, name}
	}
	return nil
}

func (*starShell) leave(string) error { return io.EOF }

// complete offers the words where one may stand, too.
func (s *starShell) complete(line string) (string, []string) {
	typed, names := s.starlark.Complete(line)
	rest := strings.TrimSpace(strings.TrimSuffix(line, typed))
	if rest == "" {
		for _, word := range []string{"exit", "help", "quit"} {
			if strings.HasPrefix(word, typed) {
				names = append(names, word)
			}
		}
		slices.Sort(names)
	}
	return typed, slices.Compact(names)
}

// help describes a verb or another function, or without a name what can be typed.
func (s *starShell) help(name string) error {
	if name != "" {
		text, err := s.describe(name)
		if err != nil {
			return err
		}
		return s.printer.Answer(text)
	}
	var b strings.Builder
	line := func(typed, says string) { fmt.Fprintf(&b, "  %-37s %s\n", typed, says) }
	b.WriteString("Starlark:\n")
	line("images()", "call a verb")
	line(`i = build("policies", tag = "authz:1")`, "keep what it gives")
	line("i.digest", "show a value")
	line("_", "what was shown last")
	line("def f(x): …", "lines that are indented follow, and")
	line("", "an empty line ends them")
	line(`load("@std//semver.star", "semver")`, "load a file")
	b.WriteString("Words:\n")
	line("help push", "describe a verb, or another function")
	line("exit, quit", "leave, as Ctrl-D does")
	if s.prompts {
		b.WriteString("Tab completes names, arguments and attributes. Ctrl-C ends a line that runs, or\ndrops what is typed.\n")
	}
	return s.printer.Answer(b.String())
}

// describe is the manual of what a name stands for.
func (s *starShell) describe(name string) (string, error) {
	functions := runtime.Control()
	if f, ok := s.starlark.Describe(name); ok {
		functions = append([]runtime.Function{f}, functions...)
	}
	for _, f := range functions {
		if f.Name == name {
			return strings.TrimSpace(f.Signature() + "\n\n" + f.Doc), nil
		}
	}
	var names []string
	for _, v := range builtins.Table() {
		for _, n := range append([]string{v.Name}, v.Aliases...) {
			if n == name {
				signature, err := runtime.Builtin{Name: n, Args: v.Func.New}.Signature()
				return signature + "\n\n" + v.Doc, err
			}
			names = append(names, n)
		}
	}
	f := fault.New(fault.NotFound, name, "there is no description of it")
	if near := fault.Nearest(name, names); near != "" {
		return "", f.WithHint("did you mean %s?", near)
	}
	return "", f.WithHint("policy doc describes everything")
}
