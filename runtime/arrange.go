package runtime

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/policyhost/policy/runtime/fault"
)

// arranger turns Go values into the arguments of a script's function, and checks
// them before anything runs: what a person typed is their mistake, not the
// script's.
type arranger struct {
	name   string
	fn     *starlark.Function
	sig    *signature
	loader *loader
	params []Param
}

func (p *Program) arranger(name string, fn *starlark.Function) *arranger {
	sig := p.loader.signatureOf(fn)
	return &arranger{name: name, fn: fn, sig: sig, loader: p.loader, params: parameters(fn, sig)}
}

func (a *arranger) usage(hint, format string, args ...any) error {
	return &fault.Error{Kind: fault.Usage, Op: a.name, Err: fmt.Errorf(format, args...), Hint: hint}
}

// arrange gives the arguments of the call.
func (a *arranger) arrange(args map[string]any, varargs []any) (starlark.Tuple, []starlark.Tuple, error) {
	params := a.params
	keys, err := a.keys(args)
	if err != nil {
		return nil, nil, err
	}
	rest := slices.IndexFunc(params, func(p Param) bool { return p.Variadic })
	if len(varargs) > 0 && rest < 0 {
		return nil, nil, a.usage("", "takes no further arguments")
	}
	var positional starlark.Tuple
	for i, p := range params {
		value, given := args[p.Name]
		if p.Required && !given {
			return nil, nil, a.usage("", "missing argument %s", p.Name)
		}
		// With *args, the parameters before it can only be passed by position.
		if rest < 0 || p.KeywordOnly || p.Variadic || p.Extra {
			continue
		}
		v := a.fn.ParamDefault(i)
		if given {
			if v, err = a.value(p.Name, value); err != nil {
				return nil, nil, err
			}
			keys = slices.DeleteFunc(keys, func(k string) bool { return k == p.Name })
		}
		positional = append(positional, v)
	}
	for i, value := range varargs {
		v, err := a.item(params[rest].Name, fmt.Sprintf("argument %d", i+1), 0, value)
		if err != nil {
			return nil, nil, err
		}
		positional = append(positional, v)
	}
	var keywords []starlark.Tuple
	for _, key := range keys {
		v, err := a.value(key, args[key])
		if err != nil {
			return nil, nil, err
		}
		keywords = append(keywords, starlark.Tuple{starlark.String(key), v})
	}
	return positional, keywords, nil
}

// keys are the names of args, sorted. It refuses one that is no parameter.
func (a *arranger) keys(args map[string]any) ([]string, error) {
	var names []string
	var open bool
	for _, p := range a.params {
		if p.Extra {
			open = true
		} else if !p.Variadic {
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
			return nil, a.usage(hint, "unknown parameter %s", key)
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys, nil
}

// value is the value of a named parameter; a name of none belongs to **kwargs.
func (a *arranger) value(name string, value any) (starlark.Value, error) {
	if !slices.ContainsFunc(a.params, func(p Param) bool { return p.Name == name }) {
		if last := len(a.params) - 1; last >= 0 && a.params[last].Extra {
			return a.item(a.params[last].Name, "parameter "+name, 1, value)
		}
	}
	e, t := a.sig.typeOf(name)
	return a.convert(e, t, "parameter "+name, value)
}

// item is one of the values that *args or **kwargs takes.
func (a *arranger) item(name, what string, i int, value any) (starlark.Value, error) {
	e, t := a.sig.typeOf(name)
	if t != nil {
		t = t.item(i)
	}
	return a.convert(e, t, what, value)
}

// convert makes a value of type t, and points at the annotation when it cannot.
func (a *arranger) convert(e *typeExpr, t *typ, what string, value any) (starlark.Value, error) {
	if t == nil {
		if text, ok := value.(Text); ok {
			return starlark.String(text), nil
		}
		v, err := toStarlark(reflect.ValueOf(value))
		if err != nil {
			return nil, a.usage("", "%s: %w", what, err)
		}
		return v, nil
	}
	v, err := t.fromGo(value)
	if err == nil {
		err = t.check(v)
	}
	if err == nil {
		return v, nil
	}
	f := &fault.Error{Kind: fault.Usage, Op: a.name, Err: fmt.Errorf("%s: %w", what, err)}
	if inner, ok := errors.AsType[*fault.Error](err); ok {
		f.Hint = inner.Hint
	}
	f.Trace = []fault.Frame{a.loader.frame(a.name, e.pos)}
	return nil, f
}
