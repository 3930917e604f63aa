package engine

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyhost/policy/runtime/fault"
)

// Nearest gives what a query that is undefined, or asks for an unknown name,
// probably meant: its first reference that leads nowhere, spelled as the nearest
// one that leads somewhere. It is empty when there is none.
func (b *Bundle) Nearest(query string) string {
	return b.nearestOf(&Query{Query: query})
}

// nearestOf is Nearest for a query of a session, too. The body of one that was
// evaluated is not what was typed any more.
func (b *Bundle) nearestOf(q *Query) string {
	var pkg []string
	if q.scope != nil {
		pkg = pathOf(q.scope.pkg)
	}
	body := q.typed
	if q.body == nil {
		var err error
		if body, err = b.parseQuery(q.Query); err != nil {
			return ""
		}
	}
	return b.nearest(body, pkg)
}

// nearest is Nearest for names in a package, too; nil: there is none.
func (b *Bundle) nearest(body ast.Body, pkg []string) (near string) {
	ast.WalkTerms(body, func(t *ast.Term) bool {
		switch v := t.Value.(type) {
		case ast.Call:
			return false
		case ast.Ref:
			near = b.nearestRef(v, pkg)
		case ast.Var:
			near = b.nearestRef(ast.Ref{t}, pkg)
		}
		return near != ""
	})
	return near
}

func (b *Bundle) nearestRef(ref ast.Ref, pkg []string) string {
	path := make([]string, 0, len(ref))
	for i, t := range ref {
		switch v := t.Value.(type) {
		case ast.Var:
			if i == 0 {
				path = append(path, string(v))
			}
		case ast.String:
			path = append(path, string(v))
		}
		if len(path) <= i {
			break // from here on it depends on variables
		}
	}
	if len(path) == 0 || path[0] == "input" {
		return ""
	}
	if path[0] != "data" {
		return b.nearestHead(path, pkg)
	}
	for i := 1; i < len(path); i++ {
		names := b.namesBelow(path[1:i])
		if len(names) == 0 || names[path[i]] {
			continue
		}
		if near := fault.Nearest(path[i], sortedNames(names)); near != "" {
			path[i] = near
			return strings.Join(path, ".")
		}
		return ""
	}
	return ""
}

// nearestHead is for a reference that does not start at a document.
func (b *Bundle) nearestHead(path, pkg []string) string {
	if pkg != nil && ast.BuiltinMap[path[0]] == nil {
		names := b.namesBelow(pkg)
		if near := fault.Nearest(path[0], sortedNames(names)); near != "" && !names[path[0]] {
			return strings.Join(append([]string{near}, path[1:]...), ".")
		}
	}
	switch {
	case len(path) == 1, ast.BuiltinMap[strings.Join(path, ".")] != nil:
		return ""
	case b.namesBelow(nil)[path[0]]:
		return "data." + strings.Join(path, ".")
	}
	if near := fault.Nearest(path[0], []string{"data", "input"}); near != "" {
		return strings.Join(append([]string{near}, path[1:]...), ".")
	}
	return ""
}
