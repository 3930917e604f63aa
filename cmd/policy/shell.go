package main

import (
	"context"
	"errors"
	"os"
	goruntime "runtime"
	"strings"

	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

type shellCommand struct {
	output
	MaxSteps   uint64   `placeholder:"N" help:"Steps that a line may take."`
	Jobs       uint16   `short:"j" placeholder:"N" help:"Calls of parallel that work at once (16)."`
	AllowRead  []string `sep:"none" placeholder:"DIR" complete:"folder" help:"Folder outside the project that the lines may read."`
	AllowWrite []string `sep:"none" placeholder:"DIR" complete:"folder" help:"Folder outside the project that the lines may read and write."`
	Frozen     bool     `help:"Refuse recipes that policy.lock does not pin, instead of pinning them; CI=true does so, too."`
	Grant      []string `sep:"none" placeholder:"NEED" help:"Grant this to the recipe that is run from its registry: read:HOST/ORG/*, write:HOST/ORG/NAME, delete:…, files:FOLDER, files:FOLDER:rw, env:NAME; needs is all that it says it needs."`
	Deny       []string `sep:"none" placeholder:"NEED" help:"Deny this to every recipe that is loaded, whatever was granted: write:*, files:., env:*."`
	rehearsing
	File string `arg:"" optional:"" complete:"pipeline" help:"Pipeline to load first: its functions and values are there."`
}

func (*shellCommand) Help() string {
	return `Each line is Starlark, as in the body of a function: verbs may have effects, and
what a line defines holds for the lines after it. A value is shown as a pipeline's
answer is. On a terminal Tab completes, Ctrl-C ends a line and Ctrl-D the shell. In
a pipe the first error ends it, with the exit code that a pipeline would have.

Example:

    policy shell release.star
    echo 'images()' | policy shell`
}

func (c *shellCommand) run(ctx context.Context, a *app, flags *config.Flags) error {
	a.printer.Format = c.Output
	p := &pipeline{app: a, typed: "shell", source: runtime.Source{Name: "shell"}}
	if c.File == "-" {
		return fault.New(fault.Usage, "-", "standard input has the lines").WithHint("policy shell, without a file")
	}
	if c.File != "" {
		var err error
		if p.source, _, err = (&runCommand{Args: []string{c.File}}).source(a); err != nil {
			return err
		}
		p.typed = p.source.Name
	}
	if err := p.load(ctx, flags, p.pinning(nil, 0)); err != nil {
		return err
	}
	return p.call(ctx, &call{host: hostFlags{Flags: *flags, runFlags: runFlags{
		output: c.output, MaxSteps: c.MaxSteps, Jobs: c.Jobs, AllowRead: c.AllowRead, AllowWrite: c.AllowWrite, Frozen: c.Frozen, Grant: c.Grant, Deny: c.Deny, rehearsing: c.rehearsing,
	}}})
}

// starShell runs lines of Starlark.
type starShell struct {
	*dialogue
	pipeline *pipeline
	starlark *runtime.Session

	typed string // that was read last, and how much of a statement it is
	much  runtime.Reading
}

// converse reads lines and runs them, after what may have failed. A dry run ends
// with the plan of all of it.
func (p *pipeline) converse(s *session, failed error) error {
	s.ctx = s.base // the time limit is that of a line
	sh := &starShell{pipeline: p, starlark: p.program.Session()}
	var back func()
	sh.dialogue, back = newDialogue(s, sh.complete, "shell_history")
	defer back()
	sh.tongue = sh
	if failed != nil && (!sh.prompts || s.ctx.Err() != nil) {
		return failed
	}
	if failed != nil {
		p.printer.Fault(failed)
	}
	p.host.Limits.Exceeded = func(f *fault.Error) {
		if !sh.prompts || errors.Is(f, fault.Limit) { // who typed Ctrl-C gets another prompt
			os.Exit(p.finish(f))
		}
	}
	if sh.prompts {
		p.say("%s; help says what can be typed, Ctrl-D leaves", p.greeting())
	}
	if err := sh.run(); err != nil || s.rehearsal == nil {
		return err
	}
	return s.answerOrPlan(nil, nil)
}

// mostNames is how many functions a greeting names.
const mostNames = 8

// greeting says what there is besides the verbs.
func (p *pipeline) greeting() string {
	var names []string
	for _, f := range p.program.Functions() {
		names = append(names, f.Name)
	}
	if len(names) > mostNames {
		names = append(names[:mostNames], "…")
	}
	switch {
	case len(names) > 0:
		return p.typed + " has " + strings.Join(names, ", ")
	case p.source.Text != nil:
		return p.typed + " is loaded"
	}
	return "Starlark, with the verbs of policy"
}

// begins reports a line that is not indented, behind a block.
func (s *starShell) begins(text, line string) bool {
	return !runtime.Indents(line) && s.read(text) == runtime.Block
}

func (s *starShell) ends(text string, alone bool) bool {
	if s.word(text) != nil {
		return true
	}
	reading := s.read(text)
	return reading == runtime.Whole || reading == runtime.Block && alone
}

// read says how much of a statement a text is.
func (s *starShell) read(text string) runtime.Reading {
	more, goesOn := strings.CutPrefix(text, s.typed)
	if text != s.typed && (!goesOn || !s.changesNothing(more)) {
		s.much = runtime.ReadLines(text)
	}
	s.typed = text
	return s.much
}

// changesNothing reports whether a text is as much of a statement with more behind
// it as it was before: long literals and functions are not to be read again with
// each of their lines. A person is told at once what is wrong in a block.
func (s *starShell) changesNothing(more string) bool {
	switch s.much {
	case runtime.Open:
		return !strings.HasSuffix(s.typed, "\\") && !strings.ContainsAny(more, `)]}"'\`)
	case runtime.Block:
		return !s.prompts && runtime.ReadLines(strings.TrimSpace(more)) != runtime.Open
	}
	return false
}

// failed ends a shell in a pipe: what follows may build on what did not happen.
func (s *starShell) failed(err error) error { return err }

func (s *starShell) execute(ctx context.Context, text string) error {
	if w := s.word(text); w != nil {
		if _, err := s.starlark.Eval(ctx, "#"); err != nil { // it is a line, too
			return err
		}
		return w.do(s, w.name)
	}
	ctx, cancel := s.timed(ctx)
	defer cancel()
	_, s.stop = s.printer.Progress()
	if err := s.pipeline.setClock(s.pipeline.envs.whole); err != nil {
		return err
	}
	result, err := s.starlark.Eval(ctx, text)
	err = fault.Join(err, s.pipeline.recipes.keep()) // what it has loaded stays, though it failed
	if errors.Is(err, fault.Limit) {
		goruntime.GC() // what the line used is not held against the next
	}
	return s.answer(result, err)
}
