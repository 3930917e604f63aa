package render

import (
	"strings"
	"time"

	"github.com/vbauerster/mpb/v8/decor"

	"github.com/policyhost/policy/builtins"
)

// row is a step at work: a task, or what a verb does. It shows on a terminal once it
// turns out to be slow.
type row struct {
	label string
	bar   *bar // nil as long as it is not slow
	timer *time.Timer
}

// transferring are the verbs whose transfers show how far they are.
var transferring = map[string]bool{"push": true, "pull": true, "copy": true}

// began remembers a step that may get a row. The lock is held.
func (t *tracker) began(s *builtins.Step) {
	if whole := t.rows[s.Part]; whole != nil { // each part has its own
		whole.end()
		delete(t.rows, s.Part)
	}
	if !t.p.Bars || transferring[s.Verb] || t.over {
		return
	}
	r := &row{label: stepName(s)}
	t.rows[s.ID] = r
	r.timer = time.AfterFunc(slow, func() {
		t.p.mu.Lock()
		defer t.p.mu.Unlock()
		if t.over || t.rows[s.ID] != r {
			return
		}
		r.bar = t.p.addBar(r.label, noBar, func(decor.Statistics) string { return Took(t.p.now().Sub(s.Begin)) })
	})
}

// stepped ends a row, and leaves a line of a task that had one or was slow, and of
// what somebody has waited for. The lock is held.
func (t *tracker) stepped(s *builtins.Step) {
	r := t.rows[s.ID]
	delete(t.rows, s.ID)
	shown := r != nil && r.bar != nil
	if r != nil {
		r.end()
	}
	worth := s.Took >= waiting && !transferring[s.Verb]
	if s.Verb == TaskVerb {
		worth = shown || s.Took >= slowLine
	}
	if !worth || s.Asked() {
		return
	}
	if s.Err != nil {
		t.p.lineLocked(stepName(s) + " failed after " + Took(s.Took))
		return
	}
	t.p.lineLocked(stepName(s) + ", " + Took(s.Took))
}

func (r *row) end() {
	r.timer.Stop()
	if r.bar != nil {
		r.bar.end()
	}
}

func stepName(s *builtins.Step) string { return Safe(strings.TrimSpace(s.Verb + " " + s.Subject)) }

// stop ends the display. A row whose time comes later does not show.
func (t *tracker) stop() {
	t.p.mu.Lock()
	t.over = true
	for id, r := range t.rows {
		r.timer.Stop()
		delete(t.rows, id)
	}
	t.p.mu.Unlock()
	t.p.stopBars()
}
