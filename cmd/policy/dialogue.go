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

	"github.com/policyhost/policy/runtime/fault"
)

// The prompts of the first line of a statement, and of those that follow.
const (
	firstPrompt = "> "
	nextPrompt  = "| "
)

// lines is where a shell's lines come from. It fails with io.EOF after the last,
// and with errDropped when the person there thought better of it. A line that is
// pasted says so.
type lines interface {
	next(prompt string) (line string, pasted bool, err error)
}

var errDropped = errors.New("the line was dropped")

// tongue is what a dialogue is held in.
type tongue interface {
	// begins reports whether a line begins a statement, and does not go on with text.
	begins(text, line string) bool
	// ends reports whether nothing has to follow text. An empty line ends what an
	// empty line can end when alone is true: somebody typed it.
	ends(text string, alone bool) bool
	// execute runs a statement; io.EOF says that it was the last.
	execute(ctx context.Context, text string) error
	// failed says what an error is about; in a pipe. Nil: the dialogue goes on.
	failed(err error) error
}

// dialogue reads statements and runs each of them, for a person at a terminal or
// out of a pipe.
type dialogue struct {
	*session
	tongue  tongue
	lines   lines
	prompts bool // somebody is there

	running atomic.Pointer[context.CancelCauseFunc] // ends the statement at work
	early   atomic.Bool                             // Ctrl-C came since the last line began, and found none at work
	number  int                                     // lines so far
	held    *string                                 // a line that was read too early
}

// newDialogue reads from the terminal if both its sides are one, with names to
// complete and lines that are kept in a file of the store root. The function it
// returns gives back what the terminal's Ctrl-C means.
func newDialogue(s *session, names namer, historyFile string) (*dialogue, func()) {
	d := &dialogue{session: s}
	if !s.printer.ErrTerminal || !term.IsTerminal(int(os.Stdin.Fd())) {
		d.lines = newPipe(s.in)
		return d, func() {}
	}
	d.prompts = true
	d.lines = newEditor(s, names, historyFile)
	return d, s.interrupts.divert(d.interrupt)
}

// say writes a line for the person at the terminal.
func (a *app) say(format string, args ...any) {
	if !a.printer.Quiet {
		a.printer.Print(fmt.Sprintf(format, args...))
	}
}

// run reads to the end. A person is told errors as they come; in a pipe the tongue
// decides what they mean.
func (d *dialogue) run() error {
	for d.ctx.Err() == nil {
		text, err := d.statement()
		switch {
		case errors.Is(err, errDropped):
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		err = d.execute(text)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err == nil || d.ctx.Err() != nil:
		case d.prompts:
			d.printer.Fault(err)
		default:
			if err := d.tongue.failed(err); err != nil {
				return err
			}
		}
	}
	return context.Cause(d.ctx)
}

// statement reads lines up to the end of a statement. A person who closes the
// terminal in the middle of one does not want it.
func (d *dialogue) statement() (string, error) {
	var text strings.Builder
	for {
		prompt := firstPrompt
		if text.Len() > 0 {
			prompt = nextPrompt
		}
		line, pasted, err := d.next(prompt)
		if errors.Is(err, io.EOF) && text.Len() > 0 && !d.prompts {
			return text.String(), nil // what is missing is told
		}
		if err != nil {
			return "", err
		}
		if text.Len() > 0 {
			if d.tongue.begins(text.String(), line) {
				d.held = &line
				return text.String(), nil
			}
			text.WriteByte('\n')
		}
		d.number++
		text.WriteString(line)
		if d.tongue.ends(text.String(), d.prompts && !pasted && strings.TrimSpace(line) == "") {
			return text.String(), nil
		}
	}
}

func (d *dialogue) next(prompt string) (line string, pasted bool, err error) {
	if d.held != nil {
		line, d.held = *d.held, nil
		return line, true, nil
	}
	d.early.Store(false)
	return d.lines.next(prompt)
}

// execute runs a statement, while Ctrl-C ends that and no more.
func (d *dialogue) execute(text string) error {
	ctx, cancel := context.WithCancelCause(d.ctx)
	defer cancel(nil)
	d.running.Store(&cancel)
	defer d.running.Store(nil)
	if d.early.Load() { // between the last line and here
		d.interrupt()
	}
	return d.tongue.execute(ctx, text)
}

// interrupt ends the statement at work, if there is one, else the one that is
// typed.
func (d *dialogue) interrupt() {
	d.early.Store(true)
	if cancel := d.running.Load(); cancel != nil {
		(*cancel)(fault.New(fault.Canceled, "", "interrupted"))
	} else if typed, ok := d.lines.(interface{ interrupt() }); ok {
		typed.interrupt()
	}
}
