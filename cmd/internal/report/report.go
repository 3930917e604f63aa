// Package report makes a page about a run of a pipeline: HTML without scripts and
// without anything from elsewhere, for a browser, a mail or an archive. It shows what
// the run was asked to do, what took how long, which images and decisions came out of
// it, and why it failed.
package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime/fault"
)

//go:embed page.html
var pageText string

//go:embed page.css
var style string

// Write writes the page of a run. Scrub takes secrets out of texts; version is of the
// program. It fails as w does.
func Write(w io.Writer, run render.Run, planned bool, version string, scrub func(string) string) error {
	page, err := template.New("page").Parse(pageText)
	if err != nil {
		return fmt.Errorf("the page of a report: %w", err)
	}
	b := &builder{run: run, safe: func(s string) string { return render.Safe(scrub(s)) }, lines: func(s string) string { return render.SafeLines(scrub(s)) }}
	return page.Execute(w, b.page(planned, version))
}

// page is what the template shows: texts that are safe, and numbers.
type page struct {
	Name, Outcome, Began, Took, Version string
	Style                               template.CSS
	Planned                             bool
	Left                                int
	Facts                               []fact
	Failures                            string
	Graph                               *graph
	Tasks                               []taskRow
	Ticks                               []tick
	Timeline                            []bar
	Cut                                 int // steps that the timeline leaves out
	Images                              []imageRow
	Others                              []imageRow
	Decisions                           []decisionRow
	Tests                               []testRow
}

type fact struct{ Count, What string }

type taskRow struct{ Name, State, Deps, Summary, Took string }

type imageRow struct{ Verb, Subject, Where, Before, After, State, At, Took, Size string }

type decisionRow struct{ Policy, Query, Result, Image, At, State string }

type testRow struct{ Outcome, Name, Place, Message string }

// builder makes the page of a run.
type builder struct {
	run   render.Run
	safe  func(string) string // one line
	lines func(string) string // several
}

func (b *builder) page(planned bool, version string) page {
	p := page{
		Name: b.safe(b.run.Name), Version: version, Style: template.CSS(style), Planned: planned, //nolint:gosec // our own
		Began: b.run.Begin.UTC().Format("2006-01-02 15:04:05 UTC"), Took: render.Took(b.run.Took),
		Left: b.run.Left, Outcome: done,
	}
	if b.run.Err != nil {
		p.Outcome, p.Failures = outcome(b.run.Err), b.lines(render.FaultText(b.run.Err))
	}
	p.Tasks = b.tasks()
	p.Graph = b.graph(p.Tasks)
	p.Ticks, p.Timeline, p.Cut = b.timeline()
	for _, s := range b.run.Steps {
		b.step(&p, s)
	}
	b.tests(&p)
	p.Facts = facts(&p)
	return p
}

// The states of tasks and steps, which are also the classes of their colours.
const (
	done     = "done"
	same     = "unchanged"
	failed   = "failed"
	canceled = "canceled"
	notRun   = "not run"
)

func outcome(err error) string {
	switch {
	case err == nil:
		return done
	case fault.Of(err).Kind == fault.Canceled:
		return canceled
	}
	return failed
}

func state(s *builtins.Step) string {
	if s.Err == nil && s.Unchanged {
		return same
	}
	return outcome(s.Err)
}

// step puts a step into the table that it belongs to.
func (b *builder) step(p *page, s *builtins.Step) {
	if d, ok := s.Result.(*builtins.Decision); ok && d != nil {
		p.Decisions = append(p.Decisions, b.decision(s, d))
		return
	}
	if !s.Changes() {
		return
	}
	row := imageRow{
		Verb: b.safe(s.Verb), Subject: b.safe(s.Subject), Where: s.Where, Before: b.safe(s.Before), After: b.safe(s.After),
		State: state(s), At: b.safe(s.Site.String()), Took: render.Took(s.Took),
	}
	if s.Bytes > 0 {
		row.Size = render.Size(s.Bytes)
	}
	switch s.Where {
	case builtins.InStore, builtins.InLayout, builtins.InRegistry:
		p.Images = append(p.Images, row)
	default:
		p.Others = append(p.Others, row)
	}
}

// longestResult is how much of a decision is shown, in bytes.
const longestResult = 600

func (b *builder) decision(s *builtins.Step, d *builtins.Decision) decisionRow {
	row := decisionRow{
		Policy: b.safe(s.Subject), Query: b.safe(d.Query), Image: b.safe(d.Image),
		At: b.safe(s.Site.String()), State: outcome(s.Err), Result: "undefined",
	}
	if d.Defined {
		text := strings.TrimSpace(string(d.Result))
		if len(text) > longestResult {
			text = strings.ToValidUTF8(text[:longestResult], "") + " …"
		}
		row.Result = b.safe(text)
	}
	return row
}

func (b *builder) tests(p *page) {
	for _, r := range b.run.Tests {
		for _, t := range r.Results {
			p.Tests = append(p.Tests, testRow{
				Outcome: b.safe(t.Outcome), Name: b.safe(t.Name), Place: b.safe(fmt.Sprintf("%s:%d", t.File, t.Line)), Message: b.lines(t.Message),
			})
		}
	}
}

// facts are the numbers at the top of the page.
func facts(p *page) []fact {
	count := map[string]int{}
	for _, i := range p.Images {
		if i.State == done {
			count[i.Verb]++
		} else {
			count[i.State]++
		}
	}
	var all []fact
	add := func(n int, what string) {
		if n > 0 {
			all = append(all, fact{fmt.Sprint(n), what})
		}
	}
	for _, deed := range []struct{ verb, what string }{
		{"build", "built"}, {"pull", "pulled"}, {"tag", "tagged"}, {"copy", "copied"}, {"push", "pushed"}, {"rm", "removed"},
		{same, same}, {failed, failed}, {canceled, "cut off"},
	} {
		add(count[deed.verb], deed.what)
	}
	for _, several := range []struct {
		n    int
		what string
	}{{len(p.Decisions), "decision"}, {len(p.Tests), "test"}, {len(p.Others), "other effect"}} {
		if several.n != 1 {
			several.what += "s"
		}
		add(several.n, several.what)
	}
	return all
}

// tasks are those that were asked for, with what became of them.
func (b *builder) tasks() []taskRow {
	ran := map[string]*builtins.Step{}
	for _, s := range b.run.Steps {
		if s.Verb == render.TaskVerb {
			ran[s.Subject] = s
		}
	}
	var all []taskRow
	for _, t := range b.run.Tasks {
		row := taskRow{Name: b.safe(t.Name), Summary: b.safe(t.Summary), Deps: b.safe(strings.Join(t.Deps, ", ")), State: notRun}
		if s := ran[t.Name]; s != nil {
			row.State, row.Took = outcome(s.Err), render.Took(s.Took)
		}
		all = append(all, row)
	}
	return all
}

func percent(part, whole time.Duration) float64 {
	if whole <= 0 {
		return 0
	}
	return min(100, max(0, float64(part)*100/float64(whole)))
}
