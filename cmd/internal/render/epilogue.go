package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/policyhost/policy/builtins"
)

// Sum is how often a verb did what.
type Sum struct {
	Done, Unchanged, Cached, Failed int
}

// Add is the sum with one more step.
func (s Sum) Add(step *builtins.Step) Sum {
	switch {
	case step.Err != nil:
		s.Failed++
	case step.Unchanged:
		s.Unchanged++
	default:
		s.Done++
	}
	if step.Cached {
		s.Cached++
	}
	return s
}

// A run that took less is over before anybody wonders, and who reads a log sees
// longer ones only.
const (
	moment    = time.Second
	logMoment = 5 * time.Second
)

// deeds is what a verb has done to its subjects, in the order in which a pipeline
// does it.
var deeds = []struct{ verb, done string }{
	{"build", "built"}, {"pull", "pulled"}, {"tag", "tagged"}, {"copy", "copied"}, {"push", "pushed"},
	{"save", "saved"}, {"write", "written"}, {"rm", "removed"},
}

// slowest is how many steps are named that took long.
const slowest = 3

// Epilogue writes to Err, in two lines, what a run did that changed something and
// took longer than a moment: sums, and the slowest steps. With Quiet it writes
// nothing, with Verbosity also of a run that was quick.
func (p *Printer) Epilogue(r Run) {
	sums := r.summed()
	at := logMoment
	if p.Bars {
		at = moment
	}
	if p.Quiet || sums == "" || p.Verbosity == 0 && r.Took < at {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lineLocked("policy: " + sums + " in " + Took(r.Took))
	if slow := r.slow(); slow != "" {
		p.lineLocked("policy: slowest: " + slow)
	}
}

// summed is "2 built, 3 pushed, 1 unchanged, 1 found in the build cache, 1 failed".
func (r Run) summed() string {
	var all []string
	unchanged, failed, cached := 0, 0, 0
	for _, d := range deeds {
		s := r.Sums[d.verb]
		unchanged, failed, cached = unchanged+s.Unchanged, failed+s.Failed, cached+s.Cached
		if s.Done > 0 {
			all = append(all, fmt.Sprintf("%d %s", s.Done, d.done))
		}
	}
	for _, n := range []struct {
		count int
		what  string
	}{{unchanged, "unchanged"}, {cached, "found in the build cache"}, {failed, "failed"}} {
		if n.count > 0 {
			all = append(all, fmt.Sprintf("%d %s", n.count, n.what))
		}
	}
	return strings.Join(all, ", ")
}

// slow are the steps that took longest, those that took a moment.
func (r Run) slow() string {
	steps := slices.DeleteFunc(slices.Clone(r.Steps), func(s *builtins.Step) bool {
		return s.Took < slow || s.Verb == TaskVerb
	})
	slices.SortStableFunc(steps, func(a, b *builtins.Step) int { return cmp.Compare(b.Took, a.Took) })
	var all []string
	seen := map[int64]bool{} // a step with several changes took its time once
	for _, s := range steps {
		if !seen[s.ID] && len(all) < slowest {
			all = append(all, Safe(strings.TrimSpace(s.Verb+" "+s.Subject))+" "+Took(s.Took))
		}
		seen[s.ID] = true
	}
	return strings.Join(all, ", ")
}

// Took is a time as people read it: 850ms, 3.2s, 4m10s.
func Took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "<1ms"
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}
