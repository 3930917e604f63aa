// Package builtins holds the verbs: push, pull, build, eval and the others, each
// one pure Go function of a context, an [Env] and an argument struct, returning
// plain data.
//
//	func Push(ctx context.Context, env *Env, args *PushArgs) (Images, error)
//
// The argument struct's tags are the only schema: the command line, the scripts,
// the reference and the completions read the same ones. The result's json names
// are the attributes a script sees and the keys of --output json. A verb never
// prints, prompts or exits; whatever it does to the world goes through Env.
//
// A Go program makes an Env with [NewEnv] and calls the functions themselves, as
// the example does; a failure is a *fault.Error of package runtime/fault. It sets
// what it wants in the argument struct: the defaults that the tags name, such as
// clobber of build and tag, are set by the doors, and a zero field is off, empty
// or the engine's own choice.
//
// [Table] lists the verbs. Adding one is a file, a row, a section in spec/ and its
// cases.
package builtins
