package engine

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyhost/policy/runtime/fault"
)

// Session is a conversation with a bundle: rules, imports and the input that
// were typed stay for what is typed next. The bundle itself never changes. A
// session is for one goroutine.
type Session struct {
	base   *Bundle
	bundle *Bundle                // base with the modules of the session; base while there are none
	own    map[string]*ast.Module // by their package's path, "data.repl"
	active *ast.Package
	parser ast.ParserOptions
	input  json.RawMessage // nil: there is none
}

// Outcome is what one statement did: it decided something, or defined a rule.
type Outcome struct {
	Decision *Decision
	Query    string // that was decided
	Nearest  string // what an undefined query probably meant, see [Bundle.Nearest]
	Defined  string // "allow", or "input"
	Package  string // of what was defined, "data.repl"; empty for the input
}

// scope is the package in which a query is read.
type scope struct {
	pkg     *ast.Package
	imports []*ast.Import
}

// sessionPackage is where rules go unless a package statement says otherwise.
var sessionPackage = ast.Ref{ast.DefaultRootDocument, ast.StringTerm("repl")}

// NewSession begins a conversation. Closing it leaves the bundle open.
func (b *Bundle) NewSession() *Session {
	return &Session{
		base:   b,
		bundle: b,
		own:    map[string]*ast.Module{},
		active: &ast.Package{Path: sessionPackage},
		parser: ast.ParserOptions{RegoVersion: b.version, Capabilities: b.caps},
	}
}

// Close frees what the session added.
func (s *Session) Close() error {
	if s.bundle != s.base {
		return s.bundle.Close()
	}
	return nil
}

// SetInput makes a JSON document the input of what follows; nil takes it away.
func (s *Session) SetInput(input json.RawMessage) { s.input = input }

// Unfinished reports whether more lines could make a statement of text: it ends
// where something is missing, or inside a raw string.
func (s *Session) Unfinished(text string) bool {
	_, err := s.read(text)
	errs, _ := errors.AsType[ast.Errors](err)
	return slices.ContainsFunc(errs, func(e *ast.Error) bool {
		if e.Location == nil {
			return false
		}
		at := e.Location.Offset
		return at >= len(strings.TrimRightFunc(text, unicode.IsSpace)) || text[at] == '`' && at+len(e.Location.Text) == len(text)
	})
}

func (s *Session) read(text string) (statements []ast.Statement, err error) {
	defer fault.Recover("", &err)
	statements, _, err = ast.ParseStatementsWithOpts("", text, s.parser)
	if apart := operatorApart(text); err != nil && apart != "" {
		statements, _, err = ast.ParseStatementsWithOpts("", apart, s.parser)
	}
	return statements, err
}

// operatorApart is a text that begins as in x+1 with a blank behind the name, else
// empty: OPA's parser takes the name for a rule's, which no operator may touch.
func operatorApart(text string) string {
	name := len(text) - len(strings.TrimLeftFunc(text, unicode.IsSpace))
	end := name
	for end < len(text) && (text[end] == '_' || unicode.IsLetter(rune(text[end])) || unicode.IsDigit(rune(text[end]))) {
		end++
	}
	if end == name || end == len(text) || strings.IndexByte("+-*/%&|=!<>", text[end]) < 0 {
		return ""
	}
	return text[:end] + " " + text[end:]
}

// Do executes the statements in text one after the other, up to the first that
// fails; the outcomes are those before it. Queries are evaluated as q says, whose
// own query and input are not used. It fails as [Bundle.Eval] does.
func (s *Session) Do(ctx context.Context, text string, q Query) ([]Outcome, error) {
	statements, err := s.read(text)
	if err != nil {
		return nil, s.typed(ctx, err)
	}
	var outcomes []Outcome
	for _, statement := range statements {
		o, err := s.do(ctx, statement, q)
		if err != nil {
			return outcomes, s.typed(ctx, err)
		}
		if len(statements) == 1 && o.Decision != nil {
			o.Query = strings.TrimSpace(text)
		}
		if o != (Outcome{}) {
			outcomes = append(outcomes, o)
		}
	}
	return outcomes, nil
}

