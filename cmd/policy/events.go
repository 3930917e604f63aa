package main

import (
	"errors"
	"slices"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/journal"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime/fault"
)

// keepJournal opens the journal at name, if there is one to be kept. A journal that
// cannot be written ends the session: nothing may happen that it does not tell of.
func (s *session) keepJournal(name string) error {
	if name == "" {
		return nil
	}
	j, err := journal.Open(name, s.secrets.Scrub, func(err error) { s.abort(err) })
	if err != nil {
		return err
	}
	s.journal.Store(j)
	s.watching = append(s.watching, j.Event)
	return nil
}

// task makes a step of a task of a pipeline.
func (s *session) task(name string) (ended func(error)) {
	_, end := s.env.Begin(s.ctx, builtins.Step{Verb: render.TaskVerb, Delta: builtins.Delta{Subject: name}, Site: builtins.Site{Task: name}})
	return func(err error) { end(nil, err) }
}

// withJournal adds to a run's error that its journal is not whole.
func withJournal(err, broken error) error {
	if broken == nil || errors.Is(err, fault.Of(broken).Err) {
		return err
	}
	return fault.Join(err, broken)
}

// events hands each event of the session to all who want it, nil when nobody does.
func (s *session) events(progress builtins.Events) builtins.Events {
	all := slices.Clone(s.watching)
	if progress != nil {
		all = append(all, progress)
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return func(e builtins.Event) {
		for _, send := range all {
			send(e)
		}
	}
}
