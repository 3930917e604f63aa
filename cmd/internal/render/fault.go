package render

import (
	"context"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/policyhost/policy/runtime/fault"
)

// Fault writes err to Err: what failed, where in the scripts, and what to type
// next; several joined faults one after the other. In the formats JSON and YAML
// it is one document under the key "error". Nil writes nothing.
func (p *Printer) Fault(err error) {
	if err == nil {
		return
	}
	p.stopBars()
	var text string
	switch p.Format {
	case JSON:
		text, _ = toJSON(faultDocument{newFaultJSON(err, map[*fault.Frame]bool{})}) // strings and numbers only: it cannot fail
	case YAML:
		text, _ = toYAML(faultDocument{newFaultJSON(err, map[*fault.Frame]bool{})})
	default:
		w := &faultWriter{p: p, hinted: map[string]bool{}, traced: map[*fault.Frame]bool{}}
		w.fault(err)
		text = w.b.String()
		if p.Actions != nil && p.Format == GitHub && len(fault.Places(err)) > 0 {
			text = harmless(text) // the answer has the commands
		} else if p.Actions != nil {
			text = harmless(text) + p.Actions.annotations(err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = io.WriteString(p.Err, p.scrub(text)) // there is nobody left to tell
}

// faultWriter gathers the text of a fault.
type faultWriter struct {
	p      *Printer
	b      strings.Builder
	hinted map[string]bool       // a hint that fits several faults is given once
	traced map[*fault.Frame]bool // and so is a stack that they share
}

func (w *faultWriter) fault(err error) {
	f := unfold(err)
	if several := joined(f.Err); several != nil {
		for _, one := range several {
			w.fault(fault.In(f.Op, "", one))
		}
	} else {
		w.message(f)
	}
	w.trace(frames(f, w.traced))
	w.hint(hint(f))
}

// longest is the size in bytes a message is cut at: a registry may answer with a
// whole page of HTML.
const longest = 8 << 10

func (w *faultWriter) message(f *fault.Error) {
	text := message(f)
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + " …"
	}
	first, rest, more := strings.Cut(strings.TrimRight(SafeLines(text), "\n"), "\n")
	w.b.WriteString(w.paint(red, "policy:") + " " + first + "\n")
	if more {
		w.b.WriteString(indented(rest, "  ") + "\n")
	}
}

func (w *faultWriter) hint(text string) {
	if text == "" || w.hinted[text] {
		return
	}
	w.hinted[text] = true
	w.b.WriteString("  " + w.paint(cyan, "hint:") + " " + Safe(text) + "\n")
}

func (w *faultWriter) paint(color, s string) string {
	return paint(w.p.Color && w.p.ErrTerminal, color, s)
}

// message is the fault in a sentence: verb, subject, cause.
func message(f *fault.Error) string {
	c := *f
	c.Err = errors.New(cause(f))
	return c.Error()
}

// cause is the sentence without verb and subject. What Go calls a cancelled
// context, people know by another name; once wrapped, it has a better one.
func cause(f *fault.Error) string {
	bare := errors.Unwrap(f.Err) == nil
	switch {
	case bare && errors.Is(f.Err, context.Canceled):
		return "interrupted"
	case bare && errors.Is(f.Err, context.DeadlineExceeded):
		return "the time is up"
	}
	return f.Err.Error()
}

// hint is what to type next, where the fault itself does not know better.
func hint(f *fault.Error) string {
	switch {
	case f.Hint != "":
		return f.Hint
	case f.Kind == fault.Internal:
		return "this is a defect of policy: please report it at https://github.com/policyhost/policy/issues"
	case f.Kind == fault.Limit && errors.Is(f.Err, context.DeadlineExceeded):
		return "allow more time: --timeout 10m"
	}
	return ""
}

// unfold gives the fault in err. One that is the only one of several is taken out
// of the list, and keeps what is known around it.
func unfold(err error) *fault.Error {
	f := fault.Of(err)
	several := joined(f.Err)
	if len(several) != 1 {
		return f
	}
	c := *unfold(fault.In(f.Op, f.Subject, several[0]))
	if c.Hint == "" {
		c.Hint = f.Hint
	}
	if len(f.Trace) > 0 && (len(c.Trace) == 0 || &f.Trace[0] != &c.Trace[0]) {
		c.Trace = append(slices.Clone(f.Trace), c.Trace...)
	}
	return &c
}

// joined gives the errors that errors.Join made one of, nil for any other error.
// An error that wraps several with text of its own is one.
func joined(err error) []error {
	if reflect.TypeOf(err) != reflect.TypeOf(errors.Join(io.EOF)) {
		return nil
	}
	return err.(interface{ Unwrap() []error }).Unwrap()
}

// faultDocument is a fault as the formats JSON and YAML show it.
type faultDocument struct {
	Error *faultJSON `json:"error"`
}

type faultJSON struct {
	Kind    fault.Kind    `json:"kind"`
	Op      string        `json:"op,omitempty"`
	Subject string        `json:"subject,omitempty"`
	Message string        `json:"message"`
	Hint    string        `json:"hint,omitempty"`
	Trace   []fault.Frame `json:"trace,omitempty"`
	Errors  []*faultJSON  `json:"errors,omitempty"` // each of several, when this is their sum
}

func newFaultJSON(err error, traced map[*fault.Frame]bool) *faultJSON {
	f := unfold(err)
	j := &faultJSON{Kind: f.Kind, Op: f.Op, Subject: f.Subject, Message: cause(f), Hint: hint(f)}
	for _, one := range joined(f.Err) {
		j.Errors = append(j.Errors, newFaultJSON(fault.In(f.Op, "", one), traced))
	}
	j.Trace = frames(f, traced)
	return j
}

// FaultText is what [Printer.Fault] writes of err as text, without colour.
func FaultText(err error) string {
	w := &faultWriter{p: &Printer{}, hinted: map[string]bool{}, traced: map[*fault.Frame]bool{}}
	w.fault(err)
	return w.b.String()
}
