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
// and refuses what is too large beforehand; and x + y as x + joined(y), unless one
// of them is written out. The functions that are guarded the same way are in
// guard_calls.go.

// guardName is guarded in the names of a module, joinName joined, and extendName is
// joined for x += y.
const (
	guardName  = "*"
	joinName   = "+*"
	extendName = "+=*"
)

// maxRepeated bounds the result of one repetition, in bytes.
const maxRepeated = 256 << 20

// bytesPerStep is how much can be filled in the time of a step.
const bytesPerStep = 64

// isGuard reports a name that only the compiler writes.
func isGuard(name string) bool { return strings.HasSuffix(name, guardName) }

// guardRepetition wraps the right operand of each multiplication in f, and each
// method that may be a string's replace.
func guardRepetition(f *syntax.File, text []byte) {
	if bytes.ContainsAny(text, "*+") || bytes.Contains(text, []byte(replaceName)) {
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
		if sum, ok := v.Interface().(*syntax.BinaryExpr); ok {
			rewriteBinary(sum)
			return
		}
		for i := range v.Elem().NumField() {
			if v.Type().Elem().Field(i).IsExported() {
				rewrite(v.Elem().Field(i))
			}
		}
		if node, ok := v.Interface().(*syntax.AssignStmt); ok {
			switch {
			case node.Op == syntax.STAR_EQ:
				node.RHS = guard(guardName, node.RHS, node.OpPos)
			case node.Op == syntax.PLUS_EQ && !writtenOut(node.RHS):
				node.RHS = guard(extendName, node.RHS, node.OpPos)
			}
		}
	}
}

// rewriteBinary guards x and what stands to its left: a long sum is deep there.
func rewriteBinary(x *syntax.BinaryExpr) {
	for {
		rewrite(reflect.ValueOf(&x.Y).Elem())
		switch {
		case x.Op == syntax.STAR:
			x.Y = guard(guardName, x.Y, x.OpPos)
		case x.Op == syntax.PLUS && !writtenOut(x.X) && !writtenOut(x.Y):
			x.Y = guard(joinName, x.Y, x.OpPos)
		}
		left, ok := x.X.(*syntax.BinaryExpr)
		if !ok {
			rewrite(reflect.ValueOf(&x.X).Elem())
			return
		}
		x = left
	}
}

// writtenOut reports a value that is as long as its text at most, or a list or tuple
// of as many items.
func writtenOut(x syntax.Expr) bool {
	switch x := x.(type) {
	case *syntax.Literal, *syntax.ListExpr, *syntax.TupleExpr:
		return true
	case *syntax.ParenExpr:
		return writtenOut(x.X)
	}
	return false
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

// shortOperand is the length, in bytes, below which an operand of + is of no
// interest: what has it added can grow only little by little.
const shortOperand = 1 << 20

// joined is the right operand of an addition, as it is unless it is long.
func joined(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	if sizeOf(args[0]) < shortOperand {
		return args[0], nil
	}
	return factor{args[0], thread}, nil
}

// extended is the right operand of +=. A list is extended in place, by what has to
// be the very list or tuple that it is extended by.
func extended(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	size := sizeOf(args[0])
	switch args[0].(type) {
	case starlark.String, starlark.Bytes:
		if size >= shortOperand {
			return factor{args[0], thread}, nil
		}
	default:
		if size > maxRepeated {
			return nil, tooLong("+=", args[0])
		}
		thread.Steps += uint64(size) / bytesPerStep
	}
	return args[0], nil
}

// sizeOf is what a sequence that can be added takes, in bytes; 0 for anything else.
func sizeOf(v starlark.Value) int64 {
	switch v := v.(type) {
	case starlark.String:
		return int64(len(v))
	case starlark.Bytes:
		return int64(len(v))
	case *starlark.List:
		return int64(v.Len()) * 16
	case starlark.Tuple:
		return int64(len(v)) * 16
	}
	return 0
}

// factor is the right operand of a multiplication, or of an addition.
type factor struct {
	starlark.Value
	thread *starlark.Thread
}

// Binary multiplies, or adds, unless the result would be too large.
func (f factor) Binary(op syntax.Token, x starlark.Value, _ starlark.Side) (starlark.Value, error) {
	if op == syntax.PLUS {
		size := sizeOf(x) + sizeOf(f.Value)
		if size > maxRepeated {
			return nil, &fault.Error{Kind: fault.Limit, Err: fmt.Errorf("a %s of more than %d MiB", f.Type(), maxRepeated>>20)}
		}
		f.thread.Steps += uint64(size) / bytesPerStep
		return starlark.Binary(op, x, f.Value)
	}
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
