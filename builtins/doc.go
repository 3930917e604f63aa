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
// [Table] lists them. Adding one is a file, a row, a section in spec/ and its
// cases.
package builtins
