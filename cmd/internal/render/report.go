package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/policyhost/policy/builtins"
)

// testReport writes the tests that did not pass, or with -v every test, and what
// explains them; then the sums, and the lines that no test reached.
func (p *Printer) testReport(r *builtins.TestReport) string {
	var b strings.Builder
	for i := range r.Results {
		t := &r.Results[i]
		if t.Outcome == passed && p.Verbosity == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s %s (%s:%d)\n", p.outcome(t.Outcome), Safe(t.Name), Safe(t.File), t.Line)
		explain(&b, t)
		detail(&b, "output:", t.Output)
		detail(&b, "trace:", t.Trace)
	}
	if b.Len() > 0 {
		b.WriteString(strings.Repeat("-", 40) + "\n")
	}
	all := r.Passed + r.Failed + r.Skipped
	fmt.Fprintf(&b, "%s: %d/%d\n", p.outcome(passed), r.Passed, all)
	if r.Failed > 0 {
		fmt.Fprintf(&b, "%s: %d/%d\n", p.outcome(failed), r.Failed, all)
	}
	if r.Skipped > 0 {
		fmt.Fprintf(&b, "%s: %d/%d\n", p.outcome(skipped), r.Skipped, all)
	}
	if r.Coverage != nil {
		coverage(&b, r)
	}
	return b.String()
}

// The outcomes in a report; any other is an error.
const (
	passed  = "pass"
	failed  = "fail"
	skipped = "skip"
)

// outcome is PASS, FAIL, ERROR or SKIPPED, in its colour.
func (p *Printer) outcome(s string) string {
	word, color := "ERROR", red
	switch s {
	case passed:
		word, color = "PASS", green
	case failed:
		word, color = "FAIL", red
	case skipped:
		word, color = "SKIPPED", yellow
	}
	return paint(p.Color && p.OutTerminal, color, word)
}

// explain shows the expression that did not hold, both of its sides or where they
// differ, and the variables in it.
func explain(b *strings.Builder, t *builtins.TestResult) {
	detail(b, "", t.Expression)
	lines := differences(t.Expected, t.Actual)
	switch {
	case t.Expected == "" && t.Actual == "":
		detail(b, "", t.Message)
	case len(lines) > 0:
		detail(b, "", "- expected, + actual:")
		detail(b, "", strings.Join(lines, "\n"))
	default:
		detail(b, "expected: ", t.Expected)
		detail(b, "actual:   ", t.Actual)
	}
	for _, name := range slices.Sorted(maps.Keys(t.Vars)) {
		detail(b, "with "+name+" = ", t.Vars[name])
	}
}

// detail writes a text below its test; several lines go under the label.
func detail(b *strings.Builder, label, text string) {
	text = strings.TrimRight(SafeLines(text), "\n")
	switch {
	case text == "":
		return
	case strings.HasSuffix(label, ":") || label != "" && strings.Contains(text, "\n"):
		b.WriteString("    " + Safe(strings.TrimRight(label, " ")) + "\n" + indented(text, "      ") + "\n")
	default:
		b.WriteString(indented(Safe(label)+text, "    ") + "\n")
	}
}

func indented(text, by string) string {
	return by + strings.ReplaceAll(text, "\n", "\n"+by)
}

// coverage writes the percentage, and the lines that no test reached.
func coverage(b *strings.Builder, r *builtins.TestReport) {
	fmt.Fprintf(b, "coverage: %.1f%%", r.Coverage.Percent)
	if r.Coverage.Threshold > 0 {
		fmt.Fprintf(b, " (at least %.1f%% is wanted)", r.Coverage.Threshold)
	}
	b.WriteByte('\n')
	for _, f := range r.Coverage.Files {
		var missing []string
		for _, l := range f.Missing {
			lines := fmt.Sprint(l.First)
			if l.Last > l.First {
				lines = fmt.Sprintf("%d-%d", l.First, l.Last)
			}
			missing = append(missing, lines)
		}
		if len(missing) > 0 {
			fmt.Fprintf(b, "  %s: %.1f%%, not reached: %s\n", Safe(f.File), f.Percent, strings.Join(missing, ", "))
		}
	}
}
