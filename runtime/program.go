package runtime

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/policyhost/policy/runtime/fault"
)

// Program is a script that is loaded: its functions can be called, several at
// once too.
type Program struct {
	host   *Host
	loader *loader
	main   *module
}

// Call runs a public function of the main file. args are its parameters by name,
// varargs what its *parameter takes; values are Go strings, bools, numbers,
// []any, []string, maps, [Map], json.RawMessage or results of builtins. What
// comes back is nil, bool, int64, float64, json.Number, string, []byte, []any,
// [Map], time.Time, time.Duration, or the very value a builtin returned. A name,
// parameter or argument that does not fit is Usage; everything else is what the
// script or its builtins failed with.
func (p *Program) Call(ctx context.Context, name string, args map[string]any, varargs []any) (any, error) {
	fn, err := p.function(name)
	if err != nil {
		return nil, err
	}
	positional, keywords, err := arrange(name, fn, args, varargs)
	if err != nil {
		return nil, err
	}
	var result any
	r := newRun(p.host, p.loader, false)
	err = r.do(ctx, func() error {
		v, err := starlark.Call(r.thread, fn, positional, keywords)
		if err != nil {
			return err
		}
		if result, err = toGo(v); err != nil {
			return &fault.Error{Kind: fault.Script, Op: name, Err: fmt.Errorf("the value it returns: %w", err)}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}

// function finds a public function by name.
func (p *Program) function(name string) (*starlark.Function, error) {
	var names []string
	for _, f := range p.Functions() {
		if f.Name == name {
			return p.main.globals[name].(*starlark.Function), nil
		}
		names = append(names, f.Name)
	}
	f := fault.New(fault.Usage, p.main.Name, "there is no function %q", name)
	if near := fault.Nearest(name, names); near != "" {
		return nil, f.WithHint("did you mean %q?", near)
	}
	if len(names) > 0 {
		return nil, f.WithHint("its functions are %s", strings.Join(names, ", "))
	}
	return nil, f
}

// arrange checks arguments against the parameters before anything runs: what a
// person typed is their mistake, not the script's.
func arrange(name string, fn *starlark.Function, args map[string]any, varargs []any) (starlark.Tuple, []starlark.Tuple, error) {
	usage := func(hint, format string, a ...any) error {
		return &fault.Error{Kind: fault.Usage, Op: name, Err: fmt.Errorf(format, a...), Hint: hint}
	}
	params := parameters(fn)
	var names []string
	var open, rest bool
	for _, p := range params {
		switch {
		case p.Variadic:
			rest = true
		case p.Extra:
			open = true
		default:
			names = append(names, p.Name)
		}
	}
	keys := make([]string, 0, len(args))
	for key := range args {
		if !open && !slices.Contains(names, key) {
			hint := "its parameters are " + strings.Join(names, ", ")
			if near := fault.Nearest(key, names); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			} else if len(names) == 0 {
				hint = "it takes none"
			}
			return nil, nil, usage(hint, "unknown parameter %s", key)
		}
		keys = append(keys, key)
	}
	if len(varargs) > 0 && !rest {
		return nil, nil, usage("", "takes no further arguments")
	}
	slices.Sort(keys)

	var positional starlark.Tuple
	for i, p := range params {
		value, given := args[p.Name]
		if p.Required && !given {
			return nil, nil, usage("", "missing argument %s", p.Name)
		}
		// With *args, the parameters before it can only be passed by position.
		if !rest || p.KeywordOnly || p.Variadic || p.Extra {
			continue
		}
		v := fn.ParamDefault(i)
		if given {
			var err error
			if v, err = toStarlark(reflect.ValueOf(value)); err != nil {
				return nil, nil, usage("", "parameter %s: %w", p.Name, err)
			}
			keys = slices.DeleteFunc(keys, func(k string) bool { return k == p.Name })
		}
		positional = append(positional, v)
	}
	for i, value := range varargs {
		v, err := toStarlark(reflect.ValueOf(value))
		if err != nil {
			return nil, nil, usage("", "argument %d: %w", i+1, err)
		}
		positional = append(positional, v)
	}
	var keywords []starlark.Tuple
	for _, key := range keys {
		v, err := toStarlark(reflect.ValueOf(args[key]))
		if err != nil {
			return nil, nil, usage("", "parameter %s: %w", key, err)
		}
		keywords = append(keywords, starlark.Tuple{starlark.String(key), v})
	}
	return positional, keywords, nil
}
