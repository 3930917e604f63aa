package render

import (
	"fmt"
	"sync"
	"time"

	"github.com/policyhost/policy/builtins"
)

// What deserves a bar: a transfer that is large or turns out to be slow. Without
// bars, a line needs more than that, since lines stay.
const (
	large    = 1_000_000 // bytes
	slow     = 200 * time.Millisecond
	slowLine = 2 * time.Second
	waiting  = 10 * time.Second // between two lines of a transfer without a bar
)

// TaskVerb is the verb of the steps that are tasks of a pipeline.
const TaskVerb = "task"

// Progress returns where a run's events go, and what ends their display: the
// bars in flight disappear. On a terminal a transfer that is worth it has a bar,
// elsewhere a line every ten seconds, and everywhere a line when it is done. Retries, waits and warnings are lines.
// With Quiet nothing is shown and send is nil.
func (p *Printer) Progress() (send builtins.Events, stop func()) {
	if p.Quiet {
		return nil, func() {}
	}
	t := &tracker{p: p, transfers: map[transferKey]*transfer{}, counts: map[string]*count{}, rows: map[int64]*row{}}
	return t.event, sync.OnceFunc(t.stop)
}

// tracker knows the transfers in flight. The printer's lock guards it.
type tracker struct {
	p         *Printer
	transfers map[transferKey]*transfer
	counts    map[string]*count
	rows      map[int64]*row // of steps
	over      bool
}

type transferKey struct{ verb, subject, digest string }

type transfer struct {
	start time.Time
	told  time.Time // of it, where there are no bars
	total int64
	bar   *bar // nil as long as it is not worth one
}

func (t *tracker) event(e builtins.Event) {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	if e.Time.IsZero() {
		e.Time = t.p.now()
	}
	switch e.State {
	case builtins.Started, builtins.Progress:
		t.moved(e)
	case builtins.Done, builtins.Present, builtins.Failed:
		t.ended(e)
	case builtins.Counting:
		t.counted(e)
	case builtins.Began:
		t.began(e.Step)
	case builtins.Ended:
		t.stepped(e.Step)
	default:
		if text := notice(e); text != "" {
			t.p.lineLocked(text)
		}
	}
}

func (t *tracker) moved(e builtins.Event) {
	key := transferKey{e.Verb, e.Subject, e.Digest}
	tr := t.transfers[key]
	if tr == nil {
		tr = &transfer{start: e.Time, told: e.Time, total: e.Total}
		t.transfers[key] = tr
	}
	if e.Total > 0 {
		tr.total = e.Total
	}
	if tr.bar == nil && t.p.Bars && (tr.total >= large || e.Time.Sub(tr.start) >= slow) {
		tr.bar = t.p.addTransfer(Safe(e.Verb+" "+e.Subject), tr.total, e.Done)
	}
	if tr.bar != nil {
		tr.bar.SetCurrent(e.Done)
	} else if e.Time.Sub(tr.told) >= waiting {
		tr.told = e.Time
		t.p.lineLocked(name(e) + ", " + sofar(e.Done, tr.total))
	}
}

func (t *tracker) ended(e builtins.Event) {
	key := transferKey{e.Verb, e.Subject, e.Digest}
	tr := t.transfers[key]
	delete(t.transfers, key)
	if tr == nil {
		tr = &transfer{start: e.Time}
	}
	elapsed := e.Time.Sub(tr.start)
	size := max(e.Total, e.Done, tr.total)
	worth := e.State == builtins.Done && (size >= large || elapsed >= slowLine)
	if tr.bar != nil {
		tr.bar.end()
		worth = e.State == builtins.Done // what had a bar leaves a line
	}
	if worth || t.p.Verbosity > 0 {
		t.p.lineLocked(transferred(e, size, elapsed))
	}
}

// transferred is the line that tells of a transfer that ended.
func transferred(e builtins.Event, size int64, elapsed time.Duration) string {
	switch e.State {
	case builtins.Present:
		return name(e) + " is there already"
	case builtins.Failed:
		return name(e) + " failed"
	}
	return name(e) + ", " + summary(size, elapsed)
}

// name is "pull ghcr.io/acme/authz:1.0: 9c1f20aa4b1e".
func name(e builtins.Event) string {
	what := Safe(e.Verb + " " + e.Subject)
	if id := shortID(e.Digest); id != "" {
		what += ": " + Safe(id)
	}
	return what
}

// sofar is "12.3 MB of 210.3 MB".
func sofar(done, total int64) string {
	if total <= 1 {
		return humanSize(done)
	}
	return humanSize(done) + " of " + humanSize(total)
}

func summary(size int64, elapsed time.Duration) string {
	return fmt.Sprintf("%s in %.1fs", humanSize(size), elapsed.Seconds())
}

// notice is the line of an event that speaks to people, empty for a state it does
// not know.
func notice(e builtins.Event) string {
	subject := ""
	if e.Subject != "" {
		subject = Safe(e.Subject) + ": "
	}
	switch e.State {
	case builtins.Retrying:
		return fmt.Sprintf("policy: %s%s; trying again in %s", subject, Safe(e.Message), e.Delay.Round(100*time.Millisecond))
	case builtins.Waiting:
		return fmt.Sprintf("policy: %swaiting for the lock held by %s", subject, Safe(e.Message))
	case builtins.Printed:
		return SafeLines(e.Message)
	case builtins.Warning:
		return "policy: warning: " + subject + Safe(e.Message)
	case builtins.Noted:
		return "policy: " + subject + Safe(e.Message)
	}
	return ""
}
