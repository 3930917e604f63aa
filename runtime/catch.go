package runtime

import (
	"errors"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/policyhost/policy/runtime/fault"
)

// catch calls a function without arguments and answers how it failed: a struct
// with kind, message and hint, or None. Only the standard library sees it, for
// tests that expect a failure. What ends a run ends it here too.
func catch(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var fn starlark.Callable
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &fn); err != nil {
		return nil, err
	}
	_, err := starlark.Call(thread, fn, nil, nil)
	if err == nil {
		return starlark.None, nil
	}
	r := runOf(thread)
	f := r.loader.fault(err)
	if r.reason.Load() != nil || errors.Is(f, fault.Internal) {
		return nil, err
	}
	return starlarkstruct.FromStringDict(starlark.String("failure"), starlark.StringDict{
		"kind":    starlark.String(f.Kind.String()),
		"message": starlark.String(f.Error()),
		"hint":    starlark.String(f.Hint),
	}), nil
}
