package engine

import (
	"context"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// explain runs a test that failed again, watched, and adds to each result that
// failed which expression did not hold and why.
func (r *runner) explain(ctx context.Context, t *testCase, out outcome, results []TestResult) {
	w := &failureTracer{ctx: ctx, runner: r, ref: t.ref, bodies: map[uint64]bool{}, found: map[string]*failure{}}
	// The answer is known; what counts is what the tracer sees. One that was left
	// behind may still be at it.
	if again := r.evaluate(ctx, t, len(out.cases) > 0, w); again.err != nil {
		w = &failureTracer{}
	}
	for i := range results {
		res := &results[i]
		if res.Outcome != Fail {
			continue
		}
		name := strings.TrimPrefix(strings.TrimPrefix(res.Name, t.name), "/")
		if f := w.found[name]; f != nil {
			f.fill(res)
		} else if res.Message == "" {
			res.Message = "it is " + jsonText(out.value)
			res.Expected, res.Actual = "true", jsonText(out.value)
		}
		if r.options.Verbose {
			res.Trace = traceText(w.trace)
		}
	}
}

// failure is the expression at which a test gave up: the last one it got to.
type failure struct {
	index            int
	loc              *ast.Location
	expected, actual string
	vars             map[string]string
}

func (f *failure) fill(res *TestResult) {
	res.Expression = string(f.loc.Text)
	res.Expected, res.Actual, res.Vars = f.expected, f.actual, f.vars
	res.At = &Place{File: f.loc.File, Line: f.loc.Row}
	line, _, more := strings.Cut(res.Expression, "\n")
	if more {
		line = strings.TrimSpace(line) + " …"
	}
	res.Message = line + ": expected " + f.expected + ", got " + f.actual
}

// failureTracer finds, for each case of a test, the furthest expression in the
// body of the test rule that failed. Values are read as it happens, since OPA
// takes bindings back when it backtracks.
type failureTracer struct {
	ctx    context.Context // a tracer is called without one
	runner *runner
	ref    ast.Ref
	bodies map[uint64]bool // queries that are a body of the test rule
	name   string          // of the case at hand, empty without a table
	found  map[string]*failure
	trace  topdown.BufferTracer
}

func (w *failureTracer) Enabled() bool { return true }

func (w *failureTracer) Config() topdown.TraceConfig {
	return topdown.TraceConfig{PlugLocalVars: true}
}

func (w *failureTracer) TraceEvent(e topdown.Event) {
	const most = 100_000 // events: a trace beyond that helps nobody
	if w.runner.options.Verbose && len(w.trace) < most {
		w.trace.TraceEvent(e)
	}
	switch e.Op {
	case topdown.EnterOp:
		if rule, ok := e.Node.(*ast.Rule); ok && rule.Ref().HasPrefix(w.ref) {
			w.bodies[e.QueryID] = true
		}
	case topdown.TestCaseOp:
		w.name = strings.Join(caseOf(&e), "/")
	case topdown.FailOp:
		expr, ok := e.Node.(*ast.Expr)
		if !ok || !w.bodies[e.QueryID] || e.Location == nil || e.Location.File == "" {
			return
		}
		if had := w.found[w.name]; had != nil && had.index >= expr.Index {
			return
		}
		w.found[w.name] = w.look(&e, expr)
	}
}

// look reads what an expression compared, while its variables are bound.
func (w *failureTracer) look(e *topdown.Event, expr *ast.Expr) *failure {
	f := &failure{index: expr.Index, loc: e.Location, expected: "true", actual: "undefined", vars: map[string]string{}}
	src := w.source(e.Location)
	if src == nil {
		src = expr
	} else {
		f.loc = src.Location
	}
	ast.WalkVars(expr, func(v ast.Var) bool {
		if meta, ok := e.LocalMetadata[v]; ok && meta.Name != "" && !meta.Name.IsGenerated() && !meta.Name.IsWildcard() {
			if value := e.Locals.Get(v); value != nil && value.IsGround() {
				f.vars[string(meta.Name)] = jsonText(value)
			}
		}
		return false
	})
	switch {
	case src.Negated:
		f.expected, f.actual = "false or undefined", w.value(e, expr)
	case src.IsAssignment(), src.IsEvery(), src.IsSome():
		if f.expected = "a value"; src.IsEvery() {
			f.expected, f.actual = "true for every element", "false for one"
		}
	case comparison(src) != "":
		w.compare(e, expr, src, f)
	default:
		f.actual = w.value(e, expr)
	}
	return f
}

// compare fills in both sides of a comparison. The constant is what was
// expected; without one, or with two, it is the right side, as people write.
func (w *failureTracer) compare(e *topdown.Event, expr, src *ast.Expr, f *failure) {
	left, right := src.Operand(0), src.Operand(1)
	swap := left.IsGround() && !isRef(left) && (isRef(right) || !right.IsGround())
	op := comparison(src)
	var sides [2]string
	if comparison(expr) != "" && !expr.Generated {
		for i := range sides {
			sides[i] = w.term(e, expr.Operand(i), expr.With)
		}
	} else {
		// A step the compiler made to compute an operand has no value.
		for i, t := range []*ast.Term{left, right} {
			if sides[i] = "undefined"; t.IsGround() && !isRef(t) && !isCall(t) {
				sides[i] = jsonText(t.Value)
			}
		}
	}
	f.actual, f.expected = sides[0], sides[1]
	if swap {
		f.actual, f.expected = sides[1], sides[0]
		op = mirrored(op)
	}
	if f.expected == "undefined" && f.actual != "undefined" {
		return // the other side has no value: that is the news
	}
	if op != "==" {
		f.expected = op + " " + f.expected
	}
	if f.expected == "undefined" {
		f.expected = "a value"
	}
}

// term is the value of an operand, with everything bound that is bound now.
func (w *failureTracer) term(e *topdown.Event, t *ast.Term, with []*ast.With) string {
	if ref, ok := t.Value.(ast.Ref); ok {
		if head := e.Plug(ref[0]); head.IsGround() && head != ref[0] {
			return inside(e, head.Value, ref[1:])
		}
	}
	t = e.Plug(t)
	if t.IsGround() && !isRef(t) && !ast.IsComprehension(t.Value) {
		return jsonText(t.Value)
	}
	return w.ask(e, t, with)
}

// inside is what a variable holds at a path: x.name[i].
func inside(e *topdown.Event, v ast.Value, path ast.Ref) string {
	at := make(ast.Ref, len(path))
	for i, t := range path {
		at[i] = e.Plug(t)
	}
	found, err := v.Find(at)
	if err != nil {
		return "undefined"
	}
	return jsonText(found)
}

// value is what an expression evaluates to: a reference's value, a call's
// result, undefined.
func (w *failureTracer) value(e *topdown.Event, expr *ast.Expr) string {
	switch terms := expr.Terms.(type) {
	case *ast.Term:
		return w.term(e, terms, expr.With)
	case []*ast.Term:
		if expr.IsEquality() {
			if expr.Negated {
				return "true"
			}
			return w.term(e, expr.Operand(1), expr.With)
		}
		if expr.Negated {
			return "true"
		}
		args := make([]*ast.Term, len(terms))
		args[0] = terms[0]
		for i, t := range terms[1:] {
			args[i+1] = e.Plug(t)
		}
		return w.ask(e, ast.NewTerm(ast.Call(args)), expr.With)
	}
	return "undefined"
}

// ask evaluates one term on the side.
func (w *failureTracer) ask(e *topdown.Event, t *ast.Term, with []*ast.With) string {
	var query *ast.Expr
	if call, ok := t.Value.(ast.Call); ok {
		query = ast.NewExpr(append(append([]*ast.Term{}, call...), ast.NewTerm(resultVar)))
	} else {
		query = ast.Equality.Expr(ast.NewTerm(resultVar), t)
	}
	for _, m := range with {
		query = query.IncludeWith(m.Target, e.Plug(m.Value))
	}
	q := w.runner.queryFor(ast.NewBody(query), &cancelFlag{})
	if input := e.Input(); input != nil {
		q = q.WithInput(input)
	}
	answer := "undefined"
	ctx, cancel := context.WithTimeout(w.ctx, defaultTestTimeout)
	defer cancel()
	_ = w.runner.bundle.workers.do(ctx, func(c *cancelFlag) error {
		return q.WithCancel(c).Iter(ctx, func(qr topdown.QueryResult) error {
			if v := qr[resultVar]; v != nil && ctx.Err() == nil {
				answer = jsonText(v.Value)
			}
			return nil
		})
	})
	return answer
}

// source is the expression as it was written around a place: the compiler takes
// expressions apart, and the pieces know where they came from.
func (w *failureTracer) source(loc *ast.Location) *ast.Expr {
	var found *ast.Expr
	for _, m := range w.runner.bundle.modules {
		if m.path != loc.File || m.parsed == nil {
			continue
		}
		ast.WalkExprs(m.parsed, func(x *ast.Expr) bool {
			l := x.Location
			if found == nil && l != nil && l.Offset <= loc.Offset && loc.Offset < l.Offset+len(l.Text) {
				found = x
			}
			return found != nil
		})
	}
	return found
}

// comparison is the operator of an expression that compares two terms.
func comparison(x *ast.Expr) string {
	if !x.IsCall() || len(x.Operands()) != 2 {
		return ""
	}
	switch x.Operator().String() {
	case "equal", "eq":
		return "=="
	case "neq":
		return "!="
	case "lt":
		return "<"
	case "lte":
		return "<="
	case "gt":
		return ">"
	case "gte":
		return ">="
	}
	return ""
}

// mirrored is the operator seen from the other side.
func mirrored(op string) string {
	switch op[0] {
	case '<':
		return ">" + op[1:]
	case '>':
		return "<" + op[1:]
	}
	return op
}

func isRef(t *ast.Term) bool {
	_, ok := t.Value.(ast.Ref)
	return ok
}

func isCall(t *ast.Term) bool {
	_, ok := t.Value.(ast.Call)
	return ok
}