// typed makes err about what was typed, which need not be named again.
func (s *Session) typed(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	f := *fault.Of(fromOPA(ctx, "", err))
	ps, _ := errors.AsType[Problems](f.Err)
	if len(ps) > 0 && !slices.ContainsFunc(ps, func(p Problem) bool { return p.File != "" }) {
		f.Kind, f.Subject = fault.Usage, ""
	}
	return &f
}

func (s *Session) do(ctx context.Context, statement ast.Statement, q Query) (Outcome, error) {
	switch statement := statement.(type) {
	case *ast.Package:
		s.active = statement
	case *ast.Import:
		return Outcome{}, s.addImport(ctx, statement)
	case *ast.Rule:
		if errs := ast.CheckRegoV1(statement); s.parser.RegoVersion == ast.RegoV1 && len(errs) > 0 {
			return Outcome{}, errs
		}
		return s.define(ctx, statement)
	case ast.Body:
		if value := inputOf(statement); value != nil {
			return s.defineInput(ctx, value, q)
		}
		if rule := s.ruleOf(statement); rule != nil {
			return s.define(ctx, rule)
		}
		return s.decide(ctx, statement, q)
	}
	return Outcome{}, nil // a comment
}

func (s *Session) decide(ctx context.Context, body ast.Body, q Query) (Outcome, error) {
	typed := body.Copy()
	d, err := s.eval(ctx, body, q)
	if err != nil {
		return Outcome{}, err
	}
	o := Outcome{Decision: d, Query: typed.String()}
	if !d.Defined {
		o.Nearest = s.bundle.nearest(typed, pathOf(s.active))
	}
	return o, nil
}

// eval answers a query in the active package.
func (s *Session) eval(ctx context.Context, body ast.Body, q Query) (*Decision, error) {
	input, err := s.currentInput(ctx)
	if err != nil {
		return nil, err
	}
	q.Query, q.Input, q.body, q.typed, q.scope = "", input, body, body.Copy(), nil
	if len(s.own) > 0 || !s.active.Path.Equal(sessionPackage) {
		q.scope = &scope{s.active, s.module().Imports}
	}
	return s.bundle.Eval(ctx, q)
}

// currentInput is what was set, or what the rules of package repl.input make up:
// the way of OPA's own shell.
func (s *Session) currentInput(ctx context.Context) (json.RawMessage, error) {
	ref := sessionPackage.Append(ast.StringTerm("input"))
	for _, m := range s.own {
		if m.Package.Path.HasPrefix(ref) {
			d, err := s.bundle.Eval(ctx, Query{Query: ref.String()})
			if err != nil || !d.Defined {
				return nil, err
			}
			return d.Result, nil
		}
	}
	return s.input, nil
}

// inputOf is the right side of "input := …" or "input = …", nil for anything else.
func inputOf(body ast.Body) *ast.Term {
	e := body[0]
	if len(body) != 1 || !e.IsAssignment() && !e.IsEquality() || e.Negated || len(e.With) > 0 || !isInput(e.Operand(0)) {
		return nil
	}
	return e.Operand(1)
}

func isInput(t *ast.Term) bool {
	ref, ok := t.Value.(ast.Ref)
	return ok && len(ref) == 1 && ref[0].Equal(ast.InputRootDocument) || t.Equal(ast.InputRootDocument)
}

func (s *Session) defineInput(ctx context.Context, value *ast.Term, q Query) (Outcome, error) {
	right := ast.NewExpr(value)
	right.Location = value.Location // the compiler is lost without
	d, err := s.eval(ctx, ast.NewBody(right), Query{Time: q.Time})
	switch {
	case err != nil:
		return Outcome{}, err
	case !d.Defined:
		return Outcome{}, fault.New(fault.Usage, "", "the right side is undefined: the input stays as it is")
	}
	s.input = d.Result
	return Outcome{Defined: "input"}, nil
}

