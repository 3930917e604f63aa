package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown/print"

	"github.com/policyhost/policy/runtime/fault"
)

// prepareKey is all that a prepared query depends on.
type prepareKey struct {
	query  string
	strict bool
	full   bool
}

// prepared is a query that is ready to be evaluated.
type prepared struct {
	query    rego.PreparedEvalQuery
	iterates bool
}

// maxPrepared bounds the memory of a script that makes up queries.
const maxPrepared = 512

func (b *Bundle) prepare(ctx context.Context, q *Query, m metrics.Metrics) (*prepared, error) {
	key := prepareKey{q.Query, q.StrictBuiltinErrors, q.Coverage}
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.prepared[key]; p != nil && q.body == nil && !q.Metrics {
		return p, nil
	}
	body, err := b.queryBody(q)
	if err != nil {
		return nil, err
	}
	opts, err := b.regoOptions(ctx, body, q, m)
	if err != nil {
		return nil, err
	}
	p := &prepared{iterates: iterates(body)}
	// Preparing rewrites the body it is given.
	if p.query, err = rego.New(opts...).PrepareForEval(ctx); err != nil {
		return nil, b.queryFault(ctx, q, err)
	}
	if q.body != nil {
		return p, nil
	}
	if len(b.prepared) >= maxPrepared {
		clear(b.prepared)
	}
	b.prepared[key] = p
	return p, nil
}

func (b *Bundle) queryBody(q *Query) (ast.Body, error) {
	if q.body != nil {
		return q.body, nil
	}
	body, err := b.parseQuery(q.Query)
	if err != nil {
		return nil, b.queryFault(context.Background(), q, err)
	}
	return body, nil
}

func (b *Bundle) parseQuery(query string) (ast.Body, error) {
	if strings.TrimSpace(query) == "" {
		return nil, fault.New(fault.Usage, "", "the query is empty").WithHint("for example data.authz.allow")
	}
	return ast.ParseBodyWithOpts(query, ast.ParserOptions{
		RegoVersion:  b.version,
		Capabilities: b.caps,
		SkipRules:    true,
	})
}

// regoOptions compiles what the query reaches. b.mu must be held.
func (b *Bundle) regoOptions(ctx context.Context, body ast.Body, q *Query, m metrics.Metrics) ([]func(*rego.Rego), error) {
	if len(b.modules) == 0 {
		for _, p := range b.parts {
			if p.wasmFile || p.plan {
				return nil, fault.New(fault.Invalid, b.opts.Name, "it holds compiled code (WebAssembly or a plan) only, which this program does not run").
					WithHint("build it with --target rego")
			}
		}
	}
	// What a name without data means in a package, only all of it can tell.
	compiler, err := b.compilerFor(ctx, body, q.Coverage || q.scope != nil, m)
	if err != nil {
		return nil, err
	}
	opts := []func(*rego.Rego){
		rego.Compiler(compiler),
		rego.Store(&store{root: b.data}),
		rego.ParsedQuery(body),
		rego.Capabilities(b.caps),
		rego.StrictBuiltinErrors(q.StrictBuiltinErrors),
		rego.GenerateJSON(func(t *ast.Term, _ *rego.EvalContext) (any, error) { return t.Value, nil }),
		rego.Metrics(m),
	}
	if b.opts.Print != nil {
		opts = append(opts, rego.EnablePrintStatements(true))
	}
	if q.scope != nil {
		opts = append(opts, rego.ParsedPackage(q.scope.pkg), rego.ParsedImports(q.scope.imports))
	}
	for name, decl := range b.stubs {
		opts = append(opts, rego.FunctionDyn(&rego.Function{Name: name, Decl: decl.Decl}, missingBuiltin(name)))
	}
	return opts, nil
}

// missingBuiltin stands for a function that only another engine has: it stops
// the evaluation, since undefined would be an answer.
func missingBuiltin(name string) rego.BuiltinDyn {
	return func(rego.BuiltinContext, []*ast.Term) (*ast.Term, error) {
		return nil, rego.NewHaltError(missing(name))
	}
}

func missing(name string) error {
	return fault.New(fault.Invalid, name,
		"the manifest requires this function (required_builtins), and this program does not have it")
}

// printHook passes on what a policy prints, until the evaluation is cancelled: an
// evaluation left behind must not speak up later.
type printHook struct {
	print  func(string)
	cancel *cancelFlag
}

func (h printHook) Print(c print.Context, text string) error {
	if h.cancel.Cancelled() {
		return nil
	}
	if c.Location != nil {
		text = c.Location.String() + ": " + text
	}
	h.print(text)
	return nil
}

// evalOptions are what every evaluation of a query has.
func (b *Bundle) evalOptions(q *Query, input ast.Value, m metrics.Metrics, c *cancelFlag) []rego.EvalOption {
	opts := []rego.EvalOption{rego.EvalExternalCancel(c), rego.EvalTime(q.Time), rego.EvalMetrics(m)}
	if input != nil {
		opts = append(opts, rego.EvalParsedInput(input))
	}
	if b.opts.Print != nil {
		opts = append(opts, rego.EvalPrintHook(printHook{b.opts.Print, c}))
	}
	return opts
}

// queryFault names the query as what is wrong, and for an unknown name the
// nearest known one.
func (b *Bundle) queryFault(ctx context.Context, q *Query, err error) error {
	f := *fault.Of(b.compileFault(ctx, err))
	if f.Kind != fault.Invalid {
		return &f
	}
	f.Kind, f.Subject = fault.Usage, strings.TrimSpace("query "+q.Query)
	ps := problemsOf(err)
	unsafe := func(p Problem) bool { return p.Code == ast.UnsafeVarErr }
	if !slices.ContainsFunc(ps, unsafe) {
		return &f
	}
	// The wildcard that takes the query's value is unsafe with it: nobody typed it.
	typed := slices.DeleteFunc(slices.Clone(ps), func(p Problem) bool { return unsafe(p) && p.Message == wildcardUnsafe })
	if len(typed) > 0 {
		f.Err = typed
	}
	if near := b.nearestOf(q); near != "" {
		return f.WithHint("did you mean %s?", near)
	}
	return &f
}

const wildcardUnsafe = "var _ is unsafe"
