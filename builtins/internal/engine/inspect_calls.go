package engine

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

// calledBy names the built-in functions that modules call, sorted, operators left
// out: what a policy can do besides comparing.
func calledBy(modules []*ast.Module) []string {
	names := map[string]struct{}{}
	note := func(operator ast.Ref) {
		if b := ast.BuiltinMap[operator.String()]; b != nil && b.Infix == "" {
			names[b.Name] = struct{}{}
		}
	}
	vis := ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.Expr:
			if x.IsCall() {
				note(x.Operator())
			}
		case ast.Call:
			if operator, ok := x[0].Value.(ast.Ref); ok {
				note(operator)
			}
		}
		return false
	})
	for _, m := range modules {
		vis.Walk(m)
	}
	return append([]string{}, util.KeysSorted(names)...)
}
