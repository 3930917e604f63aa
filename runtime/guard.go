package runtime

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/policyhost/policy/runtime/fault"
)

// Some operations of the language make much out of little in a single step:
// [0] * 100000000 takes 1.6 GB, and nothing can interrupt it, not even the
// watchdog; what asks for more than there is ends the process. So x * y is
// compiled as x * guarded(y), where guarded is a name that no script can write,
// and refuses what is too large beforehand. The functions that are guarded the
// same way are in guard_calls.go.

// guardName is guarded in the names of a module.
const guardName = "*"

// maxRepeated bounds the result of one repetition, in bytes.
const maxRepeated = 256 << 20

// bytesPerStep is how much can be filled in the time of a step.
const bytesPerStep = 64

// isGuard reports a name that only the compiler writes.
func isGuard(name string) bool { return strings.HasSuffix(name, guardName) }

// guardRepetition wraps the right operand of each multiplication in f, and each
// method that may be a string's replace.
func guardRepetition(f *syntax.File, text []byte) {
	if bytes.IndexByte(text, '*') >= 0 || bytes.Contains(text, []byte(replaceName)) {
		rewrite(reflect.ValueOf(f.Stmts))
	}
}

// rewrite visits the syntax tree below v. The tree has no means to replace a
// node, hence reflection.
func rewrite(v reflect.Value) {
	switch v.Kind() {
	case reflect.Interface:
		if v.IsNil() || v.Type().NumMethod() == 0 { // what the resolver left there goes in circles
			return
		}
		rewrite(v.Elem())
		if dot, ok := v.Interface().(*syntax.DotExpr); ok && dot.Name.Name == replaceName && v.CanSet() {
			v.Set(reflect.ValueOf(guard(replaceName+guardName, dot, dot.NamePos)))
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
				node.Y = guard(guardName, node.Y, node.OpPos)
			}
		case *syntax.AssignStmt:
			if node.Op == syntax.STAR_EQ {
				node.RHS = guard(guardName, node.RHS, node.OpPos)
			}
		}
	}
}

// guard makes the expression name(x).
func guard(name string, x syntax.Expr, pos syntax.Position) syntax.Expr {
	return &syntax.CallExpr{
		Fn:     &syntax.Ident{NamePos: pos, Name: name},
		Lparen: pos,
		Args:   []syntax.Expr{x},
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
		if m, ok := x.(starlark.Int); ok {
			if err := f.checkInt(m, n); err != nil {
				return nil, err
			}
		} else if err := f.check(x, n); err != nil {
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

// maxIntBits bounds the product of two integers.
const maxIntBits = 1 << 20

// checkInt refuses a product that is too large, or counts the steps it is worth.
func (f factor) checkInt(x, y starlark.Int) error {
	_, small := x.Int64()
	if _, ok := y.Int64(); ok && small {
		return nil
	}
	n, m := x.BigInt().BitLen(), y.BigInt().BitLen()
	if n+m > maxIntBits {
		return &fault.Error{Kind: fault.Limit, Err: fmt.Errorf("an integer of more than %d bits", maxIntBits)}
	}
	f.thread.Steps += uint64(n/64) * uint64(m/64) / bytesPerStep
	return nil
}
