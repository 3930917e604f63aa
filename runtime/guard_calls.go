package runtime

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"github.com/policyhost/policy/runtime/fault"
)

// Functions of the language that make room for a whole sequence at once, or walk
// it without a step, are refused one that is too long: range makes a sequence of
// any length out of nothing.

// maxItems bounds the sequences given to one call.
const maxItems = maxRepeated / 16

// maxDigits bounds the text that int reads: what it takes grows faster than the
// text.
const maxDigits = 1 << 18

// replaceName is the method whose result may be the product of its arguments.
const replaceName = "replace"

// walkers are the functions that are guarded by the length of their arguments.
var walkers = []string{"all", "any", "bytes", "dict", "enumerate", "list", "max", "min", "reversed", "set", "sorted", "tuple", "zip"}

// guards are the names that hold what a script may do in one step; most of them
// stand for the function of the language that has the name.
func guards() starlark.StringDict {
	env := starlark.StringDict{
		guardName:               starlark.NewBuiltin(guardName, guarded),
		joinName:                starlark.NewBuiltin(joinName, joined),
		extendName:              starlark.NewBuiltin(extendName, extended),
		replaceName + guardName: starlark.NewBuiltin(replaceName, guardedAttr),
		"getattr":               around("getattr", getattr),
		"int":                   around("int", parseInt),
		"type":                  around("type", typeFunction),
	}
	for _, name := range walkers {
		env[name] = around(name, walk)
	}
	return env
}

// around is the language's own function of a name, called by guard.
func around(name string, guard func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error)) starlark.Value {
	plain, ok := starlark.Universe[name].(*starlark.Builtin)
	if !ok {
		return starlark.Universe[name]
	}
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		return guard(thread, plain, args, kwargs)
	})
}

// walk calls a function that walks its arguments, and counts their items as steps.
func walk(thread *starlark.Thread, plain *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	total := 0
	for _, arg := range args {
		if _, ok := arg.(starlark.Iterable); !ok {
			continue
		}
		if total += max(0, starlark.Len(arg)); total > maxItems {
			return nil, tooLong(plain.Name(), arg)
		}
	}
	thread.Steps += uint64(total)
	return plain.CallInternal(thread, args, kwargs)
}

func tooLong(what string, v starlark.Value) error {
	return &fault.Error{Kind: fault.Limit, Err: fmt.Errorf("%s: a %s of more than %d items", what, v.Type(), maxItems)}
}

func parseInt(thread *starlark.Thread, plain *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) > 0 {
		if text, ok := args[0].(starlark.String); ok && len(text) > maxDigits {
			return nil, &fault.Error{Kind: fault.Limit, Err: fmt.Errorf("int: a string of more than %d bytes", maxDigits)}
		}
	}
	return plain.CallInternal(thread, args, kwargs)
}

// getattr finds the method that x.replace finds.
func getattr(thread *starlark.Thread, plain *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	v, err := plain.CallInternal(thread, args, kwargs)
	if err != nil {
		return nil, err
	}
	return guardReplace(v), nil
}

func guardedAttr(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	return guardReplace(args[0]), nil
}

// guardReplace guards v if it is the method of a string.
func guardReplace(v starlark.Value) starlark.Value {
	method, ok := v.(*starlark.Builtin)
	if !ok || method.Name() != replaceName {
		return v
	}
	text, ok := method.Receiver().(starlark.String)
	if !ok {
		return v
	}
	return starlark.NewBuiltin(replaceName, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		size := replacedSize(string(text), args)
		if size > maxRepeated {
			return nil, &fault.Error{Kind: fault.Limit, Err: fmt.Errorf("replace: a result of more than %d MiB", maxRepeated>>20)}
		}
		thread.Steps += uint64(size) / bytesPerStep
		return method.CallInternal(thread, args, kwargs)
	}).BindReceiver(text)
}

// replacedSize is how long text gets; 0 for arguments that replace refuses.
func replacedSize(text string, args starlark.Tuple) int64 {
	if len(args) < 2 {
		return 0
	}
	before, ok := args[0].(starlark.String)
	after, ok2 := args[1].(starlark.String)
	if !ok || !ok2 {
		return 0
	}
	times := strings.Count(text, string(before))
	if len(args) > 2 {
		if n, err := starlark.AsInt32(args[2]); err == nil && n >= 0 {
			times = min(times, n)
		}
	}
	return int64(len(text)) + int64(times)*int64(len(after)-len(before))
}
