package runtime

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/policyhost/policy/runtime/fault"
)

// fault turns any error of a run into a fault with the script's call stack. A
// fault of a builtin, however deep, stays what it is; an error of the language
// becomes Script and names its place.
func (l *loader) fault(err error) *fault.Error {
	trace := l.trace(err)
	if c, ok := errors.AsType[*checked](err); ok {
		return c.fault
	}
	if p, ok := errors.AsType[*placed](err); ok {
		return l.placedFault(p, trace)
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		c := *f
		c.Trace = append(trace, f.Trace...)
		return &c
	}
	if names, ok := errors.AsType[*nameErrors](err); ok {
		return l.nameFault(names, trace)
	}
	if bad, ok := errors.AsType[syntax.Error](err); ok {
		return l.script(append(trace, l.frame("", bad.Pos)), errors.New(bad.Msg))
	}
	eval := innermost(err)
	if eval == nil {
		f := *fault.Of(err)
		f.Trace = trace
		return &f
	}
	cause := errors.Unwrap(eval)
	if cause == nil {
		cause = errors.New(eval.Msg)
	}
	return l.script(trace, cause)
}

// script is a fault of the language at the end of a trace.
func (l *loader) script(trace []fault.Frame, err error) *fault.Error {
	f := &fault.Error{Kind: fault.Script, Err: err, Trace: trace}
	if len(trace) > 0 {
		last := trace[len(trace)-1]
		f.Subject = Position{last.File, last.Line, last.Col}.String()
	}
	return f
}

// nameFault reports all refused names; the trace and the hint are those of the
// first.
func (l *loader) nameFault(names *nameErrors, trace []fault.Frame) *fault.Error {
	text, hint := names.describe(l, 0)
	var more strings.Builder
	for i, other := range names.list[1:] {
		also, hint := names.describe(l, i+1)
		if hint != "" {
			also += " (" + hint + ")"
		}
		fmt.Fprintf(&more, "\n%s: %s", position(other.Pos), also)
	}
	f := l.script(append(trace, l.frame("", names.list[0].Pos)), errors.New(text+more.String()))
	f.Hint = hint
	return f
}

// innermost is the evaluation error nearest to the cause.
func innermost(err error) *starlark.EvalError {
	var last *starlark.EvalError
	for err != nil {
		if e, ok := err.(*starlark.EvalError); ok { //nolint:errorlint // the loop unwraps
			last = e
		}
		err = errors.Unwrap(err)
	}
	return last
}

// trace is the call stack of err, outermost first. An error that passed through
// a load has several: those of one thread repeat their beginning.
func (l *loader) trace(err error) []fault.Frame {
	var stack starlark.CallStack
	for ; err != nil; err = errors.Unwrap(err) {
		e, ok := err.(*starlark.EvalError) //nolint:errorlint // the loop unwraps
		if !ok {
			continue
		}
		if n := len(stack); len(e.CallStack) >= n && slices.Equal(e.CallStack[:n], stack) {
			stack = e.CallStack
		} else {
			stack = append(slices.Clone(stack), e.CallStack...)
		}
	}
	var frames []fault.Frame
	for _, call := range stack {
		if call.Pos.Line > 0 { // builtins have no place: the call does
			frames = append(frames, l.frame(call.Name, call.Pos))
		}
	}
	return frames
}

func (l *loader) frame(name string, pos syntax.Position) fault.Frame {
	f := fault.Frame{Func: name, File: pos.Filename(), Line: int(pos.Line), Col: int(pos.Col)}
	f.Source = l.line(f.File, f.Line)
	f.Col = callee(f.Source, f.Col)
	return f
}

// callee moves the column of a call from its parenthesis, where the interpreter
// puts it, to the name that is called.
func callee(line string, col int) int {
	runes := []rune(line)
	if col < 2 || col > len(runes) || runes[col-1] != '(' {
		return col
	}
	start := col - 1
	for start > 0 && isName(runes[start-1]) {
		start--
	}
	if start == col-1 {
		return col
	}
	return start + 1
}

func isName(r rune) bool {
	return r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// identifierAt is the name that starts at a column of a line.
func identifierAt(line string, col int) string {
	runes := []rune(line)
	if col < 1 || col > len(runes) {
		return ""
	}
	end := col - 1
	for end < len(runes) && isName(runes[end]) && runes[end] != '.' {
		end++
	}
	return string(runes[col-1 : end])
}

// caller is the place of the innermost call in a script: a builtin may have been
// called by another, such as sorted, or by a branch that waits for it.
func caller(thread *starlark.Thread) Position { return position(callPlace(thread)) }

func callPlace(thread *starlark.Thread) syntax.Position {
	for b := branchOf(thread); b != nil; b = b.parent {
		for depth := range b.thread.CallStackDepth() {
			if pos := b.thread.CallFrame(depth).Pos; pos.Line > 0 {
				return pos
			}
		}
	}
	return syntax.Position{}
}

func position(p syntax.Position) Position {
	return Position{File: p.Filename(), Line: int(p.Line), Col: int(p.Col)}
}

func quote(s string) string { return fmt.Sprintf("%q", s) }

// placed is an error at a place in a script that no call stack names.
type placed struct {
	pos     syntax.Position
	fn      string // that it is in
	instead bool   // of the innermost place of the stack
	err     *fault.Error
}

func (p *placed) Error() string { return p.err.Error() }
func (p *placed) Unwrap() error { return p.err }

func placedFault(pos syntax.Position, hint, format string, args ...any) error {
	return &placed{pos: pos, err: scriptFault("", hint, format, args...)}
}

// placedFault adds the place to the trace of the error.
func (l *loader) placedFault(p *placed, trace []fault.Frame) *fault.Error {
	if n := len(trace); p.instead && n > 0 {
		trace = trace[:n-1]
	}
	f := *p.err
	f.Trace = append(trace, l.frame(p.fn, p.pos))
	if f.Op == "" && f.Subject == "" {
		f.Subject = position(p.pos).String()
	}
	return &f
}
