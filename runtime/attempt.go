package runtime

import (
	"errors"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/policyhost/policy/runtime/fault"
)

// attempt implements attempt(fn): it calls a function without arguments and
// gives a Result with ok, value and error, whatever comes of it. What ends a run
// ends it here too.
func attempt(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var fn starlark.Callable
	if err := unpack(b.Name(), args, kwargs, "fn", &fn); err != nil {
		return nil, err
	}
	value, err := starlark.Call(thread, fn, nil, nil)
	if err == nil {
		return newResult(value, starlark.None), nil
	}
	f := caught(thread, err)
	if f == nil || errors.Is(f, fault.Limit) || errors.Is(f, fault.Canceled) {
		return nil, err
	}
	members := explain(f)
	members["subject"] = starlark.String(f.Subject)
	return newResult(starlark.None, starlarkstruct.FromStringDict(starlark.String("Error"), members)), nil
}

func newResult(value, err starlark.Value) starlark.Value {
	return starlarkstruct.FromStringDict(starlark.String("Result"), starlark.StringDict{
		"ok": starlark.Bool(err == starlark.None), "value": value, "error": err,
	})
}

// caught is the fault that a script may go on after, nil for what ends the run
// and for a defect.
func caught(thread *starlark.Thread, err error) *fault.Error {
	r := runOf(thread)
	f := r.loader.fault(err)
	if r.reason.Load() != nil || errors.Is(f, fault.Internal) {
		return nil
	}
	return f
}

// explain is a fault as a script sees it.
func explain(f *fault.Error) starlark.StringDict {
	return starlark.StringDict{
		"kind":    starlark.String(f.Kind.String()),
		"message": starlark.String(f.Error()),
		"hint":    starlark.String(f.Hint),
	}
}
