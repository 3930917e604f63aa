package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"
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

// namer gives the names that may stand at the end of a line, sorted, and the
// part of the line that is the beginning of each.
type namer func(line string) (typed string, names []string)

// editor reads lines from the terminal, with history and completion. It draws on
// standard error, so that standard output has the answers alone.
type editor struct {
	*session
	names   namer
	keys    keys
	history *history
	term    *term.Terminal
	width   int
	goesOn  bool // the line at hand is not the first of its statement
}

// newEditor reads from the terminal; the lines are kept in a file of the store root.
func newEditor(s *session, names namer, historyFile string) lines {
	if s.getenv("TERM") == "dumb" {
		return &prompter{session: s, lines: newPipe(s.in), drop: make(chan struct{}, 1)}
	}
	e := &editor{session: s, names: names, history: openHistory(filepath.Join(s.settings.Root, historyFile))}
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
		e.width = width
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
	e.goesOn = prompt != firstPrompt
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

// indentation is what Tab means at the beginning of a line of a block.
const indentation = "    "

// complete extends the word before the cursor as far as it can only mean one
// name, or lists the names it may become.
func (e *editor) complete(line string, at int, key rune) (string, int, bool) {
	switch {
	case key != '\t':
		return "", 0, false
	case e.goesOn && strings.TrimSpace(line[:at]) == "":
		return line[:at] + indentation + line[at:], at + len(indentation), true
	}
	typed, names := e.names(line[:at])
	start := at - len(typed)
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
	case common != typed:
	case len(names) > 1:
		_, _ = io.WriteString(e.term, columns(names, e.width))
	default:
		if _, members := e.names(line[:start] + common + "."); len(members) > 0 {
			common += "."
		}
	}
	return line[:start] + common + line[at:], start + len(common), true
}

// columns lays out names as ls does, in lines of a width.
func columns(names []string, width int) string {
	const gap = 2
	room := 0
	for _, name := range names {
		room = max(room, len(name)+gap)
	}
	across := max(1, (max(width, 1)-1+gap)/room)
	down := (len(names) + across - 1) / across
	var b strings.Builder
	for row := range down {
		for i := row; i < len(names); i += down {
			b.WriteString(names[i])
			if i+down < len(names) {
				b.WriteString(strings.Repeat(" ", room-len(names[i])))
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// prompter is for a terminal that cannot move its cursor.
type prompter struct {
	*session
	lines
	drop    chan struct{} // Ctrl-C came
	pending chan typedLine
}

// typedLine is what reading a line gave.
type typedLine struct {
	text string
	err  error
}

func (p *prompter) next(prompt string) (string, bool, error) {
	select {
	case <-p.drop: // it came too late for the line before
	default:
	}
	_, _ = io.WriteString(p.printer.Err, prompt)
	if p.pending == nil { // else Ctrl-C came while it was read
		pending := make(chan typedLine, 1)
		p.pending = pending
		go func() {
			text, _, err := p.lines.next("")
			pending <- typedLine{text, err}
		}()
	}
	var line typedLine
	select {
	case line = <-p.pending:
		p.pending = nil
	case <-p.drop:
		line.err = errDropped
	}
	if line.err != nil {
		_, _ = io.WriteString(p.printer.Err, "\n") // only Enter ends the line
	}
	return line.text, false, line.err
}

// interrupt drops the line that is typed.
func (p *prompter) interrupt() {
	select {
	case p.drop <- struct{}{}:
	default:
	}
}
