package render

import "io"

// Print writes what a script prints to Err, above any bars. It is not dropped
// when Quiet: it is the script's own voice.
func (p *Printer) Print(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lineLocked(SafeLines(text))
}

// lineLocked writes one line to Err, above any bars. The caller holds the lock.
func (p *Printer) lineLocked(text string) {
	text = p.scrub(text) + "\n"
	if p.bars != nil && p.bars.print(text) {
		return
	}
	_, _ = io.WriteString(p.Err, text) // a notice that cannot be shown is not worth failing for
}
