package runtime

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"go.starlark.net/starlark"

	"github.com/policyhost/policy/runtime/fault"
)

// Module says whose code is calling, so that a host can give each module its own
// builtins.
type Module struct {
	Name   string // as traces show it: "release.star", "@std//semver.star"
	Root   string // of what it may load: the host's Root, "@std" or the ID of its package
	Main   bool   // the file that was asked for, not one it loads
	Recipe string // the ID of the package that it is of, or is loaded for; empty: the project's
}

// Position is a place in a script. Lines and columns start at 1; zero means
// unknown.
type Position struct {
	File string
	Line int
	Col  int
}

// String reads "release.star:3:5".
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Call is one call of a builtin.
type Call struct {
	Args   any // what Builtin.Args made, filled and checked
	Module Module
	Pos    Position
	Task   string // that the call is part of; empty: of none

	// Passed are the results of builtins among the arguments, in lists too, for a
	// call from a package: what its caller has shown to it.
	Passed []any
}

// Builtin is a Go function offered to scripts.
type Builtin struct {
	Name    string
	Aliases []string
	Doc     string // one line, then a blank line and the details
	Pure    bool   // false: it has an effect, or reads the world, and refuses at load time

	// Args makes the zero argument struct and returns a pointer to it; its kong
	// tags are the schema. Nil means no arguments.
	Args func() any

	// Result is the Go type of what Call gives, nil when it is not known; a call
	// that passes a parameter called default may give that instead. The structs in
	// it are types that annotations may name.
	Result reflect.Type

	// Call does the work. The result is a pointer to a struct with json tags, a
	// slice of them, a string, number, bool or nil, a json.RawMessage, a map, or
	// a value with a Secret method. When the first positional argument is a slice
	// and so is the result, a script that passed one value gets one value.
	// Errors reach the script's caller as they are; a panic becomes Internal.
	Call func(ctx context.Context, c Call) (any, error)
}

// Signature is the builtin as a script would declare it, for example
// "push(refs, *, force = False)". It fails when the argument struct has tags
// that a script cannot honour.
func (b Builtin) Signature() (string, error) {
	p, err := planOf(b.Args)
	if err != nil {
		return "", fault.In(b.Name, "", err)
	}
	return b.Name + p.signature, nil
}

// value is the builtin under one of its names, bound to the module that sees it.
func (b Builtin) value(name string, m Module) *starlark.Builtin {
	plain, shared := starlark.Universe[name]
	if shared && slices.Contains(walkers, name) {
		plain = around(name, walk)
	}
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if shared {
			// A name of the language keeps its meaning wherever the language
			// gives it one: list((1, 2)) is Starlark's, list("x") is ours.
			v, err := starlark.Call(thread, plain, args, kwargs)
			if err == nil || errors.Is(err, fault.Limit) {
				return v, err
			}
		}
		return b.call(thread, name, m, args, kwargs)
	})
}

func (b Builtin) call(thread *starlark.Thread, name string, m Module, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	r := runOf(thread)
	if !b.Pure && r.loading {
		return nil, hasEffect(name)
	}
	p, err := planOf(b.Args)
	if err != nil {
		return nil, fault.In(name, "", err)
	}
	filled, scalar, err := p.bind(name, args, kwargs)
	if err != nil {
		return nil, err
	}
	call := Call{Args: filled, Module: m, Pos: caller(thread), Task: branchOf(thread).task}
	if m.Recipe != "" {
		call.Passed = passed(args, kwargs)
	}
	result, err := b.guarded(r.ctx, name, call)
	if scalar {
		result = single(result)
	}
	if err != nil {
		if result != nil && !reflect.ValueOf(result).IsZero() {
			err = &partial{result: result, err: err}
		}
		return nil, err
	}
	return fromResult(name, result)
}

// passed are the results of builtins among the arguments of a call.
func passed(args starlark.Tuple, kwargs []starlark.Tuple) (all []any) {
	look := func(v starlark.Value) {
		if o, ok := v.(*object); ok {
			all = append(all, o.original)
		}
	}
	for _, pair := range kwargs {
		args = append(args[:len(args):len(args)], pair[1])
	}
	for _, v := range args {
		if list, ok := v.(starlark.Iterable); ok && severalValues(v) {
			for item := range starlark.Elements(list) {
				look(item)
			}
			continue
		}
		look(v)
	}
	return all
}

// fromResult is what a builtin gave, as a script sees it.
func fromResult(name string, result any) (starlark.Value, error) {
	v, err := toStarlark(reflect.ValueOf(result))
	if err != nil {
		return nil, fault.In(name, "", fmt.Errorf("its result: %w", err))
	}
	v.Freeze()
	return v, nil
}

// guarded calls the Go function: an error names the verb, a panic is one.
func (b Builtin) guarded(ctx context.Context, name string, c Call) (result any, err error) {
	defer fault.Recover(name, &err)
	result, err = b.Call(ctx, c)
	if err == nil {
		return result, nil
	}
	if _, direct := err.(*fault.Error); !direct { //nolint:errorlint // what wraps a fault has added to its text
		if _, wrapped := errors.AsType[*fault.Error](err); wrapped {
			return result, fault.Of(err) // its text names the verb already
		}
	}
	return result, fault.In(name, "", err)
}

// single is the only element of a slice, for a caller who passed one value.
func single(result any) any {
	if v := reflect.ValueOf(result); v.Kind() == reflect.Slice && v.Len() == 1 && v.Type().Elem().Kind() != reflect.Uint8 {
		return v.Index(0).Interface()
	}
	return result
}

// partial is an error of a builtin that has a result as well: several subjects,
// some done.
type partial struct {
	result any
	err    error
}

func (p *partial) Error() string { return p.err.Error() }
func (p *partial) Unwrap() error { return p.err }
