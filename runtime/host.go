package runtime

import (
	"context"
	"io/fs"
	"maps"
	"time"

	starjson "go.starlark.net/lib/json"
	starmath "go.starlark.net/lib/math"
	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// Host is what scripts run in: the names they see, the files they may load, the
// limits they keep to. The zero Host runs plain Starlark. It must not be changed
// while a program is loaded or called; any number of programs may use it at once.
type Host struct {
	// Predeclared is asked once for each module that is loaded; nil offers no
	// builtins.
	Predeclared func(Module) []Builtin

	Std   fs.FS                  // what @std// loads from
	Root  string                 // the project's folder: what //file loads from, and files beside the script
	Files fs.FS                  // the same as a file system; nil opens Root, and nothing outside it
	Print func(Position, string) // print(): where it was called, and the text, one at a time; nil drops it
	Now   time.Time              // what time.now() answers; zero is the time of loading

	// Package opens what a load statement names before its //: "oci://REFERENCE",
	// or "@ALIAS", which is for the module that loads to say. All that a script
	// needs are opened before any of it runs, several at once. Nil opens none.
	Package func(ctx context.Context, from Module, name string) (*Package, error)

	// Task is told, from any goroutine, that a task begins, and gives what is told of
	// its end; nil tells nobody.
	Task func(name string) (ended func(error))

	Limits Limits

	// Coverage counts the statements that run; nil counts none.
	Coverage *Coverage
}

// Source is the text of a script.
type Source struct {
	Name string // as it was typed: "release.star", "-"; traces show it
	Text []byte
	Dir  string // the folder it lies in below the root, with slashes; empty means where Name says
	Body bool   // the text is the body of a function main, which returns the value of a final expression

	Package *Package // the file lies in this package, and Name is its path there
}

// Load reads a script and everything it loads, and runs their top levels, which
// define functions and have no effect. It fails with Script when the language
// says no, NotFound or Denied for a file that cannot be loaded, Limit and
// Canceled.
func (h *Host) Load(ctx context.Context, src Source) (*Program, error) {
	l := newLoader(h, src)
	defer l.close()
	main := l.mainModule(src)
	if parse(main, src.Body) == nil { // else who executes it says so
		if err := l.fetch(ctx, main); err != nil {
			return nil, err
		}
	}
	r := newRun(h, l, true)
	err := r.do(ctx, func() error {
		if err := r.exec(main, src.Body); err != nil {
			return err
		}
		return l.checkTasks(main)
	})
	if err != nil {
		return nil, err
	}
	return &Program{host: h, loader: l, main: main}, nil
}

// Eval runs text as the body of a function and returns the value of its final
// expression, nil when it has none.
func (h *Host) Eval(ctx context.Context, src Source) (any, error) {
	src.Body = true
	p, err := h.Load(ctx, src)
	if err != nil {
		return nil, err
	}
	return p.Call(ctx, mainFunction, nil, nil)
}

// timeModule is Starlark's without the machine's time zone.
func timeModule() *starlarkstruct.Module {
	members := maps.Clone(startime.Module.Members)
	members["from_timestamp"] = starlark.NewBuiltin("from_timestamp", func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var sec, nsec int64
		if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &sec, &nsec); err != nil {
			return nil, err
		}
		return startime.Time(time.Unix(sec, nsec).UTC()), nil
	})
	return &starlarkstruct.Module{Name: "time", Members: members}
}

// predeclared are the names a module sees besides those of the language.
func (h *Host) predeclared(m *module) starlark.StringDict {
	env := guards()
	maps.Copy(env, m.guards())
	env[enumName] = starlark.NewBuiltin(enumName, refuseType)
	env[recordName] = starlark.NewBuiltin(recordName, refuseType)
	env["attempt"] = starlark.NewBuiltin("attempt", attempt)
	env["parallel"] = starlark.NewBuiltin("parallel", parallel)
	env["task"] = starlark.NewBuiltin("task", register)
	env["fail"] = starlark.NewBuiltin("fail", reject)
	env["struct"] = starlark.NewBuiltin("struct", starlarkstruct.Make)
	env["json"] = starjson.Module
	env["math"] = starmath.Module
	env["time"] = timeModule()
	if h.Predeclared == nil {
		return env
	}
	m.builtins = h.Predeclared(m.Module)
	for _, b := range m.builtins {
		env[b.Name] = b.value(b.Name, m.Module)
		for _, alias := range b.Aliases {
			env[alias] = b.value(alias, m.Module)
		}
	}
	return env
}
