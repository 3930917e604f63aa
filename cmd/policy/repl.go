package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"golang.org/x/term"

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
	shell := &repl{session: s, policy: policy}
	if !a.printer.ErrTerminal || !term.IsTerminal(int(os.Stdin.Fd())) {
		shell.lines = newPipe(a.in)
		return shell.run()
	}
	if c.Output == render.Text {
		a.printer.Format = render.Table
	}
	shell.prompts = true
	shell.lines = newEditor(s, policy)
	defer a.interrupts.divert(shell.interrupt)()
	a.say("%s; help says what can be typed, Ctrl-D leaves", strings.TrimSuffix(c.Policy+" "+policy.Image(), " "))
	return shell.run()
}

// say writes a line for the person at the terminal.
func (a *app) say(format string, args ...any) {
	if !a.printer.Quiet {
		a.printer.Print(fmt.Sprintf(format, args...))
	}
}

// lines is where a shell's lines come from. It fails with io.EOF after the last,
// and with errDropped when the person there thought better of it. A line that is
// pasted says so.
type lines interface {
	next(prompt string) (line string, pasted bool, err error)
}

var errDropped = errors.New("the line was dropped")

// repl reads statements and commands, and answers each.
type repl struct {
	*session
	policy  *builtins.Repl
	lines   lines
	prompts bool // somebody is there
	how     builtins.Asking

	running atomic.Pointer[context.CancelCauseFunc] // ends the statement at work
	number  int                                     // lines so far
	errs    []error                                 // in a pipe
}

// run reads to the end. Errors are told as they come; in a pipe the gravest of
// them decides the exit code.
func (s *repl) run() error {
	for s.ctx.Err() == nil {
		text, err := s.statement()
		switch {
		case errors.Is(err, errDropped):
			continue
		case errors.Is(err, io.EOF):
			return s.outcome()
		case err != nil:
			return err
		}
		err = s.execute(text)
		if errors.Is(err, io.EOF) { // exit was typed
			return s.outcome()
		}
		if s.ctx.Err() == nil {
			s.tell(err)
		}
	}
	return context.Cause(s.ctx)
}

func (s *repl) outcome() error {
	if err := fault.Join(s.errs...); err != nil {
		return told{err}
	}
	return nil
}

// statement reads lines up to the end of a statement. An empty line ends what
// cannot end by itself.
func (s *repl) statement() (string, error) {
	var text strings.Builder
	for {
		prompt := "> "
		if text.Len() > 0 {
			prompt = "| "
		}
		line, pasted, err := s.lines.next(prompt)
		if errors.Is(err, io.EOF) && text.Len() > 0 {
			return text.String(), nil // what is missing is told
		}
		if err != nil {
			return "", err
		}
		s.number++
		if text.Len() > 0 {
			text.WriteByte('\n')
		}
		text.WriteString(line)
		if strings.TrimSpace(line) == "" && !pasted || commandOf(text.String()) != nil || !s.policy.Unfinished(text.String()) {
			return text.String(), nil
		}
	}
}

// execute runs one command or the statements of a text, while Ctrl-C ends that and
// no more.
func (s *repl) execute(text string) error {
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	s.running.Store(&cancel)
	defer s.running.Store(nil)
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

// interrupt ends the statement at work, if there is one.
func (s *repl) interrupt() {
	if cancel := s.running.Load(); cancel != nil {
		(*cancel)(fault.New(fault.Canceled, "", "interrupted"))
	}
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

// tell prints an error; in a pipe it names the line, and is kept.
func (s *repl) tell(err error) {
	switch {
	case err == nil:
		return
	case !s.prompts:
		err = fault.In("repl", fmt.Sprintf("line %d", s.number), err)
		s.errs = append(s.errs, err)
	}
	s.printer.Fault(err)
}
