package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/lineage"
	"github.com/open-policy-agent/opa/v1/topdown/print"

	"github.com/policyhost/policy/runtime/fault"
)

// defaultTestTimeout is OPA's.
const defaultTestTimeout = 5 * time.Second

// outcome is what an evaluation of a test rule gave.
type outcome struct {
	value  ast.Value // nil: undefined
	cases  [][]string
	output string
	err    error
}

// one runs a test, and once more with a tracer if it fails: most pass, and
// tracing costs several times the evaluation.
func (r *runner) one(ctx context.Context, t *testCase) []TestResult {
	base := TestResult{Name: t.name, File: t.rule.Loc().File, Line: t.rule.Loc().Row}
	if t.skip {
		base.Outcome = Skip
		return []TestResult{base}
	}
	start := time.Now()
	table := t.rule.Head.DocKind() == ast.PartialObjectDoc
	out := r.evaluate(ctx, t, table, nil)
	base.Duration = time.Since(start).Seconds()
	base.Output = out.output
	if out.err != nil {
		base.Outcome, base.Message = Error, out.err.Error()
		return []TestResult{base}
	}
	var results []TestResult
	if table {
		results = tableResults(base, out)
	} else {
		base.Outcome = Fail
		if out.value != nil && out.value.Compare(ast.Boolean(true)) == 0 {
			base.Outcome = Pass
		}
		results = []TestResult{base}
	}
	for i := range results {
		if results[i].Outcome == Fail {
			r.explain(ctx, t, out, results)
			break
		}
	}
	return results
}

// evaluate asks for the value of a test rule.
func (r *runner) evaluate(ctx context.Context, t *testCase, table bool, tracer topdown.QueryTracer) outcome {
	timeout := r.options.Timeout
	if timeout <= 0 {
		timeout = defaultTestTimeout
	}
	slow := fmt.Errorf("it takes longer than %v", timeout)
	limited, cancel := context.WithTimeoutCause(ctx, timeout, slow)
	defer cancel()
	var done outcome
	err := r.bundle.workers.do(limited, func(c *cancelFlag) error {
		var out outcome
		var prints printBuffer
		q := r.query(t.ref, c).WithPrintHook(&prints)
		var cases *tester.TestQueryTracer
		if table {
			cases = tester.NewTestQueryTracer()
			q = q.WithQueryTracer(cases)
		}
		if tracer != nil {
			q = q.WithQueryTracer(tracer).WithIndexing(false) // the index leaves out rules without a trace
		} else if r.coverage != nil {
			q = q.WithQueryTracer(r.coverage)
		}
		err := q.Iter(limited, func(qr topdown.QueryResult) error {
			out.value = qr[resultVar].Value
			return nil
		})
		out.cases = caseNames(cases.Events())
		out.output = prints.String()
		if !c.Cancelled() {
			done = out
		}
		return err
	})
	switch {
	case err == nil:
		return done
	case limited.Err() != nil && ctx.Err() == nil && (topdown.IsCancel(err) || errors.Is(err, slow)):
		return outcome{err: slow}
	}
	f := fault.Of(fromOPA(limited, "", err))
	if limited.Err() != nil { // it may have been left behind, and write yet
		return outcome{err: f}
	}
	return outcome{err: f, output: done.output}
}

// resultVar is where a query for a test leaves its value.
const resultVar = ast.Var("result")

// query asks for the document at ref. It needs no compiling: it is one
// reference without variables.
func (r *runner) query(ref ast.Ref, c *cancelFlag) *topdown.Query {
	return r.queryFor(ast.NewBody(ast.Equality.Expr(ast.NewTerm(resultVar), ast.NewTerm(ref))), c)
}

