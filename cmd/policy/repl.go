package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime/fault"
)

type replCommand struct {
	output
	builtins.ReplArgs
}

func (*replCommand) Help() string {
	return `Each line is a Rego query, a rule that holds for the lines after it, or a
command; "help" lists those. On a terminal Ctrl-C ends a query and Ctrl-D the
shell. In a pipe each line is answered in its turn, and the exit code is that of
the gravest error.

Example:

    policy repl ghcr.io/acme/authz:1.0.0
    echo 'data.authz.allow' | policy repl ./policies -i request.json`
}

func (c *replCommand) run(ctx context.Context, a *app, flags *config.Flags) error {
	a.printer.Format = c.Output
	s, err := a.open(ctx, flags)
	if err != nil {
		return err
	}
	defer s.Close()
	policy, err := builtins.OpenRepl(s.ctx, s.env, &c.ReplArgs)
	if err != nil {
		return s.answer(nil, fault.In("repl", "", err))
	}
	defer func() { _ = policy.Close() }()
	s.stop() // nothing is fetched from here on
	shell := &repl{policy: policy}
	var back func()
	shell.dialogue, back = newDialogue(s, shell.complete, "repl_history")
	defer back()
	shell.tongue = shell
	if shell.prompts {
		if c.Output == render.Text {
			a.printer.Format = render.Table
		}
		a.say("%s; help says what can be typed, Ctrl-D leaves", strings.TrimSuffix(c.Policy+" "+policy.Image(), " "))
	}
	if err := shell.run(); err != nil {
		return err
	}
	if err := fault.Join(shell.errs...); err != nil {
		return told{err}
	}
	return nil
}

// repl answers statements and commands of Rego.
type repl struct {
	*dialogue
	policy *builtins.Repl
	how    builtins.Asking
	errs   []error // in a pipe
}

func (s *repl) begins(string, string) bool { return false }

// ends reports the end of a statement: an empty line ends what cannot end by
// itself.
func (s *repl) ends(text string, alone bool) bool {
	last := text[strings.LastIndexByte(text, '\n')+1:]
	alone = alone || !s.prompts && strings.TrimSpace(last) == ""
	return alone || commandOf(text) != nil || !s.policy.Unfinished(text)
}

// failed prints an error with its line, and keeps it: the gravest decides the exit
// code.
func (s *repl) failed(err error) error {
	err = fault.In("repl", fmt.Sprintf("line %d", s.number), err)
	s.errs = append(s.errs, err)
	s.printer.Fault(err)
	return nil
}

// complete offers the commands where one may stand, too.
func (s *repl) complete(line string) (string, []string) {
	start := 1 + strings.LastIndexFunc(line, func(r rune) bool {
		return r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
	word := line[start:]
	names := s.policy.Complete(word)
	if strings.TrimSpace(line[:start]) == "" {
		for _, c := range replWords() {
			if strings.HasPrefix(c.name, word) {
				names = append(names, c.name)
			}
		}
	}
	return word, names
}

// execute runs one command or the statements of a text.
func (s *repl) execute(ctx context.Context, text string) error {
	if c := commandOf(text); c != nil {
		return c.run(ctx, s)
	}
	replies, err := s.policy.Do(ctx, text, s.how)
	for _, r := range replies {
		if err := s.reply(r); err != nil {
			return err
		}
	}
	return err
}

// reply shows what a statement did.
func (s *repl) reply(r builtins.Reply) error {
	d := r.Decision
	if d == nil {
		s.sayDefined(r)
		return nil
	}
	if err := s.printer.Answer(d); err != nil {
		return err
	}
	if d.Defined || d.Partial != nil || s.printer.Format == render.JSON || s.printer.Format == render.YAML {
		return nil
	}
	if r.Nearest != "" && s.prompts {
		defer s.say("  did you mean %s?", r.Nearest)
	}
	return s.printer.Answer("undefined")
}

func (s *repl) sayDefined(r builtins.Reply) {
	switch {
	case !s.prompts:
	case r.Package == "":
		s.say("%s is set", r.Defined)
	default:
		s.say("%s is a rule of %s; show lists what was typed", r.Defined, r.Package)
	}
}
