package render_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/render"
)

// TestCounting: a long list is one bar on a terminal, a line now and then
// elsewhere, and nothing at all when it is quick.
func TestCounting(t *testing.T) {
	t.Parallel()
	run := func(p *render.Printer, between time.Duration) string {
		var b bytes.Buffer
		p.Err = &b
		send, stop := p.Progress()
		at := noon
		for done := int64(100); done <= 1000; done += 100 { // the catalog
			at = at.Add(between)
			send(builtins.Event{Time: at, State: builtins.Counting, Subject: "ghcr.io", Done: done})
		}
		for done := int64(1); done <= 1000; done++ {
			at = at.Add(between)
			send(builtins.Event{Time: at, State: builtins.Counting, Subject: "ghcr.io", Done: done, Total: 1000})
		}
		stop()
		return b.String()
	}
	if got := run(new(render.Printer), time.Millisecond); got != "" {
		t.Errorf("a quick list: %q", got)
	}
	got := run(new(render.Printer), 50*time.Millisecond) // 50 s in all
	lines := strings.Split(strings.TrimSpace(got), "\n")
	if len(lines) != 10 || lines[0] != "policy: listing ghcr.io: 91 of 1000 repositories" {
		t.Errorf("%d lines:\n%s", len(lines), got)
	}
	if got := run(&render.Printer{Bars: true, ErrTerminal: true, Width: 80}, 50*time.Millisecond); strings.Contains(got, "policy: listing") || strings.Count(got, "\n") > 12 {
		t.Errorf("more than a bar:\n%q", got)
	}
}
