// Package journal writes what a run changes to a file, one line of JSON for each
// effect, as it happens: for those who have to say later what was done, by which line
// of which pipeline. See spec/cli.md, C20.
package journal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/runtime/fault"
)

// Journal is an open journal. Its methods may be called from any goroutine.
type Journal struct {
	name   string
	scrub  func(string) string
	broken func(error) // told once, when a line cannot be written

	mu      sync.Mutex
	file    io.WriteCloser // nil once it is closed
	open    map[int64]*builtins.Step
	failure error
}

// Entry is a line of a journal.
type Entry struct {
	Time      time.Time `json:"time"`      // when the effect began
	PID       int       `json:"pid"`       // of the process
	Verb      string    `json:"verb"`      // "push"
	Subject   string    `json:"subject"`   // the reference, path or server
	Where     string    `json:"where"`     // store, layout, registry, file, credentials
	Before    *string   `json:"before"`    // digest that it had; null: none, or not known
	After     *string   `json:"after"`     // digest that it has; null: none, or the effect failed
	Bytes     int64     `json:"bytes"`     // sent, fetched or written
	Duration  float64   `json:"duration"`  // seconds
	Unchanged bool      `json:"unchanged"` // there was nothing to do
	Planned   bool      `json:"planned"`   // by a dry run, which does nothing
	At        string    `json:"at"`        // FILE:LINE:COLUMN of the call; empty at the command line
	Task      string    `json:"task"`      // of the pipeline; empty: none
	Fault     *Fault    `json:"fault"`     // null: it succeeded
}

// Fault is why an effect failed.
type Fault struct {
	Kind    fault.Kind `json:"kind"`
	Message string     `json:"message"`
}

// Open opens the journal at name, to be added to, and makes it when it is not there.
// Only its owner can read a new one. Scrub takes secrets out of texts; broken is told
// when a line cannot be written. It fails as [fault.File] does.
func Open(name string, scrub func(string) string, broken func(error)) (*Journal, error) {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fault.In("", name, fault.File(name, err))
	}
	j := &Journal{name: name, scrub: scrub, broken: broken, file: f, open: map[int64]*builtins.Step{}}
	if err := j.endLine(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

// endLine ends a line that a full disk cut short, so that the next one is whole.
func (j *Journal) endLine() error {
	f, err := os.Open(j.name)
	if err != nil {
		return fault.File(j.name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return fault.File(j.name, err)
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], info.Size()-1); err != nil || last[0] == '\n' {
		return fault.File(j.name, err)
	}
	_, err = j.file.Write([]byte("\n"))
	return fault.File(j.name, err)
}

// Event writes the line of an effect that has ended, and remembers one that has
// begun.
func (j *Journal) Event(e builtins.Event) {
	if e.Step == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	s := e.Step
	switch {
	case !s.Changes() || j.file == nil:
	case e.State == builtins.Began:
		delete(j.open, s.Part) // its parts have the lines
		j.open[s.ID] = s
	case e.State == builtins.Ended:
		delete(j.open, s.ID)
		if !s.Asked() {
			j.write(s)
		}
	}
}

// Close writes a line for each effect that has begun and not ended, which failed for
// the reason that the run ended with, and closes the journal. It fails when a line
// could not be written, now or before.
func (j *Journal) Close(reason error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return j.failure
	}
	if reason == nil {
		reason = fault.New(fault.Canceled, "", "the run was over before it")
	}
	left := make([]*builtins.Step, 0, len(j.open))
	for _, s := range j.open {
		left = append(left, s)
	}
	slices.SortFunc(left, func(a, b *builtins.Step) int { return cmp.Compare(a.ID, b.ID) })
	for _, s := range left {
		cut := *s
		cut.Took, cut.Err = time.Since(s.Begin), reason
		j.write(&cut)
	}
	err := j.file.Close()
	j.file = nil
	if j.failure == nil {
		j.failure = fault.File(j.name, err)
	}
	return j.failure
}

// write adds one line, in one write: lines of several processes do not mix.
func (j *Journal) write(s *builtins.Step) {
	if j.failure != nil {
		return
	}
	line, err := json.Marshal(j.entry(s))
	if err == nil {
		_, err = j.file.Write(append(line, '\n'))
	}
	if err != nil {
		j.failure = fault.In("", j.name, fmt.Errorf("the journal cannot be written: %w", fault.File("", err)))
		j.broken(j.failure)
	}
}

func (j *Journal) entry(s *builtins.Step) Entry {
	e := Entry{
		Time: s.Begin.UTC(), PID: os.Getpid(),
		Verb: s.Verb, Subject: j.scrub(s.Subject), Where: s.Where,
		Before: digest(s.Before), After: digest(s.After),
		Bytes: s.Bytes, Duration: s.Took.Seconds(),
		Unchanged: s.Unchanged, Planned: s.Planned,
		At: j.scrub(s.Site.String()), Task: s.Site.Task,
	}
	if s.Err != nil {
		e.Fault = &Fault{Kind: kindOf(s.Err), Message: j.scrub(fault.Of(s.Err).Error())}
	}
	return e
}

// kindOf is the fault's kind; that of what was interrupted is canceled, whatever the
// interruption looked like from inside.
func kindOf(err error) fault.Kind {
	if errors.Is(err, context.Canceled) {
		return fault.Canceled
	}
	return fault.Of(err).Kind
}

func digest(d string) *string {
	if d == "" {
		return nil
	}
	return &d
}
