package builtins

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// Step is what one verb does to one subject, or a task of a pipeline: what journals,
// reports and summaries are made of. A call of a verb is one step, or as many as it
// has subjects. [Began] and [Ended] events carry it.
type Step struct {
	ID     int64 // counts the steps of a run as they begin
	Part   int64 // the step that this one is a part of and that has no end of its own; 0 for none
	Verb   string
	Effect Effect
	Site   Site
	Begin  time.Time
	Delta

	// What follows is known at the end.
	Took    time.Duration
	Cached  bool // a build found the bundle that it would have made
	Planned bool // it belongs to a dry run
	Result  any  // the answer for the subject; of a step with several changes only the first has it
	Err     error
}

// Delta is what became of one subject.
type Delta struct {
	Subject   string // a reference, path or server
	Where     string // store, layout, registry, file or credentials; empty: nowhere
	Before    string // digest that it had; empty: none, or nobody looked
	After     string // digest that it has; empty: none
	Bytes     int64  // sent, fetched or written
	Unchanged bool   // there was nothing to do
}

// Site is the place in a pipeline that a step was asked for, zero at the command
// line.
type Site struct {
	File      string // as traces name it: "release.star", "@std//promote.star"
	Line, Col int    // from 1
	Task      string // that it is part of; empty: of none
}

// String reads "release.star:3:5".
func (s Site) String() string {
	if s.Line == 0 {
		return s.File
	}
	return fmt.Sprintf("%s:%d:%d", s.File, s.Line, s.Col)
}

type siteKey struct{}

// At says where in a pipeline the verb is called that gets the context.
func At(ctx context.Context, s Site) context.Context { return context.WithValue(ctx, siteKey{}, s) }

// Changes reports whether the step is one that a journal records: something of the
// world was to be another afterwards.
func (s *Step) Changes() bool { return s.Effect >= Write }

// Begin announces a step and gives the context to work with, and what has to be
// called at its end. It does nothing when nobody wants events.
func (e *Env) Begin(ctx context.Context, s Step) (context.Context, func(result any, err error)) {
	if e.Events == nil {
		return ctx, func(any, error) {}
	}
	s.Planned = e.rehearsal != nil
	if site, ok := ctx.Value(siteKey{}).(Site); ok && s.Site == (Site{}) {
		s.Site = site
	}
	w := &working{env: e, step: s}
	w.begin()
	return context.WithValue(ctx, stepKey{}, w), w.end
}

// working is a step that has not ended. A nil one takes everything and keeps
// nothing.
type working struct {
	env  *Env
	step Step

	mu     sync.Mutex
	deltas []Delta
	found  map[string]string // what names in registries stood for, by the name
	parts  int
	failed bool // one of the parts
}

type stepKey struct{}

// stepOf is the step that ctx belongs to, nil for none.
func stepOf(ctx context.Context) *working {
	w, _ := ctx.Value(stepKey{}).(*working)
	return w
}

// apart leaves the step: what happens with the context is no part of it.
func apart(ctx context.Context) context.Context {
	return context.WithValue(ctx, stepKey{}, (*working)(nil))
}

func (w *working) begin() {
	w.step.ID = w.env.steps.Add(1)
	w.step.Begin = time.Now()
	began := w.step
	w.env.Events.send(Event{State: Began, Time: began.Begin, Step: &began})
}

// part begins a step of its own for one of several subjects. Reading has no parts.
func (w *working) part(ctx context.Context, subject string) (context.Context, func(any, error)) {
	if w == nil || !w.step.Changes() {
		return ctx, func(any, error) {}
	}
	w.mu.Lock()
	w.parts++
	w.mu.Unlock()
	s := w.step
	s.Part, s.Delta = w.step.ID, Delta{Subject: subject}
	p := &working{env: w.env, step: s}
	p.begin()
	return context.WithValue(ctx, stepKey{}, p), func(result any, err error) {
		if err != nil {
			w.mu.Lock()
			w.failed = true
			w.mu.Unlock()
		}
		p.end(result, err)
	}
}

// aside begins a step that is none of the verb's own, such as the pull that an
// evaluation needs.
func (w *working) aside(ctx context.Context, verb, subject string) (context.Context, func(any, error)) {
	if w == nil || w.step.Verb == verb || w.step.Verb == "copy" {
		return ctx, func(any, error) {}
	}
	s := Step{Verb: verb, Effect: Write, Site: w.step.Site, Planned: w.step.Planned, Delta: Delta{Subject: subject}}
	p := &working{env: w.env, step: s}
	p.begin()
	return context.WithValue(ctx, stepKey{}, p), p.end
}

