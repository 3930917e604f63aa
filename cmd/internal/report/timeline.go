package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/render"
)

// bar is a step in the timeline: where it begins and how wide it is, in percent of
// the whole.
type bar struct {
	Label, Verb, Subject, Took, State, Task string
	Left, Width                             string
	IsTask                                  bool
}

// tick is a mark on the axis.
type tick struct{ Left, Text string }

// mostBars is how many steps the timeline shows: the longest ones.
const mostBars = 400

// timeline lays out the steps by when they began, those of a task below it.
func (b *builder) timeline() (ticks []tick, bars []bar, cut int) {
	steps := byTask(shownSteps(b.run.Steps))
	cut = len(steps) - mostBars
	if cut > 0 {
		steps = steps[:mostBars]
	}
	var whole time.Duration
	for _, s := range steps {
		whole = max(whole, s.Begin.Sub(b.run.Begin)+s.Took)
	}
	for _, s := range steps {
		left := percent(s.Begin.Sub(b.run.Begin), whole)
		bars = append(bars, bar{
			Verb: b.safe(s.Verb), Subject: lastOf(b.safe(s.Subject)), Took: render.Took(s.Took), State: state(s), Task: b.safe(s.Site.Task),
			Left: fmt.Sprintf("%.2f", left), Width: fmt.Sprintf("%.2f", max(0.2, min(percent(s.Took, whole), 100-left))),
			IsTask: s.Verb == render.TaskVerb,
			Label:  b.safe(strings.TrimSpace(s.Verb + " " + s.Subject)),
		})
	}
	if len(bars) > 0 {
		for i := range 5 {
			text := "0"
			if i > 0 {
				text = render.Took(whole * time.Duration(i) / 4)
			}
			ticks = append(ticks, tick{fmt.Sprint(i * 25), text})
		}
	}
	return ticks, bars, max(0, cut)
}

// byTask puts each step behind its task.
func byTask(steps []*builtins.Step) []*builtins.Step {
	order := map[string]int64{} // of the tasks, by when they began
	for _, s := range steps {
		if s.Verb == render.TaskVerb {
			order[s.Subject] = s.ID
		}
	}
	key := func(s *builtins.Step) int64 { return cmp.Or(order[s.Site.Task], s.ID) }
	slices.SortStableFunc(steps, func(a, b *builtins.Step) int { return cmp.Or(cmp.Compare(key(a), key(b)), cmp.Compare(a.ID, b.ID)) })
	return steps
}

// longestLabel is how much of a subject stands before its bar, in letters.
const longestLabel = 36

// lastOf shortens a subject from the left: the end is what tells references apart.
func lastOf(subject string) string {
	runes := []rune(subject)
	if len(runes) <= longestLabel {
		return subject
	}
	return "…" + string(runes[len(runes)-longestLabel+1:])
}

// shownSteps are the steps, each once though it changed several things.
func shownSteps(all []*builtins.Step) []*builtins.Step {
	var once []*builtins.Step
	seen := map[int64]bool{}
	for _, s := range all {
		if !seen[s.ID] {
			once = append(once, s)
		}
		seen[s.ID] = true
	}
	return once
}
