package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/syntax"

	"github.com/policyhost/policy/runtime/fault"
)

// Finding is a mistake that a script's text shows, or a warning about it.
type Finding struct {
	Pos     Position
	Width   int    // of the place in its line, in characters; at least 1
	Source  string // the line
	Code    string // what kind it is of, for example "unknown-keyword"; see spec/language.md
	Warning bool   // it may be meant; what is none stops a run before it begins
	Message string
	Hint    string // what to type instead, or empty
	Replace string // what to put in place of the text there, when that is certain enough to offer

	fault *fault.Error
	fn    string        // the function it is in
	way   []fault.Frame // the load statements that led to its file
}

// Check looks for mistakes in a script without running any of it: names and types
// that do not exist, calls that do not fit what is called, attributes that a
// result has not, files that cannot be loaded; and, as warnings, what is unused,
// unreachable, hidden or wrongly documented. What is not certain is left alone.
// The files that it loads are read for what they define; their own mistakes are
// found when they are checked themselves. The findings are in the order of the
// file. Check stops looking into other files when ctx ends.
func (h *Host) Check(ctx context.Context, src Source) []Finding {
	l := newLoader(h, src)
	defer l.close()
	m := l.mainModule(src)
	l.modules[m.key()] = m
	if err := parse(m, src.Body); err != nil {
		return []Finding{l.unreadableFinding(err)}
	}
	if h.Package != nil {
		if err := l.discover(ctx, m); err != nil {
			return []Finding{l.unreadableFinding(err)}
		}
	}
	c := newChecker(ctx, l, m)
	c.check()
	c.warn()
	return c.sorted()
}

// check refuses a script with mistakes, in the main file or in files of the
// project that it loads, before any of it runs. Files that cannot be loaded are
// left to whoever loads them, unless there is more to say.
func (r *run) check(main *module) error {
	l := r.loader
	var all []Finding
	seen := map[string]bool{}
	var visit func(m *module, way []fault.Frame)
	visit = func(m *module, way []fault.Frame) {
		if seen[m.key()] || m.std || r.ctx.Err() != nil {
			return
		}
		seen[m.key()] = true
		c := newChecker(r.ctx, l, m)
		c.check()
		for _, f := range c.sorted() {
			f.way = way
			all = append(all, f)
		}
		for _, load := range m.loads() {
			if other, err := l.peek(m, load.ModuleName()); err == nil {
				visit(other, append(slices.Clone(way), l.frame(c.function(), load.Load)))
			}
		}
	}
	visit(main, nil)
	if !slices.ContainsFunc(all, func(f Finding) bool { return f.Code != codeLoad }) {
		return nil
	}
	return l.refuse(all)
}

// refuse is the fault of a script with mistakes: the first, and the others below
// it.
func (l *loader) refuse(all []Finding) error {
	first := all[0]
	var more strings.Builder
	var faults []error
	for i, f := range all {
		faults = append(faults, f.fault)
		if i > 0 {
			fmt.Fprintf(&more, "\n%s: %s", f.Pos, f.Message)
			if f.Hint != "" {
				fmt.Fprintf(&more, " (%s)", f.Hint)
			}
		}
	}
	f := *first.fault
	f.Kind = fault.Of(fault.Join(faults...)).Kind
	if more.Len() > 0 {
		f.Err = fmt.Errorf("%w%s", f.Err, more.String())
	}
	if f.Op == "" && f.Subject == "" {
		f.Subject = first.Pos.String()
	}
	f.Trace = append(first.way, fault.Frame{Func: first.fn, File: first.Pos.File, Line: first.Pos.Line, Col: first.Pos.Col, Source: first.Source})
	return &checked{&f}
}

// checked is a fault that has its place already.
type checked struct{ fault *fault.Error }

func (c *checked) Error() string { return c.fault.Error() }
func (c *checked) Unwrap() error { return c.fault }

// unreadableFinding is the finding of a file that does not parse.
func (l *loader) unreadableFinding(err error) Finding {
	f := l.fault(err)
	found := Finding{Width: 1, Code: "syntax", Message: f.Err.Error(), Hint: f.Hint, fault: f}
	if n := len(f.Trace); n > 0 {
		at := f.Trace[n-1]
		found.Pos, found.Source = Position{at.File, at.Line, at.Col}, at.Source
	}
	return found
}

// report adds a finding at a place of the file. The fault's kind, verb, subject
// and hint are as a run would give them.
func (c *checker) report(pos syntax.Position, width int, code string, f *fault.Error) *Finding {
	if c.forgiving > 0 {
		return new(Finding)
	}
	c.found = append(c.found, Finding{
		Pos: position(pos), Width: max(width, 1), Source: c.loader.line(pos.Filename(), int(pos.Line)),
		Code: code, Message: f.Error(), Hint: f.Hint, fault: f, fn: c.function(),
	})
	return &c.found[len(c.found)-1]
}

func (c *checker) warnAt(pos syntax.Position, width int, code, hint, format string, args ...any) *Finding {
	f := c.report(pos, width, code, scriptFault("", hint, format, args...))
	f.Warning = true
	return f
}

func (c *checker) sorted() []Finding {
	slices.SortStableFunc(c.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
	return c.found
}

// meant is the word that a hint suggests, empty when it suggests none.
func meant(hint string) string {
	_, rest, ok := strings.Cut(hint, `did you mean "`)
	if !ok {
		return ""
	}
	word, _, _ := strings.Cut(rest, `"`)
	return word
}

// placeOf is where a node begins and how wide it is; 1 when it ends in another
// line.
func placeOf(n syntax.Node) (syntax.Position, int) {
	start, end := n.Span()
	if start.Line != end.Line {
		return start, 1
	}
	return start, int(end.Col - start.Col)
}

// asFault is the fault in err, which is not to be changed.
func asFault(err error) *fault.Error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		c := *f
		return &c
	}
	return scriptFault("", "", "%w", err)
}
