package main

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime"
)

// record keeps what a pipeline does, for those who are told of it at the end.
type record struct {
	begin time.Time

	mu    sync.Mutex
	begun map[int64]*builtins.Step
	ended []*builtins.Step
	sums  map[string]render.Sum // by the verb, of all steps
	left  int                   // out of ended
}

// Of a run without end these are kept; what only reads, and quickly, never is.
const (
	mostSteps = 10_000
	quick     = 100 * time.Millisecond
)

// newRecord keeps the events of the session that is opened next.
func (a *app) newRecord() *record {
	r := &record{begin: time.Now(), begun: map[int64]*builtins.Step{}, sums: map[string]render.Sum{}}
	a.watching = append(a.watching, r.event)
	return r
}

func (r *record) event(e builtins.Event) {
	if e.Step == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := e.Step
	switch {
	case e.State == builtins.Began:
		delete(r.begun, s.Part)
		r.begun[s.ID] = s
	case s.Asked():
		delete(r.begun, s.ID)
	default:
		delete(r.begun, s.ID)
		r.sums[s.Verb] = r.sums[s.Verb].Add(s)
		if len(r.ended) < mostSteps && isTold(s) {
			r.ended = append(r.ended, s)
		} else if s.Changes() {
			r.left++
		}
	}
}

// isTold reports whether a step is worth telling of.
func isTold(s *builtins.Step) bool {
	switch s.Result.(type) {
	case *builtins.Decision, *builtins.TestReport:
		return true
	}
	return s.Changes() || s.Verb == render.TaskVerb || s.Took >= quick || s.Err != nil
}

// run is what became of the pipeline called name so far, and why it failed. What has
// not ended failed for the same reason.
func (r *record) run(name string, tasks []runtime.Task, err error) render.Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	run := render.Run{Name: name, Begin: r.begin, Took: time.Since(r.begin), Err: err, Steps: slices.Clone(r.ended), Sums: maps.Clone(r.sums), Left: r.left}
	for s := range maps.Values(r.begun) {
		cut := *s
		cut.Took, cut.Err = time.Since(s.Begin), err
		run.Steps = append(run.Steps, &cut)
	}
	slices.SortStableFunc(run.Steps, func(a, b *builtins.Step) int { return cmp.Compare(a.ID, b.ID) })
	for _, t := range tasks {
		run.Tasks = append(run.Tasks, render.RunTask{Name: t.Name, Deps: t.Deps, Summary: t.Summary})
	}
	for _, s := range run.Steps {
		run.Tests = append(run.Tests, testsOf(s)...)
		for _, image := range imagesOf(s) {
			run.Images = append(run.Images, render.RunImage{Verb: s.Verb, Image: image})
		}
	}
	return run
}

// tell tells of a run that ended: to GitHub, to the person at the terminal, and in a
// report that was asked for.
func (p *pipeline) tell(s *session, c *call, err error) error {
	if p.record == nil {
		return nil
	}
	run := p.record.run(p.typed+" "+c.function, c.order, err)
	s.stop()
	if s.rehearsal == nil {
		s.writeSummary(run)
		s.printer.Epilogue(run)
	}
	return s.writeReport(c.host.Report, run)
}

func testsOf(s *builtins.Step) []*builtins.TestReport {
	if report, ok := s.Result.(*builtins.TestReport); ok && report != nil {
		return []*builtins.TestReport{report}
	}
	return nil
}

// imagesOf are the images that a step made, named or moved.
func imagesOf(s *builtins.Step) []*builtins.Image {
	var images builtins.Images
	switch r := s.Result.(type) {
	case *builtins.Image:
		images = builtins.Images{r}
	case builtins.Images:
		images = r
	}
	if s.Effect != builtins.Write {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(images), func(i *builtins.Image) bool { return i == nil })
}
