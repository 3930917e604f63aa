package render

import (
	"fmt"
	"time"

	"github.com/vbauerster/mpb/v8/decor"

	"github.com/policyhost/policy/builtins"
)

// Between two lines about one list, where there are no bars.
const countPause = 5 * time.Second

// count is a long list on its way.
type count struct {
	start time.Time
	told  time.Time
	bar   *bar
}

// counted shows how far a list is: one bar on a terminal, once it turns out to be
// slow; else a line now and then.
func (t *tracker) counted(e builtins.Event) {
	c := t.counts[e.Subject]
	if c == nil {
		c = &count{start: e.Time, told: e.Time}
		t.counts[e.Subject] = c
	}
	if e.Total > 0 && e.Done >= e.Total {
		if c.bar != nil {
			c.bar.end()
		}
		delete(t.counts, e.Subject)
		return
	}
	if !t.p.Bars {
		if e.Time.Sub(c.told) >= countPause {
			c.told = e.Time
			t.p.lineLocked("policy: listing " + Safe(e.Subject) + ": " + repositories(e.Done, e.Total))
		}
		return
	}
	if c.bar == nil && e.Time.Sub(c.start) >= slow {
		c.bar = t.p.addBar("listing "+Safe(e.Subject), e.Total, func(s decor.Statistics) string {
			if s.Total <= 1 {
				return " " + repositories(s.Current, 0)
			}
			return " " + repositories(s.Current, s.Total)
		})
	}
	if c.bar != nil {
		c.bar.SetTotal(max(e.Total, 1), false)
		c.bar.SetCurrent(e.Done)
	}
}

func repositories(done, total int64) string {
	if total == 0 {
		return fmt.Sprintf("%d repositories so far", done)
	}
	return fmt.Sprintf("%d of %d repositories", done, total)
}