func (r *runner) queryFor(body ast.Body, c *cancelFlag) *topdown.Query {
	q := topdown.NewQuery(body).
		WithCompiler(r.compiler).
		WithStore(r.store).
		WithTransaction(transaction{}).
		WithMetrics(metrics.NoOp()).
		WithCancel(c)
	if len(r.bundle.stubs) > 0 {
		q = q.WithBuiltins(stubFunctions(r.bundle.stubs))
	}
	return q
}

// stubFunctions are the required builtins as topdown wants them.
func stubFunctions(stubs map[string]*ast.Builtin) map[string]*topdown.Builtin {
	all := make(map[string]*topdown.Builtin, len(stubs))
	for name, decl := range stubs {
		all[name] = &topdown.Builtin{Decl: decl, Func: func(topdown.BuiltinContext, []*ast.Term, func(*ast.Term) error) error {
			return topdown.Halt{Err: missing(name)}
		}}
	}
	return all
}

// caseNames reads the cases of a table off the events the tester injects.
func caseNames(events []*topdown.Event) [][]string {
	var all [][]string
	for _, e := range events {
		if path := caseOf(e); path != nil {
			all = append(all, path)
		}
	}
	return all
}

func caseOf(e *topdown.Event) []string {
	expr, ok := e.Node.(*ast.Expr)
	if !ok {
		return nil
	}
	arr, ok := expr.Operand(0).Value.(*ast.Array)
	if !ok {
		return nil
	}
	path := make([]string, arr.Len())
	for i := range path {
		path[i] = termText(arr.Elem(i).Value)
	}
	return path
}

// termText is a string as it is, anything else as JSON.
func termText(v ast.Value) string {
	if s, ok := v.(ast.String); ok {
		return string(s)
	}
	return jsonText(v)
}

func jsonText(v ast.Value) string {
	if v == nil {
		return "undefined"
	}
	b, err := appendJSON(nil, v)
	if err != nil {
		return v.String()
	}
	return string(b)
}

// tableResults makes a result of each case: those in the value hold if they are
// true, those that were only tried do not.
func tableResults(base TestResult, out outcome) []TestResult {
	passed := map[string]bool{}
	var order []string
	add := func(path []string, ok bool) {
		name := strings.Join(path, "/")
		if _, seen := passed[name]; !seen {
			order = append(order, name)
		}
		passed[name] = passed[name] || ok
	}
	for _, path := range out.cases {
		add(path, false)
	}
	var walk func(path []string, v ast.Value)
	walk = func(path []string, v ast.Value) {
		if o, ok := v.(ast.Object); ok {
			o.Foreach(func(k, v *ast.Term) { walk(append(path[:len(path):len(path)], termText(k.Value)), v.Value) })
			return
		}
		add(path, v.Compare(ast.Boolean(true)) == 0)
	}
	if out.value != nil {
		walk(nil, out.value)
	}
	results := make([]TestResult, 0, len(order))
	for i, name := range order {
		one := base
		one.Name += "/" + name
		if one.Outcome = Fail; passed[name] {
			one.Outcome = Pass
		}
		if i > 0 { // they ran as one: count its time and output once
			one.Duration, one.Output = 0, ""
		}
		results = append(results, one)
	}
	if len(results) == 0 { // a table without rows tests nothing
		base.Outcome, base.Message = Fail, "it has no case"
		results = append(results, base)
	}
	return results
}

// printBuffer collects what a test prints.
type printBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (p *printBuffer) Print(_ print.Context, text string) error {
	const most = 1 << 20
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.b.Len() < most {
		p.b.WriteString(text)
		p.b.WriteByte('\n')
	}
	return nil
}

func (p *printBuffer) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.String()
}

// traceText is the failing steps of a trace, for people.
func traceText(trace topdown.BufferTracer) string {
	var b strings.Builder
	steps := lineage.Fails(trace)
	if len(steps) == 0 { // it held, with the wrong value
		steps = lineage.Full(trace)
	}
	topdown.PrettyTraceWithOpts(&b, steps, topdown.PrettyTraceOptions{Locations: true, ExprVariables: true})
	return b.String()
}