// changed notes what became of a subject. A step ends as often as it has noted
// subjects.
func (w *working) changed(d Delta) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deltas = append(w.deltas, d)
}

// finds notes what a name in a registry stood for before it is changed.
func (w *working) finds(name artifact.Name, d artifact.Digest) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.found == nil {
		w.found = map[string]string{}
	}
	w.found[name.Tagged()] = d.String()
}

func (w *working) moved(bytes int64) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.step.Bytes += bytes
}

func (w *working) cached() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.step.Cached = true
}

// end reports the step: once for each change that was noted and once more when it
// failed after that. What its parts have said is not said again.
func (w *working) end(result any, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.parts > 0 && len(w.deltas) == 0 && (err == nil || w.failed) {
		return
	}
	s := w.step
	s.Took, s.Result, s.Err = time.Since(s.Begin), result, err
	if s.Where = cmp.Or(s.Where, usualPlaces[s.Verb]); err == nil {
		s.outcome(result)
	}
	s.Before = cmp.Or(s.Before, w.found[s.Subject])
	for i, d := range w.deltas {
		done := s
		done.Delta, done.Err = d, nil
		if i == 0 {
			done.Bytes += s.Bytes
		} else {
			done.Result, done.Cached = nil, false
		}
		w.env.Events.send(Event{State: Ended, Step: &done})
	}
	if len(w.deltas) == 0 {
		w.env.Events.send(Event{State: Ended, Step: &s})
	} else if err != nil { // what was changed is; the rest failed
		s.Subject, s.Result, s.Bytes = cmp.Or(fault.Of(err).Subject, s.Subject), nil, 0
		w.env.Events.send(Event{State: Ended, Step: &s})
	}
}

// usualPlaces is where the changes of a verb happen, unless they say otherwise.
var usualPlaces = map[string]string{
	"build": InStore, "tag": InStore, "pull": InStore, "rm": InStore,
	"push": InRegistry, "copy": InRegistry, "set_public": InRegistry,
	"save": InFile, "write": InFile,
	"login": InCredentials, "logout": InCredentials,
}

// outcome takes what the answer of a verb says of its subject.
func (s *Step) outcome(result any) {
	if all := reflect.ValueOf(result); all.Kind() == reflect.Slice && all.Len() == 1 {
		result = all.Index(0).Interface()
	}
	if p := reflect.ValueOf(result); p.Kind() == reflect.Pointer && p.IsNil() {
		return
	}
	switch r := result.(type) {
	case *Image:
		s.Subject, s.After, s.Unchanged = r.Ref, string(r.Digest), r.Unchanged
	case *Saved:
		s.Subject, s.After, s.Bytes = r.Path, r.Digest, r.Size
	case *Written:
		s.Subject, s.After, s.Bytes = r.Path, r.Digest, r.Size
	case *Login:
		s.Subject = r.Server
	case *Logout:
		s.Subject = r.Server
	case *Visibility:
		s.Subject = r.Repository
	}
}

// subjectOf is what a call is about as far as its arguments say: what they name
// themselves, else the first of them.
func subjectOf(args any) string {
	if named, ok := args.(interface{ subject() string }); ok {
		return artifact.WithoutPassword(named.subject())
	}
	v := reflect.ValueOf(args).Elem()
	for i := range v.NumField() {
		if _, positional := v.Type().Field(i).Tag.Lookup("arg"); !positional {
			continue
		}
		switch f := v.Field(i).Interface().(type) {
		case []Ref:
			var all []string
			for _, r := range f {
				all = append(all, r.String())
			}
			return strings.Join(all, " ")
		case []string:
			return artifact.WithoutPassword(strings.Join(f, " "))
		case string:
			return artifact.WithoutPassword(f)
		case fmt.Stringer:
			return f.String()
		}
		return ""
	}
	return ""
}

func (args *BuildArgs) subject() string {
	if len(args.Tag) == 0 {
		return ""
	}
	return args.Tag[0].String()
}
func (args *TagArgs) subject() string  { return args.Target.String() }
func (args *CopyArgs) subject() string { return args.Target }
func (args *SaveArgs) subject() string { return args.File }

// step is the verb's own, about to run.
func (v *Verb) step(args any) Step {
	return Step{Verb: v.Name, Effect: v.Effect, Delta: Delta{Subject: subjectOf(args)}}
}

// Asked reports whether nothing has happened yet because a question has to be
// answered first.
func (s *Step) Asked() bool { return s.Err != nil && fault.Of(s.Err).Ask != nil }
