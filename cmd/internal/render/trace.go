package render

import (
	"errors"
	"fmt"
	"strings"

	"github.com/policyhost/policy/runtime/fault"
)

// frames is the whole call stack of a fault, outermost call first. A fault that
// crossed from one stack into another (a parallel branch) carries both. Stacks in
// seen are left out, since a copy of a fault shares its own.
func frames(f *fault.Error, seen map[*fault.Frame]bool) []fault.Frame {
	var all []fault.Frame
	for f != nil {
		if len(f.Trace) > 0 && !seen[&f.Trace[0]] {
			seen[&f.Trace[0]] = true
			all = append(all, f.Trace...)
		}
		if joined(f.Err) != nil {
			return all // those tell of their own
		}
		f, _ = errors.AsType[*fault.Error](f.Err)
	}
	return all
}

// Of a long stack, as endless recursion makes, the two ends are shown.
const (
	firstFrames = 8
	lastFrames  = 12
)

func (w *faultWriter) trace(all []fault.Frame) {
	for i, f := range all {
		hidden := len(all) - firstFrames - lastFrames
		if hidden > 1 && i >= firstFrames && i < firstFrames+hidden {
			if i == firstFrames {
				fmt.Fprintf(&w.b, "  … %d more calls …\n", hidden)
			}
			continue
		}
		w.frame(f)
	}
}

// frame writes where a call stands, its source line, and a caret below the
// column.
func (w *faultWriter) frame(f fault.Frame) {
	w.b.WriteString("  " + Safe(f.File))
	if f.Line > 0 {
		fmt.Fprintf(&w.b, ":%d", f.Line)
		if f.Col > 0 {
			fmt.Fprintf(&w.b, ":%d", f.Col)
		}
	}
	if f.Func != "" {
		if f.File != "" {
			w.b.WriteString(": ")
		}
		w.b.WriteString("in " + Safe(f.Func))
	}
	w.b.WriteByte('\n')
	if strings.TrimSpace(f.Source) == "" {
		return
	}
	source, caret := excerpt(f.Source, f.Col, w.p.Width)
	w.b.WriteString("      " + source + "\n")
	if f.Col > 0 {
		w.b.WriteString("      " + strings.Repeat(" ", caret) + w.paint(red, "^") + "\n")
	}
}

// excerpt is the source line without its indentation, made safe and cut to fit
// around the column, and the number of spaces that put a caret below it.
func excerpt(source string, col, width int) (line string, caret int) {
	const around = 100 // runes to keep on a terminal of unknown width
	if width == 0 {
		width = around
	}
	runes := []rune(strings.TrimRight(source, " \t\r\n"))
	col = min(max(col, 1), len(runes)+1) - 1
	start := 0
	for start < col && start < len(runes) && (runes[start] == ' ' || runes[start] == '\t') {
		start++
	}
	room := max(20, width-8)
	cut := ""
	if col-start > room*3/4 {
		start, cut = col-room/2, "…"
	}
	end := min(len(runes), start+room)
	before := cut + shown(runes[start:col])
	line = before + shown(runes[col:max(col, end)])
	if end < len(runes) {
		line += "…"
	}
	return line, displayWidth(before)
}

// shown is source text as it is printed: a tab is four spaces.
func shown(runes []rune) string {
	return Safe(strings.ReplaceAll(string(runes), "\t", "    "))
}
