package main

import (
	"context"
	"errors"
	"reflect"
	"strings"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime/fault"
)

// direct is a verb as a subcommand: its arguments, and how to answer.
type direct struct {
	output
	Args any `embed:""`
	Dry  any `embed:""` // *rehearsing, for a verb that changes something

	verb   builtins.Verb
	remote bool // it stands below "policy remote"
}

func directEntry(v builtins.Verb) entry {
	summary, _, _ := strings.Cut(v.Doc, "\n")
	return entry{append([]string{v.Name}, v.Aliases...), v.Group, summary, func() any { return newDirect(v) }}
}

func newDirect(v builtins.Verb) *direct {
	d := &direct{Args: v.Func.New(), Dry: new(struct{}), verb: v}
	if v.Effect >= builtins.Write {
		d.Dry = new(rehearsing)
	}
	return d
}

// Help is what --help prints below the summary.
func (d *direct) Help() string {
	_, detail, _ := strings.Cut(d.verb.Doc, "\n")
	return strings.TrimSpace(detail + "\n\nExample:\n\n    " + d.verb.Example)
}

func (d *direct) run(ctx context.Context, a *app, flags *config.Flags) error {
	a.printer.Format = d.Output
	if args, ok := d.Args.(atRegistry); ok && d.remote {
		args.AtRegistry()
	}
	s, err := a.open(ctx, flags)
	if err != nil {
		return err
	}
	defer s.Close()
	if dry, ok := d.Dry.(*rehearsing); ok {
		if err := s.rehearse(*dry); err != nil {
			return err
		}
	}
	result, err := answering(s, d.Args, func() (any, error) {
		result, err := d.verb.Call(s.ctx, s.env, d.Args)
		if f, ok := errors.AsType[*fault.Error](err); ok && d.verb.Nested && f.Op == d.verb.Name {
			named := *f
			named.Op = "remote " + d.verb.Remote // what was typed
			err = &named
		}
		return result, err
	})
	if saved, ok := result.(*builtins.Saved); ok && saved != nil && saved.Path == "-" {
		if err == nil {
			err = s.savePlan()
		}
		return err // the content went to standard output
	}
	if err == nil && s.rehearsal == nil {
		err = s.offer(result, d.Args)
	}
	if err := s.answerOrPlan(unwrap(result, d.Args), err); err != nil {
		return err
	}
	s.noteUndefined(result, d.Args)
	return nil
}

// noteUndefined tells the person at the terminal why a decision shows nothing.
func (s *session) noteUndefined(result, args any) {
	d, ok := result.(*builtins.Decision)
	asked, isEval := args.(*builtins.EvalArgs)
	if !ok || !isEval || d.Defined || d.Partial != nil || !s.printer.OutTerminal || !s.printer.ErrTerminal || s.printer.Format == render.JSON || s.printer.Format == render.YAML {
		return
	}
	s.say("policy: %s is undefined", d.Query)
	if near := builtins.Nearest(s.ctx, s.env, asked); near != "" {
		s.say("  hint: did you mean %s?", near)
	}
}

// answering calls, and calls again as long as args get an answer to what was asked.
func answering[Result any](s *session, args any, call func() (Result, error)) (Result, error) {
	for {
		result, err := call()
		if err == nil {
			return result, nil
		}
		asking := fault.Of(err)
		answered, askErr := s.ask(s.ctx, err, args)
		if askErr != nil {
			return result, fault.In(asking.Op, asking.Subject, askErr) // a no is the whole story
		}
		if !answered {
			return result, err
		}
	}
}

// offer proposes what the verb could do next, to the person at the terminal.
func (s *session) offer(result, args any) error {
	verb, ok := args.(interface {
		Offers(*builtins.Env, any) []builtins.Offer
	})
	if !ok || s.printer.Quiet {
		return nil
	}
	for _, o := range verb.Offers(s.env, result) {
		_, err := s.tty.ask(s.ctx, &fault.Question{Text: o.Question})
		switch {
		case err == nil:
			err = o.Take(s.ctx)
		case errors.Is(err, errNoTerminal):
			err = nil
			if o.Unasked != "" {
				s.env.Events(builtins.Event{State: builtins.Warning, Message: o.Unasked})
			}
		case s.ctx.Err() == nil: // a no
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ask puts a verb's question to the person at the terminal and hands the answer
// to the arguments; where nobody is there, the question's default. It reports whether
// there was an answer.
func (a *app) ask(ctx context.Context, err error, args any) (bool, error) {
	f := fault.Of(err)
	answerer, ok := args.(interface{ Answer(string) })
	if f.Ask == nil || !ok {
		return false, nil
	}
	answer, err := a.tty.ask(ctx, f.Ask)
	if errors.Is(err, errNoTerminal) {
		if f.Ask.Default == "" {
			return false, nil
		}
		answer, err = f.Ask.Default, nil
	}
	if err == nil {
		answerer.Answer(answer)
	}
	return err == nil, err
}

// unwrap gives one answer for one subject: a verb that takes a list and got one
// element answers with that element alone.
func unwrap(result, args any) any {
	r := reflect.ValueOf(result)
	if r.Kind() != reflect.Slice || r.Len() != 1 {
		return result
	}
	fields := reflect.TypeOf(args).Elem()
	for i := range fields.NumField() {
		if _, positional := fields.Field(i).Tag.Lookup("arg"); positional {
			if f := reflect.ValueOf(args).Elem().Field(i); f.Kind() == reflect.Slice && f.Len() == 1 {
				return r.Index(0).Interface()
			}
			break
		}
	}
	return result
}
