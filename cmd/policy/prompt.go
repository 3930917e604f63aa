package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/policyhost/policy/runtime/fault"
)

// The only interaction. Its rules:
//
//   - a question goes to the terminal itself, never to a stream;
//   - no terminal, no question: the fault that asked is reported;
//   - a closed terminal, an empty line or anything but yes means no;
//   - it asks once, and a signal ends it.
type terminal struct{}

var errNoTerminal = errors.New("no terminal to ask on")

// ask puts a question and gives the answer: a yes, or a password. It fails with
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
	before, stateErr := term.GetState(int(tty.Fd()))
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
			_ = term.Restore(int(tty.Fd()), before)
		}
		_, _ = fmt.Fprintln(tty)
		return "", context.Cause(ctx)
	}
}

func read(tty *os.File, q *fault.Question) (string, error) {
	if q.Secret {
		_, _ = fmt.Fprintf(tty, "%s: ", q.Text)
		text, err := term.ReadPassword(int(tty.Fd()))
		_, _ = fmt.Fprintln(tty)
		if err != nil || len(text) == 0 {
			return "", fault.New(fault.Canceled, "", "no password was typed")
		}
		return string(text), nil
	}
	_, _ = fmt.Fprintf(tty, "%s [y/N] ", q.Text)
	line, err := bufio.NewReader(tty).ReadString('\n')
	if err == io.EOF {
		_, _ = fmt.Fprintln(tty)
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return "yes", nil
	}
	return "", fault.New(fault.Canceled, "", "nothing was done")
}