// ruleOf reads "x := 1" and, while there is no x, "x = 1" as a rule; nil: it is a
// query. Nothing is defined below data and input.
func (s *Session) ruleOf(body ast.Body) *ast.Rule {
	if len(body) != 1 || !body[0].IsAssignment() && !body[0].IsEquality() || len(body[0].Operands()) != 2 {
		return nil
	}
	rule, err := ast.ParseRuleFromExpr(s.module(), body[0])
	if err != nil || ast.RootDocumentNames.Contains(rule.Head.Ref()[0]) || rule.Head.Ref()[0].Equal(ast.Wildcard) {
		return nil
	}
	if body[0].IsEquality() && s.known(rule.Head.Ref()) {
		return nil
	}
	return rule
}

// known reports whether a name means something in the active package.
func (s *Session) known(ref ast.Ref) bool {
	name, ok := ref[0].Value.(ast.Var)
	if !ok {
		return true
	}
	if slices.ContainsFunc(s.module().Imports, func(i *ast.Import) bool { return i.Name() == name }) {
		return true
	}
	return s.bundle.defines(append(pathOf(s.active), string(name)))
}

func pathOf(pkg *ast.Package) []string {
	var path []string
	for _, t := range pkg.Path[1:] {
		if key, ok := t.Value.(ast.String); ok {
			path = append(path, string(key))
		}
	}
	return path
}

// define adds a rule to the active package, in place of those it redefines.
func (s *Session) define(ctx context.Context, rule *ast.Rule) (Outcome, error) {
	m := s.module().Copy()
	if rule.Head.Assign && !rule.Default {
		m.Rules = without(m.Rules, rule.Head.Ref())
	}
	m.Rules = append(m.Rules, rule)
	ast.WalkRules(rule, func(r *ast.Rule) bool { r.Module = m; return false })
	return Outcome{Defined: rule.Head.Ref().String(), Package: m.Package.Path.String()}, s.replace(ctx, m)
}

// without leaves out the rules that define what ref does, or part of it.
func without(rules []*ast.Rule, ref ast.Ref) []*ast.Rule {
	return slices.DeleteFunc(slices.Clone(rules), func(r *ast.Rule) bool {
		head := r.Head.Ref()
		n := min(len(head), len(ref))
		return head[:n].Equal(ref[:n])
	})
}

// addImport adds to the active package. Those of rego and future change how the
// whole session is read.
func (s *Session) addImport(ctx context.Context, i *ast.Import) error {
	path := i.Path.Value.(ast.Ref)
	switch {
	case path.Equal(ast.RegoV1CompatibleRef):
		s.parser.RegoVersion = ast.RegoV1
		return nil
	case path[0].Equal(ast.FutureRootDocument):
		s.parser.AllFutureKeywords = true
		return nil
	}
	m := s.module().Copy()
	m.Imports = slices.DeleteFunc(m.Imports, func(other *ast.Import) bool { return other.Name() == i.Name() })
	m.Imports = append(m.Imports, i)
	return s.replace(ctx, m)
}

// module is what was typed in the active package; it must not be changed.
func (s *Session) module() *ast.Module {
	if m := s.own[s.active.Path.String()]; m != nil {
		return m
	}
	m := &ast.Module{Package: s.active}
	m.SetRegoVersionSpan(ast.RegoVersionSpanOf(s.parser.RegoVersion))
	return m
}

// replace puts a module of the session in the place of the one with its package,
// if everything compiles with it.
func (s *Session) replace(ctx context.Context, m *ast.Module) error {
	own := maps.Clone(s.own)
	own[m.Package.Path.String()] = m
	return s.use(ctx, own)
}

func (s *Session) use(ctx context.Context, own map[string]*ast.Module) error {
	next := s.base
	if len(own) > 0 {
		next = s.base.with(own)
		if err := next.compileAll(ctx); err != nil {
			_ = next.Close()
			return err
		}
	}
	_ = s.Close()
	s.bundle, s.own = next, own
	return nil
}
