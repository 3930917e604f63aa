package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/policyhost/policy/builtins"
)

// pipe gives the lines of a stream.
type pipe struct{ from *bufio.Reader }

func newPipe(in io.Reader) *pipe { return &pipe{bufio.NewReader(in)} }

func (p *pipe) next(string) (string, bool, error) {
	line, err := p.from.ReadString('\n')
	if line != "" && errors.Is(err, io.EOF) {
		err = nil
	}
	return strings.TrimRight(line, "\r\n"), false, err
}

// editor reads lines from the terminal, with history and completion. It draws on
// standard error, so that standard output has the answers alone.
type editor struct {
	*session
	policy  *builtins.Repl
	keys    keys
	history *history
	term    *term.Terminal
}

func newEditor(s *session, policy *builtins.Repl) lines {
	if s.getenv("TERM") == "dumb" {
		return &prompter{s, newPipe(s.in)}
	}
	e := &editor{session: s, policy: policy, history: openHistory(s.settings.Root)}
	e.keys = keys{s.in, e.fit}
	e.renew()
	return e
}

// renew forgets the line at hand.
func (e *editor) renew() {
	e.term = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{e.keys, e.printer.Err}, "")
	e.term.History = e.history
	e.term.AutoCompleteCallback = e.complete
}

// fit follows the window, whose size may change while a line is typed.
func (e *editor) fit() {
	if width, height, err := term.GetSize(int(os.Stderr.Fd())); err == nil && width > 0 {
		_ = e.term.SetSize(width, height)
	}
}

func (e *editor) next(prompt string) (string, bool, error) {
	fd := int(os.Stdin.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return "", false, err
	}
	back := func() {
		e.term.SetBracketedPasteMode(false)
		_ = term.Restore(fd, before)
	}
	e.atEnd.Store(&back)
	defer func() {
		e.atEnd.Store(nil)
		back()
	}()
	e.term.SetPrompt(prompt)
	e.term.SetBracketedPasteMode(true)
	e.fit()
	line, err := e.term.ReadLine()
	pasted := err == term.ErrPasteIndicator //nolint:errorlint // a value of the library that wraps nothing
	if err == nil || pasted {
		return line, pasted, nil
	}
	if errors.Is(err, errDropped) {
		_, _ = io.WriteString(e.printer.Err, "^C")
	}
	_, _ = io.WriteString(e.printer.Err, "\r\n")
	e.renew()
	return "", false, err
}

const ctrlC = 3

// keys are what is typed. A Ctrl-C among them drops the line.
type keys struct {
	from io.Reader
	each func() // before they are looked at
}

func (k keys) Read(p []byte) (int, error) {
	n, err := k.from.Read(p)
	k.each()
	if at := bytes.IndexByte(p[:n], ctrlC); at >= 0 {
		return at, errDropped
	}
	return n, err
}

// complete extends the word before the cursor as far as it can only mean one
// name, or lists the names it may become.
func (e *editor) complete(line string, at int, key rune) (string, int, bool) {
	if key != '\t' {
		return "", 0, false
	}
	start := 1 + strings.LastIndexFunc(line[:at], func(r rune) bool {
		return r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
	word := line[start:at]
	names := e.policy.Complete(word)
	if strings.TrimSpace(line[:start]) == "" {
		for _, c := range shellCommands() {
			if strings.HasPrefix(c.name, word) {
				names = append(names, c.name)
			}
		}
	}
	if len(names) == 0 {
		return line, at, true
	}
	common := names[0]
	for _, name := range names {
		for !strings.HasPrefix(name, common) {
			common = common[:len(common)-1]
		}
	}
	switch {
	case common != word:
	case len(names) == 1 && len(e.policy.Complete(word+".")) > 0:
		common += "."
	case len(names) > 1:
		_, _ = fmt.Fprintln(e.term, strings.Join(names, "  "))
	}
	return line[:start] + common + line[at:], start + len(common), true
}

// prompter is for a terminal that cannot move its cursor.
type prompter struct {
	*session
	lines
}

func (p *prompter) next(prompt string) (string, bool, error) {
	_, _ = io.WriteString(p.printer.Err, prompt)
	line, pasted, err := p.lines.next(prompt)
	if err != nil {
		_, _ = io.WriteString(p.printer.Err, "\n") // only Enter ends the line
	}
	return line, pasted, err
}
