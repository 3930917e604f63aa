package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/policyhost/policy/runtime/fault"
)

// codeLoad marks findings about load statements.
const codeLoad = "load"

// checker looks at one file. It knows the variables of the file by where they
// are bound first, and other files by what they define at their top level.
type checker struct {
	ctx    context.Context
	loader *loader
	m      *module
	vars   map[*syntax.Ident]*variable
	sites  map[*syntax.Ident]bool // that bind a name, not use it
	sigs   map[*syntax.DefStmt]*staticSignature
	valued map[syntax.Expr]*typ // types of what names are bound to

	functions []string // that the walk is in, outermost first
	defs      []*syntax.DefStmt
	forgiving int // depth of calls whose failure is wanted
	deep      int // of inference
	found     []Finding
}

func newChecker(ctx context.Context, l *loader, m *module) *checker {
	return &checker{
		ctx: ctx, loader: l, m: m,
		vars:   make(map[*syntax.Ident]*variable),
		sites:  make(map[*syntax.Ident]bool),
		sigs:   make(map[*syntax.DefStmt]*staticSignature),
		valued: make(map[syntax.Expr]*typ),
	}
}

// check finds what cannot work.
func (c *checker) check() {
	env := c.loader.env(c.m)
	c.names(env)
	c.bind()
	for _, load := range c.m.loads() {
		c.load(load)
	}
	c.types()
	c.walk()
}

// function is what the walk is in, as traces call it.
func (c *checker) function() string {
	if n := len(c.functions); n > 0 {
		return c.functions[n-1]
	}
	return "<toplevel>"
}

// names resolves the names of the file and reports those that are undefined.
func (c *checker) names(env starlark.StringDict) {
	undefined := make(map[string]bool)
	err := resolve.File(c.m.file, func(name string) bool {
		if env.Has(name) {
			return true
		}
		undefined[name] = !starlark.Universe.Has(name)
		return false
	}, starlark.Universe.Has)
	list, ok := errors.AsType[resolve.ErrorList](err)
	if !ok {
		return
	}
	names := &nameErrors{list: list, module: c.m, undefined: undefined, env: env}
	for i, e := range list {
		text, hint := names.describe(c.loader, i)
		name, isName := strings.CutPrefix(text, "undefined: ")
		f := c.report(e.Pos, len([]rune(name)), "undefined", scriptFault("", hint, "%s", text))
		if f.fn = ""; isName {
			f.Replace = meant(hint)
		} else {
			f.Code, f.Width = "syntax", 1
		}
	}
}

// load reports a load statement that cannot work.
func (c *checker) load(load *syntax.LoadStmt) {
	pos, width := placeOf(load.Module)
	other, err := c.loader.peek(c.m, load.ModuleName())
	if err != nil {
		f := asFault(err)
		found := c.report(pos, width, codeLoad, f)
		if word := meant(f.Hint); word != "" {
			found.Replace = fmt.Sprintf("%q", word)
		}
		return
	}
	if chain := c.loader.cycleThrough(c.m, other); chain != "" {
		c.report(pos, width, codeLoad, &fault.Error{Kind: fault.Script, Op: "load", Err: errors.New("cycle: " + chain)})
		return
	}
	for _, from := range load.From {
		if _, ok := other.defines()[from.Name]; ok {
			continue
		}
		f := lacks(load.ModuleName(), from.Name, other.names())
		found := c.report(from.NamePos, len([]rune(from.Name)), codeLoad, f)
		found.Replace = meant(f.Hint)
	}
}

// types reports annotations and fields of records that name no type. Names in
// them are used.
func (c *checker) types() {
	used := make(map[string]bool)
	names := &staticNames{c, c.m}
	check := func(e *typeExpr) {
		if e == nil {
			return
		}
		e.namesIn(used)
		_, err := resolveType(e, names)
		if p, ok := errors.AsType[*placed](err); ok {
			found := c.report(p.pos, len([]rune(e.name)), "unknown-type", p.err)
			found.Replace, found.fn = meant(p.err.Hint), ""
		}
	}
	for _, d := range c.m.definitions {
		for _, f := range d.fields {
			check(f.typ)
		}
	}
	syntax.Walk(c.m.file, func(n syntax.Node) bool {
		if def, ok := n.(*syntax.DefStmt); ok && def != c.m.body {
			if a := c.m.annotationsOf(def); a != nil {
				for _, p := range typedParams(def, a) {
					check(p.expr)
				}
				check(a.result)
			}
		}
		return len(c.m.annotations) > 0
	})
	for _, v := range c.vars {
		if !v.local && used[v.ident.Name] {
			v.uses++
		}
	}
}

