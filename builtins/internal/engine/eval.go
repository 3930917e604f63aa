package engine

import (
	"context"
	"encoding/json"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/types"

	"github.com/policyhost/policy/runtime/fault"
)

// Query is one question to a bundle.
type Query struct {
	Query               string // "data.authz.allow", or any Rego query
	Input               []byte // JSON; nil: there is no input
	Partial             bool   // answer as far as possible without the unknowns
	Unknowns            []string
	Explain             string // "", notes, fails, full or debug
	Profile             bool
	Coverage            bool
	Metrics             bool
	StrictBuiltinErrors bool      // an error in a function ends the evaluation, instead of being undefined
	Time                time.Time // what time.now_ns() says; zero: now

	body  ast.Body // of a session, in place of Query
	typed ast.Body // a copy of body that stays as it was typed
	scope *scope   // in which body is read; nil: no package
}

// Decision is the answer.
//
// A query has as many solutions as there are ways to make all its expressions
// true; the value of a solution is that of the query's last expression. Result
// is that value, or, for a query that iterates (it has a variable or _ inside a
// reference, "some … in", "every" or walk), the array of the values of all its
// solutions, whatever their number. Bindings has an object for each solution
// when the query names variables.
type Decision struct {
	Defined  bool              // there is a solution
	Result   json.RawMessage   // nil when there is none; numbers exact, sets sorted
	Bindings []json.RawMessage // in the order of the solutions

	Metrics  map[string]any  // as asked: nanoseconds and counts by OPA's names
	Explain  string          // the trace, with places
	Profile  json.RawMessage // expressions by time, as opa eval gives it
	Coverage json.RawMessage // report over all modules, as opa eval gives it
	Partial  json.RawMessage // {"queries": [Rego…], "support": [modules…]}
}

// Eval judges one input. It prepares each distinct query once; after that it
// costs what OPA's prepared queries cost. Safe for concurrent use. It returns
// within a tenth of a second of ctx's end, even where OPA does not.
//
// It fails with Usage for a query or input that cannot be read, Invalid for a
// policy that does not compile or contradicts itself, and the cause of ctx.
func (b *Bundle) Eval(ctx context.Context, q Query) (*Decision, error) {
	var d *Decision
	err := b.workers.do(ctx, func(c *cancelFlag) (err error) {
		// d is the caller's: an abandoned job must not write it.
		answer, err := b.eval(ctx, &q, c)
		if err == nil && !c.Cancelled() {
			d = answer
		}
		return err
	})
	if err == nil && d == nil {
		err = fault.Of(context.Cause(ctx))
	}
	if err != nil {
		return nil, fromOPA(ctx, b.opts.Name, err)
	}
	return d, nil
}

func (b *Bundle) eval(ctx context.Context, q *Query, c *cancelFlag) (*Decision, error) {
	var input ast.Value
	if q.Input != nil {
		v, err := decodeJSON(string(q.Input))
		if err != nil {
			return nil, fault.New(fault.Usage, "input", "%w", err)
		}
		input = v
	}
	if q.Partial {
		return b.partial(ctx, q, input, c)
	}
	watch, err := watchersFor(q)
	if err != nil {
		return nil, err
	}
	m := metrics.NoOp()
	if q.Metrics {
		m = metrics.New()
	}
	p, err := b.prepare(ctx, q, m)
	if err != nil {
		return nil, err
	}
	rs, err := p.query.Eval(ctx, watch.options(b.evalOptions(q, input, m, c))...)
	if err != nil {
		return nil, err
	}
	d, err := p.decision(rs)
	if err != nil {
		return nil, err
	}
	if q.Metrics {
		d.Metrics = m.All()
	}
	return d, watch.report(d, b.parsedModules)
}

// decision turns OPA's results into the answer.
func (p *prepared) decision(rs rego.ResultSet) (*Decision, error) {
	d := &Decision{Defined: len(rs) > 0}
	if !d.Defined {
		return d, nil
	}
	var out []byte
	var err error
	if p.iterates {
		out = append(out, '[')
	}
	for i := range rs {
		if p.iterates && i > 0 {
			out = append(out, ',')
		}
		last := rs[i].Expressions[len(rs[i].Expressions)-1]
		if out, err = appendValue(out, last.Value); err != nil {
			return nil, err
		}
		if len(rs[i].Bindings) > 0 {
			one, err := appendBindings(rs[i].Bindings)
			if err != nil {
				return nil, err
			}
			d.Bindings = append(d.Bindings, one)
		}
		if !p.iterates {
			break
		}
	}
	if p.iterates {
		out = append(out, ']')
	}
	d.Result = out
	return d, nil
}

func appendBindings(vars rego.Vars) (json.RawMessage, error) {
	items := make([][2]*ast.Term, 0, len(vars))
	for name, v := range vars {
		if value, ok := v.(ast.Value); ok {
			items = append(items, [2]*ast.Term{ast.StringTerm(name), ast.NewTerm(value)})
		}
	}
	return appendJSON(nil, ast.NewObject(items...))
}

func appendValue(b []byte, v any) ([]byte, error) {
	if value, ok := v.(ast.Value); ok {
		return appendJSON(b, value)
	}
	text, err := json.Marshal(v) // the bare true of an expression without a value
	return append(b, text...), err
}

// iterates reports whether a query can have several solutions: see [Decision].
func iterates(body ast.Body) bool {
	bound := ast.NewVarSet() // x in "x := 1" has one value
	for _, e := range body {
		if e.IsAssignment() {
			ast.WalkVars(e.Operand(0), func(v ast.Var) bool { bound.Add(v); return false })
		}
	}
	found := false
	for _, e := range body {
		if _, ok := e.Terms.(*ast.SomeDecl); ok {
			found = true
		}
	}
	vis := ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension, *ast.Every:
			return true // they iterate inside, and give one value
		case ast.Ref:
			if bi := ast.BuiltinMap[x.String()]; bi != nil && (bi.Relation || types.Arity(bi.Decl) < 0) {
				found = true
			}
			for _, t := range x[1:] {
				if v, ok := t.Value.(ast.Var); ok && !bound.Contains(v) {
					found = true
				}
			}
		}
		return found
	})
	vis.Walk(body)
	return found
}

var _ topdown.Cancel = (*cancelFlag)(nil)
