package runtime

import (
	"cmp"
	"fmt"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/policyhost/policy/runtime/fault"
)

// Types are checked where a function is entered from another file or from
// outside. The compiler lets an annotated function begin with params*(n, …) and
// return result*(n, …), where n says which of the module's signatures it is: names
// that no script can write.
const (
	paramsGuard = "params" + guardName
	resultGuard = "result" + guardName
)

// signature is the types of one function.
type signature struct {
	name   string
	def    syntax.Position
	params []typedParam // those with a type, in their order
	result *typeExpr    // nil when it has none

	types      []*typ // of params; nil until the file is loaded
	resultType *typ
}

// typeOf is the type of a parameter, as it is written and as it is checked; nil
// when it has none. A nil signature has none at all.
func (s *signature) typeOf(param string) (*typeExpr, *typ) {
	if s == nil {
		return nil, nil
	}
	for i, p := range s.params {
		if p.ident.Name == param {
			return p.expr, s.types[i]
		}
	}
	return nil, nil
}

// signatureOf is the signature of a function, nil when it has no annotations.
func (l *loader) signatureOf(fn *starlark.Function) *signature {
	at := fn.Position()
	for _, m := range l.modules {
		if m.Name != at.Filename() {
			continue
		}
		for _, s := range m.signatures {
			if s.name == fn.Name() && s.def.Line == at.Line && s.def.Col == at.Col {
				return s
			}
		}
	}
	return nil
}

// typedParam is a parameter with an annotation.
type typedParam struct {
	ident *syntax.Ident
	expr  *typeExpr
	star  int // 1: *args, 2: **kwargs
}

// guardTypes lets each function of f that has annotations check them.
func guardTypes(f *syntax.File, m *module) {
	if len(m.annotations) == 0 {
		return
	}
	syntax.Walk(f, func(n syntax.Node) bool {
		def, ok := n.(*syntax.DefStmt)
		if !ok || def == m.body {
			return true
		}
		if a := m.annotationsOf(def); a != nil {
			m.guardFunction(def, a)
		}
		return true
	})
}

// annotationsOf are the annotations of a function, nil when it has none. They are
// in the order of the file.
func (m *module) annotationsOf(def *syntax.DefStmt) *annotations {
	i, found := slices.BinarySearchFunc(m.annotations, def.Def, func(a *annotations, at syntax.Position) int {
		return cmp.Or(cmp.Compare(a.def.Line, at.Line), cmp.Compare(a.def.Col, at.Col))
	})
	if !found {
		return nil
	}
	return m.annotations[i]
}

// typedParams are the parameters of def that have an annotation.
func typedParams(def *syntax.DefStmt, a *annotations) []typedParam {
	var all []typedParam
	for _, param := range def.Params {
		ident, star := paramIdent(param)
		if ident == nil {
			continue
		}
		if e := a.params[ident.Name]; e != nil {
			all = append(all, typedParam{ident, e, star})
		}
	}
	return all
}

// paramIdent is the name of a parameter, nil for a bare star.
func paramIdent(param syntax.Expr) (ident *syntax.Ident, star int) {
	switch p := param.(type) {
	case *syntax.Ident:
		return p, 0
	case *syntax.BinaryExpr:
		return p.X.(*syntax.Ident), 0
	case *syntax.UnaryExpr:
		ident, _ = p.X.(*syntax.Ident)
		if p.Op == syntax.STARSTAR {
			return ident, 2
		}
		return ident, 1
	}
	return nil, 0
}

func (m *module) guardFunction(def *syntax.DefStmt, a *annotations) {
	sig := &signature{name: def.Name.Name, def: def.Def, params: typedParams(def, a), result: a.result}
	n := numberLiteral(len(m.signatures), def.Def)
	m.signatures = append(m.signatures, sig)
	if a.result != nil {
		returnGuarded(def.Body, n)
		def.Body = append(def.Body, &syntax.ReturnStmt{Return: a.result.pos, Result: guardCall(resultGuard, a.result.pos, n)})
	}
	if len(sig.params) > 0 {
		args := []syntax.Expr{n}
		for _, p := range sig.params {
			args = append(args, &syntax.Ident{NamePos: p.expr.pos, Name: p.ident.Name})
		}
		first := 0
		if isDocstring(def.Body[0]) {
			first = 1
		}
		body := append([]syntax.Stmt{}, def.Body[:first]...)
		body = append(body, &syntax.ExprStmt{X: guardCall(paramsGuard, def.Def, args...)})
		def.Body = append(body, def.Body[first:]...)
	}
}

func isDocstring(stmt syntax.Stmt) bool {
	x, ok := stmt.(*syntax.ExprStmt)
	if !ok {
		return false
	}
	literal, ok := x.X.(*syntax.Literal)
	return ok && literal.Token == syntax.STRING
}