// namesIn adds the first parts of the names in a type.
func (e *typeExpr) namesIn(used map[string]bool) {
	for _, arg := range e.args {
		arg.namesIn(used)
	}
	first, _ := cutDot(e.name)
	used[first] = true
}

// walk visits every node once, knowing the functions around it.
func (c *checker) walk() {
	var stack []syntax.Node
	syntax.Walk(c.m.file, func(n syntax.Node) bool {
		if n != nil {
			stack = append(stack, n)
			c.enter(n)
			return true
		}
		c.leave(stack[len(stack)-1])
		stack = stack[:len(stack)-1]
		return true
	})
}

func (c *checker) enter(n syntax.Node) {
	switch n := n.(type) {
	case *syntax.DefStmt:
		c.defaults(n)
		c.functions, c.defs = append(c.functions, n.Name.Name), append(c.defs, n)
	case *syntax.LambdaExpr:
		c.functions, c.defs = append(c.functions, "lambda"), append(c.defs, nil)
	case *syntax.ReturnStmt:
		c.result(n)
	case *syntax.CallExpr:
		c.call(n)
		if wantsFailure(n) {
			c.forgiving++
		}
	case *syntax.DotExpr:
		c.attribute(n)
	}
}

func (c *checker) leave(n syntax.Node) {
	switch n := n.(type) {
	case *syntax.DefStmt, *syntax.LambdaExpr:
		c.functions, c.defs = c.functions[:len(c.functions)-1], c.defs[:len(c.defs)-1]
	case *syntax.CallExpr:
		if wantsFailure(n) {
			c.forgiving--
		}
	}
}

// wantsFailure reports a call whose arguments are there to fail.
func wantsFailure(x *syntax.CallExpr) bool {
	name := ""
	switch fn := x.Fn.(type) {
	case *syntax.Ident:
		name = fn.Name
	case *syntax.DotExpr:
		name = fn.Name.Name
	}
	return name == "fails"
}

// defaults reports defaults that are not of the parameter's type.
func (c *checker) defaults(def *syntax.DefStmt) {
	for _, p := range c.signature(c.m, def).params {
		if p.byDefault != nil && p.typ != nil {
			if err := c.misfit(p.typ, p.byDefault); err != nil {
				c.misplaced(p.byDefault, def.Name.Name, fmt.Errorf("the default of %s: %w", p.name, err), "wrong-type")
			}
		}
	}
}

// result reports a value that is not of the type its function returns.
func (c *checker) result(ret *syntax.ReturnStmt) {
	if len(c.defs) == 0 || c.defs[len(c.defs)-1] == nil || ret.Result == nil {
		return
	}
	def := c.defs[len(c.defs)-1]
	if t := c.signature(c.m, def).result; t != nil {
		if err := c.misfit(t, ret.Result); err != nil {
			c.misplaced(ret.Result, def.Name.Name, fmt.Errorf("the value it returns: %w", err), "wrong-type")
		}
	}
}

// misplaced reports an expression that does not fit where it stands.
func (c *checker) misplaced(x syntax.Expr, op string, err error, code string) {
	hint := ""
	if inner, ok := errors.AsType[*fault.Error](err); ok {
		hint = inner.Hint
	}
	pos, width := placeOf(x)
	found := c.report(pos, width, code, scriptFault(op, hint, "%w", err))
	if _, literal := x.(*syntax.Literal); literal && meant(hint) != "" {
		found.Replace = fmt.Sprintf("%q", meant(hint))
	}
}

// attribute reports an attribute that what stands before the dot does not have.
func (c *checker) attribute(x *syntax.DotExpr) {
	name := x.Name.Name
	of, names := c.attributes(x.X)
	if of == "" || slices.Contains(names, name) {
		return
	}
	text := fmt.Sprintf("%s has no .%s field or method", of, name)
	near := fault.Nearest(name, names)
	if near != "" {
		text += fmt.Sprintf(" (did you mean .%s?)", near)
	}
	c.report(x.Name.NamePos, len([]rune(name)), "unknown-attribute", scriptFault("", "", "%s", text)).Replace = near
}
