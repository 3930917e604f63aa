package builtins

import "context"

// Effect says what a verb does to the world outside the script. It decides
// whether it may run at load time, what a dry run keeps back, which grant a
// recipe needs and whether the journal records it.
type Effect uint8

// The effects, each including the ones before it.
const (
	Pure   Effect = iota // computes
	Read                 // looks at files, the store, the environment or a registry
	Write                // adds or replaces
	Delete               // removes
)

// Verb is one row of the [Table]: everything the doors need to know of it.
type Verb struct {
	Name    string
	Aliases []string
	Group   string // heading in --help and the reference
	Effect  Effect
	Doc     string // one line; then a blank line and the rest
	Example string // a command line that works
	Script  bool   // offered to scripts only: it has no subcommand
	Func    Func
}

// Func is a verb's function without its types: the doors make its arguments,
// fill them and call it.
type Func struct {
	New  func() any // a pointer to zero arguments
	Call func(ctx context.Context, env *Env, args any) (any, error)
}

func verb[Args, Result any](fn func(context.Context, *Env, *Args) (Result, error)) Func {
	return Func{
		New:  func() any { return new(Args) },
		Call: func(ctx context.Context, env *Env, args any) (any, error) { return fn(ctx, env, args.(*Args)) },
	}
}
