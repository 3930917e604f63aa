package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/storage"

	"github.com/policyhost/policy/runtime/fault"
)

// compiled is a compiler with some modules of the bundle in it, or all.
type compiled struct {
	compiler *ast.Compiler
	modules  map[*module]struct{} // nil: all
}

func (c *compiled) has(r *reach) bool {
	if c.modules == nil {
		return true
	}
	if r.all {
		return false
	}
	for _, m := range r.modules {
		if _, ok := c.modules[m]; !ok {
			return false
		}
	}
	return true
}

// compilerFor returns a compiler that answers the query. The first query of a
// trusted bundle compiles what it reaches; a second that reaches further
// compiles everything, so that a script with many queries pays at most twice.
// b.mu must be held.
func (b *Bundle) compilerFor(ctx context.Context, query ast.Body, full bool, m metrics.Metrics) (*ast.Compiler, error) {
	if len(b.compiled) == 0 && !full && !b.trusted() {
		full = true
	}
	if len(b.wasm) == 0 {
		for _, c := range b.compiled {
			if c.modules == nil { // no need to know the reach
				return c.compiler, nil
			}
		}
	}
	r, err := b.reachOf(query)
	if err != nil {
		// The parser's complaint is about one module: the user wants all of them.
		if errs := parseAll(ctx, b.modules, b.caps); errs != nil {
			err = errs
		}
		return nil, b.compileFault(ctx, err)
	}
	if err := b.checkWasm(r); err != nil {
		return nil, err
	}
	for _, c := range b.compiled {
		if !full && c.has(r) || c.modules == nil {
			return c.compiler, nil
		}
	}
	modules := r.modules
	if full || len(b.compiled) > 0 || r.all || len(modules) == len(b.modules) {
		modules = b.modules
	}
	m.Timer(metrics.RegoModuleCompile).Start()
	defer m.Timer(metrics.RegoModuleCompile).Stop()
	compiler, err := b.compile(ctx, modules)
	if err != nil {
		return nil, err
	}
	c := &compiled{compiler: compiler}
	if len(modules) < len(b.modules) {
		c.modules = make(map[*module]struct{}, len(modules))
		for _, mod := range modules {
			c.modules[mod] = struct{}{}
		}
	} else {
		b.remember()
	}
	b.compiled = append(b.compiled, c)
	return compiler, nil
}

// compile compiles modules over the bundle's data.
func (b *Bundle) compile(ctx context.Context, modules []*module) (*ast.Compiler, error) {
	if err := parseAll(ctx, modules, b.caps); err != nil {
		return nil, b.compileFault(ctx, err)
	}
	compiler := ast.NewCompiler().
		WithCapabilities(b.caps).
		WithDefaultRegoVersion(b.version).
		WithUseTypeCheckAnnotations(true).
		WithEnablePrintStatements(b.opts.Print != nil).
		SetErrorLimit(0) // the message has its own
	if len(b.opts.Data) > 0 || !b.trusted() { // else it was seen that no rule hides data
		compiler = compiler.WithPathConflictsCheck(storage.NonEmpty(ctx, &store{root: b.data}, transaction{}))
	}
	compiler.Compile(byName(modules))
	if compiler.Failed() {
		return nil, b.compileFault(ctx, compiler.Errors)
	}
	return compiler, nil
}

// byName are modules as the compiler takes them, which want a name each: -d may
// bring a file that is called like one of the bundle.
func byName(modules []*module) map[string]*ast.Module {
	named := make(map[string]*ast.Module, len(modules))
	for _, m := range modules {
		if m.parsed == nil {
			continue
		}
		name := m.path
		for n := 2; named[name] != nil; n++ {
			name = fmt.Sprintf("%s#%d", m.path, n)
		}
		named[name] = m.parsed
	}
	return named
}

// checkWasm refuses a query that only compiled code could answer: the modules
// beside it lack those rules, and the query would be silently undefined.
func (b *Bundle) checkWasm(r *reach) error {
	for _, w := range b.wasm {
		for _, path := range r.paths {
			if !overlap(w.path, path) {
				continue
			}
			if b.defines(w.path) {
				continue // built for both: the Rego is whole
			}
			return fault.New(fault.Invalid, b.opts.Name, "data.%s is WebAssembly only, which this program does not run",
				strings.Join(w.path, ".")).WithHint("build it with --target rego")
		}
		if r.all && !b.defines(w.path) {
			return fault.New(fault.Invalid, b.opts.Name, "the query may reach data.%s, which is WebAssembly only: this program does not run it",
				strings.Join(w.path, ".")).WithHint("build it with --target rego")
		}
	}
	return nil
}

// defines reports whether a rule at path, or below it, is there in Rego.
func (b *Bundle) defines(path []string) bool {
	for _, m := range b.modules {
		parsed, err := m.parse(b.caps)
		if err != nil {
			continue
		}
		pkg, err := m.packagePath(b.caps)
		if err != nil || !overlap(pkg, path) {
			continue
		}
		for _, rule := range parsed.Rules {
			if at := definedAt(pkg, rule); len(at) >= len(path) && overlap(at, path) {
				return true
			}
		}
	}
	return false
}

// definedAt is where a rule of a package defines something, below data, as far as
// that does not depend on variables.
func definedAt(pkg []string, rule *ast.Rule) []string {
	at := slices.Clone(pkg)
	for i, t := range rule.Head.Ref().ConstantPrefix() {
		switch v := t.Value.(type) {
		case ast.Var:
			if i == 0 {
				at = append(at, string(v))
			}
		case ast.String:
			at = append(at, string(v))
		}
	}
	return at
}

// compileFault turns what the compiler says into a fault, with the flag to type
// when it is about the network.
func (b *Bundle) compileFault(ctx context.Context, err error) error {
	f := fault.Of(fromOPA(ctx, b.opts.Name, err))
	if ps, ok := errors.AsType[Problems](f.Err); ok && b.opts.MaxErrors > 0 {
		f.Err = atMost{ps, b.opts.MaxErrors}
	}
	if f.Hint != "" || len(b.opts.AllowNet) > 0 {
		return f
	}
	places := map[string]string{}
	for _, m := range b.modules {
		if m.parsed == nil {
			continue
		}
		ast.WalkTerms(m.parsed, func(t *ast.Term) bool {
			if ref, ok := t.Value.(ast.Ref); ok && t.Location != nil {
				if name := ref.String(); slices.Contains(networkBuiltins, name) {
					places[fmt.Sprintf("%s:%d", t.Location.File, t.Location.Row)] = name
				}
			}
			return false
		})
	}
	for _, p := range problemsOf(err) {
		if name, ok := places[fmt.Sprintf("%s:%d", p.File, p.Line)]; ok {
			return f.WithHint("%s reaches the network: allow the hosts it may reach with --allow-net HOST", name)
		}
	}
	return f
}
