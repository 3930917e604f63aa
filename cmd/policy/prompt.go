package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"

	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime/fault"
)

// The only interaction. Its rules:
//
//   - a question goes to the terminal itself, never to a stream;
//   - no terminal, no question: the fault that asked is reported, unless the
//     question has a default;
//   - a closed terminal, an empty line or anything but yes means no; an empty line
//     means the default where the question shows one;
//   - it asks once, and a signal ends it.
type terminal struct{}

var errNoTerminal = errors.New("no terminal to ask on")

// ask puts a question and gives the answer: a yes, a password, a line. It fails with
// errNoTerminal when there is nobody to ask, and with Canceled on a no.
func (terminal) ask(ctx context.Context, q *fault.Question) (string, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) || os.Getenv("CI") != "" {
		return "", errNoTerminal
	}
	tty, err := openTerminal()
	if err != nil {
		return "", errNoTerminal
	}
	defer tty.Close()
	before, stateErr := term.GetState(int(tty.in.Fd()))
	type reply struct {
		text string
		err  error
	}
	replies := make(chan reply, 1)
	go func() {
		text, err := read(tty, q)
		replies <- reply{text, err}
	}()
	select {
	case r := <-replies:
		return r.text, r.err
	case <-ctx.Done():
		if stateErr == nil {
			_ = term.Restore(int(tty.in.Fd()), before)
		}
		_, _ = fmt.Fprintln(tty.out)
		return "", context.Cause(ctx)
	}
}

// console is the terminal itself; on Windows its two directions are two files.
type console struct{ in, out *os.File }

func (c console) Read(p []byte) (int, error)  { return c.in.Read(p) }
func (c console) Write(p []byte) (int, error) { return c.out.Write(p) }

// Close gives the terminal back.
func (c console) Close() {
	_ = c.in.Close()
	if c.out != c.in {
		_ = c.out.Close()
	}
}

func read(tty console, q *fault.Question) (string, error) {
	if q.Secret {
		text, err := readSecret(tty, q.Text+": ")
		if err != nil || text == "" {
			return "", fault.New(fault.Canceled, "", "no password was typed")
		}
		return text, nil
	}
	if q.Line {
		return readLine(tty, q)
	}
	_, _ = fmt.Fprintf(tty, "%s [y/N] ", q.Text)
	line, err := bufio.NewReader(tty).ReadString('\n')
	if err != nil {
		_, _ = fmt.Fprintln(tty)
		line = "" // only Enter ends the line
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return "yes", nil
	}
	return "", fault.New(fault.Canceled, "", "nothing was done")
}

// readLine reads a line of text; an empty one is the default.
func readLine(tty console, q *fault.Question) (string, error) {
	shown := q.Text
	if q.Default != "" {
		shown += " [" + render.Safe(q.Default) + "]"
	}
	_, _ = fmt.Fprint(tty, shown+": ")
	line, err := bufio.NewReader(tty).ReadString('\n')
	if err != nil {
		_, _ = fmt.Fprintln(tty) // only Enter ends the line
		return "", fault.New(fault.Canceled, "", "nothing was done")
	}
	answer := cmp.Or(strings.TrimSpace(line), q.Default)
	if answer == "" {
		return "", fault.New(fault.Canceled, "", "nothing was typed, nothing was done")
	}
	if strings.ContainsFunc(answer, unicode.IsControl) { // an arrow key was hit
		return "", fault.New(fault.Canceled, "", "that was no text, nothing was done")
	}
	return answer, nil
}

// readSecret reads a line without echo. term.ReadPassword will not do: it waits
// on after Ctrl-D, and what is typed next becomes the password.
func readSecret(tty console, prompt string) (string, error) {
	fd := int(tty.in.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return "", err
	}
	text, err := term.NewTerminal(tty, "").ReadPassword(prompt)
	_ = term.Restore(fd, before)
	if err != nil {
		_, _ = fmt.Fprintln(tty) // only Enter ends the line
	}
	return text, err
}
