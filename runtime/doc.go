// Package runtime runs Starlark for a Go program: the program offers Go
// functions as builtins, scripts call them with typed arguments and get typed
// results. It knows nothing of policies.
//
// A [Host] holds what scripts may use: builtins, the files they may load, the
// limits they run under. [Host.Load] reads a script and everything it loads,
// without any effect on the world; [Program.Call] then runs one of its functions.
//
//	host := &runtime.Host{Predeclared: func(runtime.Module) []runtime.Builtin { return builtins }}
//	program, err := host.Load(ctx, runtime.Source{Name: "release.star", Text: text})
//	result, err := program.Call(ctx, "main", map[string]any{"version": "1.4.0"}, nil)
//
// The first example below is such a program, whole.
//
// # Builtins
//
// A [Builtin] is a Go function of one argument struct. The struct's kong tags are
// the only schema: the same struct makes a subcommand elsewhere. Fields with
// arg:"" may be passed by position, the others by keyword only; default, enum,
// required, encoding.TextUnmarshaler and Validate work as they do on the command
// line. What a builtin returns crosses into the script as a frozen value whose
// attributes are the struct's json names, and comes back unchanged as the Go
// value it was.
//
// # The language
//
// Upstream go.starlark.net: sets, while loops and control flow at the top level
// are on; recursion and reassigning globals are off. Added are struct, fail and
// the modules json, math and time, whose time.now() is the start of the run.
// Loading is pure: a builtin that is not refuses at the top level of a file, and
// globals are frozen before any function runs, so one [Program] may serve many
// calls at once.
//
// # Types and the check
//
// Parameters and results may be annotated as in Python; NAME = enum(…) and NAME =
// record(…) define types, and the structs that builtins give are types by their
// names. They are checked where a function is entered from another file or by
// [Program.Call], which also reads documents and words of a command line ([Text])
// as the types say. Before a script runs, its calls are held against what they
// call; [Host.Check] gives the same findings, and warnings, and runs nothing.
// [Format] lays a script out.
//
// # Errors
//
// Every error is a *fault.Error: a builtin's own, found by errors.Is as if no
// script stood in between, or one of kind Script. Both carry the script's call
// stack with source lines.
package runtime
