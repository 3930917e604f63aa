package engine

import (
	"context"
	"maps"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"

	"github.com/policyhost/policy/runtime/fault"
)

// Show is the source of what was typed in the active package, formatted; empty
// while there are no rules or imports.
func (s *Session) Show() (string, error) {
	m := s.own[s.active.Path.String()]
	if m == nil {
		return "", nil
	}
	text, err := format.AstWithOpts(m, format.Opts{RegoVersion: s.parser.RegoVersion})
	if err != nil {
		return "", fromOPA(context.Background(), "", err)
	}
	return string(text), nil
}

// Unset removes the rules that were typed in the active package and define what
// name says, or part of it; input is the input. It fails with Usage when name is
// no name, NotFound when no rule has it, and as [Bundle.Eval] when the others do
// not compile without it.
func (s *Session) Unset(ctx context.Context, name string) error {
	term, err := ast.ParseTerm(name)
	if err != nil {
		return fault.New(fault.Usage, name, "not the name of a rule")
	}
	if isInput(term) && s.input != nil {
		s.input = nil
		return nil
	}
	ref, ok := term.Value.(ast.Ref)
	if v, isVar := term.Value.(ast.Var); isVar {
		ref, ok = ast.Ref{ast.NewTerm(v)}, true
	}
	m := s.module()
	if !ok || !ref.IsGround() {
		return fault.New(fault.Usage, name, "not the name of a rule")
	}
	rules := without(m.Rules, ref)
	if len(rules) == len(m.Rules) {
		return fault.New(fault.NotFound, name, "no such rule was typed in %s", s.active).WithHint("show lists those that were")
	}
	rest := *m
	rest.Rules = rules
	return s.typed(ctx, s.replace(ctx, &rest))
}

// UnsetPackage removes all that was typed in a package. It fails like [Session.Unset].
func (s *Session) UnsetPackage(ctx context.Context, name string) error {
	pkg, err := ast.ParsePackage("package " + name)
	if err != nil {
		return fault.New(fault.Usage, name, "not the name of a package")
	}
	path := pkg.Path.String()
	if s.own[path] == nil {
		return fault.New(fault.NotFound, name, "nothing was typed in this package")
	}
	own := maps.Clone(s.own)
	delete(own, path)
	if err := s.use(ctx, own); err != nil {
		return s.typed(ctx, err)
	}
	if s.active.Path.Equal(pkg.Path) {
		s.active = &ast.Package{Path: sessionPackage}
	}
	return nil
}
