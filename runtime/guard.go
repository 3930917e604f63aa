package runtime

import (
	"bytes"
	"fmt"
	"reflect"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/policyhost/policy/runtime/fault"
)

// Repetition is the one operation of the language that makes much out of little
// in a single step: [0] * 100000000 takes 1.6 GB, and nothing can interrupt it,
// not even the watchdog. So x * y is compiled as x * guarded(y), where guarded
// is a name that no script can write, and refuses what is too large beforehand.

// guardName is guarded in the names of a module.
const guardName = "*"

// maxRepeated bounds the result of one repetition, in bytes.
const maxRepeated = 256 << 20

// bytesPerStep is how much can be filled in the time of a step.
const bytesPerStep = 64

// guardRepetition wraps the right operand of each multiplication in f.
func guardRepetition(f *syntax.File, text []byte) {
	if bytes.IndexByte(text, '*') >= 0 {
		rewrite(reflect.ValueOf(f.Stmts))
	}
}

// rewrite visits the syntax tree below v. The tree has no means to replace a
// node, hence reflection.
func rewrite(v reflect.Value) {
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			rewrite(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			rewrite(v.Index(i))
		}
	case reflect.Pointer:
		if v.IsNil() || v.Elem().Kind() != reflect.Struct {
			return
		}
		for i := range v.Elem().NumField() {
			if v.Type().Elem().Field(i).IsExported() {
				rewrite(v.Elem().Field(i))
			}
		}
		switch node := v.Interface().(type) {
		case *syntax.BinaryExpr:
			if node.Op == syntax.STAR {
				node.Y = guard(node.Y, node.OpPos)
			}
		case *syntax.AssignStmt:
			if node.Op == syntax.STAR_EQ {
				node.RHS = guard(node.RHS, node.OpPos)
			}
		}
	}
}

func guard(y syntax.Expr, pos syntax.Position) syntax.Expr {
	return &syntax.CallExpr{
		Fn:     &syntax.Ident{NamePos: pos, Name: guardName},
		Lparen: pos,
		Args:   []syntax.Expr{y},
		Rparen: pos,
	}
}

func guarded(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	return factor{args[0], thread}, nil
}

// factor is the right operand of a multiplication.
type factor struct {
	starlark.Value
	thread *starlark.Thread
}

// Binary multiplies unless the result would be too large.
func (f factor) Binary(op syntax.Token, x starlark.Value, _ starlark.Side) (starlark.Value, error) {
	if n, ok := f.Value.(starlark.Int); ok {
		if err := f.check(x, n); err != nil {
			return nil, err
		}
	} else if n, ok := x.(starlark.Int); ok {
		if err := f.check(f.Value, n); err != nil {
			return nil, err
		}
	}
	return starlark.Binary(op, x, f.Value)
}

// check refuses x repeated so often, or counts it as the steps it is worth.
func (f factor) check(x starlark.Value, times starlark.Int) error {
	size := int64(1)
	switch x.(type) {
	case *starlark.List, starlark.Tuple:
		size = 16
	case starlark.String, starlark.Bytes:
	default:
		return nil
	}
	size *= int64(starlark.Len(x))
	n, ok := times.Int64()
	if size == 0 || times.Sign() <= 0 {
		return nil
	}
	if ok && n <= maxRepeated/size {
		f.thread.Steps += uint64(n*size) / bytesPerStep
		return nil
	}
	return &fault.Error{Kind: fault.Limit, Err: fmt.Errorf("a %s repeated %s times takes more than %d MiB", x.Type(), times, maxRepeated>>20)}
}
