package render

import (
	"fmt"
	"io"
)

// Warn writes a warning to Err. Quiet drops it.
func (p *Printer) Warn(format string, args ...any) {
	if p.Quiet {
		return
	}
	p.line(paint(p.Color && p.ErrTerminal, yellow, "policy: warning:") + " " + Safe(fmt.Sprintf(format, args...)))
}

// Print writes what a script prints to Err, above any bars. It is not dropped
// when Quiet: it is the script's own voice.
func (p *Printer) Print(text string) { p.line(SafeLines(text)) }

// line writes one line to Err, above any bars.
func (p *Printer) line(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lineLocked(text)
}

func (p *Printer) lineLocked(text string) {
	text = p.scrub(text) + "\n"
	if p.bars != nil && p.bars.print(text) {
		return
	}
	_, _ = io.WriteString(p.Err, text) // a notice that cannot be shown is not worth failing for
}
