package runtime

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// literalValue is the value of an expression that is written out: a literal, a
// list, tuple or dict of such.
func literalValue(x syntax.Expr) (starlark.Value, bool) {
	switch x := x.(type) {
	case *syntax.ParenExpr:
		return literalValue(x.X)
	case *syntax.Literal:
		switch v := x.Value.(type) {
		case int64:
			return starlark.MakeInt64(v), true
		case float64:
			return starlark.Float(v), true
		case string:
			if x.Token == syntax.BYTES {
				return starlark.Bytes(v), true
			}
			return starlark.String(v), true
		}
	case *syntax.Ident:
		switch x.Name { // names of the language that nobody binds anew
		case "None":
			return starlark.None, true
		case "True":
			return starlark.True, true
		case "False":
			return starlark.False, true
		}
	case *syntax.UnaryExpr:
		if v, ok := literalValue(orNone(x.X)); ok && x.Op == syntax.MINUS && v != starlark.None {
			negative, err := starlark.Unary(syntax.MINUS, v)
			return negative, err == nil
		}
	case *syntax.ListExpr:
		items, ok := literalValues(x.List)
		return starlark.NewList(items), ok
	case *syntax.TupleExpr:
		items, ok := literalValues(x.List)
		return starlark.Tuple(items), ok
	case *syntax.DictExpr:
		d := starlark.NewDict(len(x.List))
		for _, entry := range x.List {
			pair := entry.(*syntax.DictEntry)
			key, ok := literalValue(pair.Key)
			value, ok2 := literalValue(pair.Value)
			if !ok || !ok2 || d.SetKey(key, value) != nil {
				return nil, false
			}
		}
		return d, true
	}
	return nil, false
}

// orNone stands for the operand that a bare star does not have.
func orNone(x syntax.Expr) syntax.Expr {
	if x == nil {
		return &syntax.Ident{Name: "None"}
	}
	return x
}

func literalValues(list []syntax.Expr) ([]starlark.Value, bool) {
	values := make([]starlark.Value, 0, len(list))
	for _, x := range list {
		v, ok := literalValue(x)
		if !ok {
			return nil, false
		}
		values = append(values, v)
	}
	return values, true
}

// constant is the value that an expression certainly has: one that is written
// out, there or where the name in the expression is bound.
func (c *checker) constant(m *module, x syntax.Expr) (starlark.Value, bool) {
	switch x := x.(type) {
	case *syntax.Ident:
		if v, ok := literalValue(x); ok {
			return v, true
		}
		if s, _ := c.symbolOf(m, x); s != nil && s.value != nil {
			if v, ok := literalValue(s.value); ok && isScalar(v) {
				return v, true
			}
		}
		return nil, false
	case *syntax.DotExpr:
		if t := c.targetOf(m, x.X); t != nil && t.enum != nil && t.enum.has(x.Name.Name) {
			return starlark.String(x.Name.Name), true
		}
	}
	return literalValue(x)
}

// isScalar leaves out what may be changed after it was made.
func isScalar(v starlark.Value) bool {
	switch v.(type) {
	case *starlark.List, *starlark.Dict, starlark.Tuple:
		return false
	}
	return true
}