// returnGuarded guards the return statements of a function, not those of
// functions inside it.
func returnGuarded(body []syntax.Stmt, n syntax.Expr) {
	for _, stmt := range body {
		switch stmt := stmt.(type) {
		case *syntax.ReturnStmt:
			args := []syntax.Expr{n}
			if stmt.Result != nil {
				args = append(args, stmt.Result)
			}
			stmt.Result = guardCall(resultGuard, stmt.Return, args...)
		case *syntax.IfStmt:
			returnGuarded(stmt.True, n)
			returnGuarded(stmt.False, n)
		case *syntax.ForStmt:
			returnGuarded(stmt.Body, n)
		case *syntax.WhileStmt:
			returnGuarded(stmt.Body, n)
		}
	}
}

func guardCall(name string, pos syntax.Position, args ...syntax.Expr) *syntax.CallExpr {
	return &syntax.CallExpr{Fn: &syntax.Ident{NamePos: pos, Name: name}, Lparen: pos, Args: args, Rparen: pos}
}

// guards are what the compiler lets the functions of m call, and its definitions
// of types.
func (m *module) guards() starlark.StringDict {
	return starlark.StringDict{
		paramsGuard:            starlark.NewBuiltin(paramsGuard, m.checkParams),
		resultGuard:            starlark.NewBuiltin(resultGuard, m.checkResult),
		enumName + guardName:   starlark.NewBuiltin(enumName, newEnum),
		recordName + guardName: starlark.NewBuiltin(recordName, m.newRecord),
	}
}

func (m *module) checkParams(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	sig := m.signatureAt(args[0])
	if sig.types == nil || !entered(thread) {
		return starlark.None, nil
	}
	for i, p := range sig.params {
		if err := sig.types[i].check(args[i+1]); err != nil {
			f := *fault.Of(err)
			f.Kind, f.Op, f.Err = fault.Script, sig.name, fmt.Errorf("parameter %s: %w", p.ident.Name, f.Err)
			return nil, &placed{pos: p.expr.pos, fn: sig.name, instead: true, err: &f}
		}
	}
	return starlark.None, nil
}

func (m *module) checkResult(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Value = starlark.None
	if len(args) > 1 {
		v = args[1]
	}
	sig := m.signatureAt(args[0])
	if sig.resultType == nil || !entered(thread) {
		return v, nil
	}
	if err := sig.resultType.check(v); err != nil {
		f := *fault.Of(err)
		f.Kind, f.Op, f.Err = fault.Script, sig.name, fmt.Errorf("the value it returns: %w", f.Err)
		return nil, &placed{pos: sig.result.pos, fn: sig.name, err: &f}
	}
	return v, nil
}

func (m *module) signatureAt(n starlark.Value) *signature {
	i, _ := n.(starlark.Int).Int64()
	return m.signatures[i]
}

// entered reports whether the function that runs was called from another file,
// or from outside. Builtins on the way, such as sorted, belong to their caller.
func entered(thread *starlark.Thread) bool {
	self := thread.DebugFrame(1).Callable().(*starlark.Function).Module()
	first := 2
	for b := branchOf(thread); b != nil; b = b.parent {
		for depth := first; depth < b.thread.CallStackDepth(); depth++ {
			if caller, ok := b.thread.DebugFrame(depth).Callable().(*starlark.Function); ok {
				return caller.Module() != self
			}
		}
		first = 0
	}
	return true
}

// newRecord implements NAME = record(…), of which the compiler has left the
// number of the definition.
func (m *module) newRecord(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	n, _ := args[0].(starlark.Int).Int64()
	top := thread.DebugFrame(1).Callable().(*starlark.Function)
	t, err := m.newRecordType(m.definitions[n], &loadedNames{m, top.Globals(), runOf(thread).loader})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// resolveTypes finds what annotations of a module mean, once its names are
// defined.
func (m *module) resolveTypes(l *loader, globals starlark.StringDict, signatures []*signature) error {
	names := &loadedNames{m, globals, l}
	for _, sig := range signatures {
		for _, p := range sig.params {
			t, err := resolveType(p.expr, names)
			if err != nil {
				return err
			}
			sig.types = append(sig.types, t.starred(p.star))
		}
		if sig.result != nil {
			t, err := resolveType(sig.result, names)
			if err != nil {
				return err
			}
			sig.resultType = t
		}
	}
	return nil
}

// starred is the type of *args: T, which is a tuple, and of **kwargs: T, a dict.
func (t *typ) starred(star int) *typ {
	switch star {
	case 1:
		return &typ{text: t.text, kind: tupleKind, args: []*typ{t}, open: true, base: baseNamed("tuple")}
	case 2:
		return &typ{text: t.text, kind: dictKind, args: []*typ{anyType, t}, base: baseNamed("dict")}
	}
	return t
}
