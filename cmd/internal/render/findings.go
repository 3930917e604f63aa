package render

import (
	"fmt"
	"strings"

	"github.com/policyhost/policy/builtins"
)

// checkReport writes each finding with its line and what to type instead; then
// how many there are.
func (p *Printer) checkReport(r *builtins.CheckReport) string {
	var b strings.Builder
	for i := range r.Findings {
		p.finding(&b, &r.Findings[i])
	}
	fmt.Fprintf(&b, "%s: ", counted(r.Files, "file"))
	switch {
	case len(r.Findings) == 0:
		b.WriteString("nothing found\n")
	case r.Warnings == 0:
		b.WriteString(counted(r.Errors, "error") + "\n")
	case r.Errors == 0:
		b.WriteString(counted(r.Warnings, "warning") + "\n")
	default:
		b.WriteString(counted(r.Errors, "error") + ", " + counted(r.Warnings, "warning") + "\n")
	}
	return b.String()
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (p *Printer) finding(b *strings.Builder, f *builtins.Finding) {
	colored, color := p.Color && p.OutTerminal, red
	if f.Severity == builtins.SeverityWarning {
		color = yellow
	}
	b.WriteString(Safe(f.File))
	if f.Line > 0 {
		fmt.Fprintf(b, ":%d:%d", f.Line, max(f.Col, 1))
	}
	first, rest, _ := strings.Cut(strings.TrimRight(SafeLines(f.Message), "\n"), "\n")
	fmt.Fprintf(b, ": %s: %s [%s]\n", paint(colored, color, f.Severity), first, Safe(f.Code))
	if rest != "" {
		b.WriteString(indented(rest, "    ") + "\n")
	}
	if strings.TrimSpace(f.Source) != "" {
		source, caret := excerpt(f.Source, f.Col, p.Width)
		width := max(1, min(f.Width, displayWidth(source)-caret))
		fmt.Fprintf(b, "    %s\n    %s%s\n", source, strings.Repeat(" ", caret), paint(colored, color, strings.Repeat("^", width)))
	}
	if f.Hint != "" {
		b.WriteString("    " + paint(colored, cyan, "hint:") + " " + Safe(f.Hint) + "\n")
	}
}

// workflowCommands make a job at GitHub mark the lines that findings are about.
func workflowCommands(r *builtins.CheckReport) string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "::%s file=%s", f.Severity, inProperty(f.File))
		if f.Line > 0 {
			fmt.Fprintf(&b, ",line=%d,col=%d,endColumn=%d", f.Line, max(f.Col, 1), max(f.Col, 1)+max(f.Width, 1))
		}
		fmt.Fprintf(&b, ",title=%s::%s\n", inProperty(f.Code), inData(SafeLines(withHint(f))))
	}
	return b.String()
}

func withHint(f builtins.Finding) string {
	if f.Hint == "" {
		return f.Message
	}
	return f.Message + "\nhint: " + f.Hint
}
