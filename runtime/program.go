package runtime

import (
	"context"
	"fmt"
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
	positional, keywords, err := p.arranger(name, fn).arrange(args, varargs)
	if err != nil {
		return nil, err
	}
	var result any
	r := newRun(p.host, p.loader, false)
	err = r.do(ctx, func() error {
		v, err := starlark.Call(r.first.thread, fn, positional, keywords)
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
