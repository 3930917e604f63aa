package render

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/runtime/fault"
)

// Format is how answers and faults are written.
type Format string

// The formats. Text is meant for people and pipes, Table is what Text shows on a
// terminal, JSON and YAML are the results with their documented keys.
const (
	Text   Format = "text"
	Table  Format = "table"
	JSON   Format = "json"
	YAML   Format = "yaml"
	JUnit  Format = "junit"  // of a report of tests; anything else is Text
	GitHub Format = "github" // of findings, as workflow commands; anything else is Text
	SARIF  Format = "sarif"  // of findings, as a log of static analysis; anything else is Text
)

// Printer writes answers to Out and everything else to Err. The zero value of
// every field but Out and Err is usable. Its methods may be called from any
// goroutine; the fields must not change once they are.
type Printer struct {
	Out, Err    io.Writer
	Format      Format // empty is Text
	OutTerminal bool   // Out is read by a person: align, shorten, relate
	ErrTerminal bool
	Color       bool
	Bars        bool // draw bars on Err; otherwise a line when a transfer is done
	Width       int  // columns of the terminal; 0 is unknown, nothing is fitted
	Quiet       bool // faults only
	Verbosity   int  // 1 tells of small and skipped transfers, too

	Actions *Actions // the GitHub job that reads Out and Err; nil outside of one

	Now   func() time.Time         // nil is time.Now
	Scrub func(text string) string // takes secrets out of all that is written; nil is none

	mu   sync.Mutex // guards Err and bars
	bars *bars      // nil while nothing is drawn
}

// Detect returns a Printer for the process's streams, as they are: terminals or
// not, wide or narrow, with or without colour. NO_COLOR, CI and TERM=dumb are
// respected.
func Detect(out, err *os.File, getenv func(string) string) *Printer {
	p := &Printer{Out: out, Err: err, OutTerminal: isTerminal(out), ErrTerminal: isTerminal(err)}
	ci := getenv("CI") != "" && getenv("CI") != "false"
	plain := ci || getenv("TERM") == "dumb"
	p.Bars = p.ErrTerminal && !plain
	p.Actions = detectActions(getenv)
	p.Color = (p.ErrTerminal || p.OutTerminal) && !plain && getenv("NO_COLOR") == ""
	for _, f := range []*os.File{out, err} {
		if isTerminal(f) && p.Width == 0 {
			if !enableEscapes(f) {
				p.Color = false
			}
			p.Width, _, _ = term.GetSize(int(f.Fd()))
		}
	}
	return p
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// Answer writes v, a verb's result or a script's value, to Out in the format
// asked for. Nil writes nothing. It fails with Script when v has no
// representation, such as a secret in JSON, and with Unavailable when Out takes
// no more.
func (p *Printer) Answer(v any) error {
	if isNil(v) {
		return nil
	}
	text, err := p.answer(v)
	if err != nil {
		for m, ok := errors.AsType[*json.MarshalerError](err); ok; m, ok = errors.AsType[*json.MarshalerError](err) {
			err = m.Unwrap() // types of ours, which mean nothing to the reader
		}
		return fault.New(fault.Script, "", "the answer cannot be shown: %w", err)
	}
	if p.OutTerminal {
		p.stopBars()
	}
	if _, err := io.WriteString(p.Out, p.scrub(text)); err != nil {
		return fault.New(fault.Unavailable, "", "writing the answer: %w", err)
	}
	return nil
}

func (p *Printer) answer(v any) (string, error) {
	switch p.Format {
	case JSON:
		return toJSON(v)
	case YAML:
		return toYAML(v)
	case JUnit:
		if r, ok := v.(*builtins.TestReport); ok {
			return junit(r)
		}
	case GitHub:
		if r, ok := v.(*builtins.CheckReport); ok {
			return workflowCommands(r), nil
		}
	case SARIF:
		if r, ok := v.(*builtins.CheckReport); ok {
			return p.sarif(r)
		}
	}
	return p.text(v)
}

// isNil reports whether v is no value at all. An empty list is one.
func isNil(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Map, reflect.Func, reflect.Chan:
		return r.IsNil()
	}
	return false
}

func (p *Printer) scrub(text string) string {
	if p.Scrub == nil {
		return text
	}
	return p.Scrub(text)
}

func (p *Printer) now() time.Time {
	if p.Now == nil {
		return time.Now()
	}
	return p.Now()
}

// forPeople reports whether text goes where a person looks at it.
func (p *Printer) forPeople() bool { return p.OutTerminal || p.Format == Table }
