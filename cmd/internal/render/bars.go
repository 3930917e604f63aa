package render

import (
	"fmt"
	"io"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// bars draws the transfers of a terminal with mpb, which starts with the first
// bar: a run that moves little never touches it.
type bars struct {
	container *mpb.Progress
	moving    map[*bar]bool
}

// bar is one transfer on the screen.
type bar struct {
	*mpb.Bar
	of *bars
}

// addTransfer shows a transfer that has moved done bytes so far; nil when the
// terminal is gone. The lock is held.
func (p *Printer) addTransfer(label string, total, done int64) *bar {
	start := p.now()
	return p.addBar(label, total, func(s decor.Statistics) string { return moving(s, done, p.now().Sub(start)) })
}

// noBar is the total of what has none: its row has a name and a state.
const noBar = -1

// addBar shows something that is at work, with its state behind the bar.
func (p *Printer) addBar(label string, total int64, state func(decor.Statistics) string) *bar {
	if p.bars == nil {
		p.bars = &bars{
			container: mpb.New(mpb.WithOutput(p.Err), mpb.WithWidth(p.Width), mpb.WithAutoRefresh()),
			moving:    map[*bar]bool{},
		}
	}
	// A total of 0 keeps mpb from ending the bar by itself when all bytes are
	// through: the transfer ends with its event.
	filler := mpb.BarStyle().Build()
	if total == noBar {
		filler = mpb.NopStyle().Build()
	}
	added, err := p.bars.container.Add(0, filler,
		// A bar begins at the margin: a Ctrl-C that was echoed moved the cursor.
		mpb.PrependDecorators(decor.Name("\r"+p.fit(label)+" ")),
		mpb.AppendDecorators(decor.Any(state)),
	)
	if err != nil {
		return nil
	}
	b := &bar{added, p.bars}
	p.bars.moving[b] = true
	b.SetTotal(max(total, 1), false)
	return b
}

// fit shortens a label to half the terminal, from the left: the tag is what
// tells images apart.
func (p *Printer) fit(label string) string {
	label = p.scrub(label)
	room := max(16, p.Width/2)
	if excess := displayWidth(label) - room; excess > 0 {
		return runewidth.TruncateLeft(label, excess+1, "…")
	}
	return label
}

// moving is "12.3 MB / 210.3 MB, 98.7 MB/s". Bytes that were there when the bar
// began say nothing of the rate.
func moving(s decor.Statistics, before int64, elapsed time.Duration) string {
	text := " " + humanSize(s.Current)
	if s.Total > 1 {
		text += " / " + humanSize(s.Total)
	}
	if elapsed > 0 && s.Current > before {
		text += fmt.Sprintf(", %s/s", humanSize(int64(float64(s.Current-before)/elapsed.Seconds())))
	}
	return text
}

// end takes the bar off the screen. The lock is held.
func (b *bar) end() {
	delete(b.of.moving, b)
	b.Abort(true)
}

// print writes a line above the bars; false when they are gone.
func (b *bars) print(text string) bool {
	_, err := b.container.Write([]byte(text))
	return err == nil
}

// stopBars takes the bars in flight off the screen and waits until it is still.
func (p *Printer) stopBars() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bars == nil {
		return
	}
	for b := range p.bars.moving {
		b.end()
	}
	p.bars.container.Wait()
	p.bars = nil
	_, _ = io.WriteString(p.Err, "\r\x1b[J") // and what an echo left goes with them
}
