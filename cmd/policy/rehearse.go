package main

import (
	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/runtime/fault"
)

// rehearsing are the flags of what can be tried without effect.
type rehearsing struct {
	DryRun bool   `help:"Change nothing; answer with the plan of what would change."`
	Plan   string `placeholder:"FILE" complete:"file" help:"Save the plan of the dry run, for policy apply."`
}

// rehearse makes the session a dry run, if the flags ask for one.
func (s *session) rehearse(flags rehearsing) error {
	if !flags.DryRun {
		if flags.Plan != "" {
			return fault.New(fault.Usage, flags.Plan, "a plan is made by a dry run only").WithHint("add --dry-run")
		}
		return nil
	}
	env, rehearsal, err := s.env.Rehearse()
	if err != nil {
		return err
	}
	s.env, s.rehearsal, s.planFile = env, rehearsal, flags.Plan
	return nil
}

// answerOrPlan renders the result, or the plan of a dry run that got to its end.
func (s *session) answerOrPlan(result any, err error) error {
	if s.rehearsal == nil {
		return s.answer(result, err)
	}
	if err != nil {
		return s.answer(nil, err) // what succeeded did not happen
	}
	plan, err := s.rehearsal.Plan(s.ctx, result)
	if err == nil && s.planFile != "" {
		err = s.rehearsal.Save(s.ctx, plan, s.planFile)
	}
	if err != nil {
		return s.answer(nil, err)
	}
	return s.answer(plan, nil)
}

// savePlan is what is left of a dry run whose answer went to standard output.
func (s *session) savePlan() error {
	if s.rehearsal == nil || s.planFile == "" {
		return nil
	}
	plan, err := s.rehearsal.Plan(s.ctx, (*builtins.Saved)(nil))
	if err != nil {
		return err
	}
	return s.rehearsal.Save(s.ctx, plan, s.planFile)
}
