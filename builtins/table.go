package builtins

import (
	"context"
	"reflect"

	"github.com/policyhost/policy/runtime/fault"
)

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
	Doc     string // one line, then a blank line and the rest
	Example string // a command line that works
	Script  bool   // offered to scripts only: it has no subcommand
	Remote  string // its name below "policy remote", where it asks the registry
	Nested  bool   // that is its only subcommand
	Func    Func
}

// Func is a verb's function without its types: the doors make its arguments,
// fill them and call it.
type Func struct {
	New    func() any // a pointer to zero arguments
	Call   func(ctx context.Context, env *Env, args any) (any, error)
	Result reflect.Type // of what Call gives, unless an argument called default says otherwise
}

func does[Args, Result any](fn func(context.Context, *Env, *Args) (Result, error)) Func {
	return Func{
		New:    func() any { return new(Args) },
		Call:   func(ctx context.Context, env *Env, args any) (any, error) { return fn(ctx, env, args.(*Args)) },
		Result: reflect.TypeFor[Result](),
	}
}

// gives is a function whose result is of that type, unless it gives the default that it
// was called with.
func gives[Result any](f Func) Func {
	f.Result = reflect.TypeFor[Result]()
	return f
}

// Call runs the verb. A fault that comes back names the verb; a panic is one.
func (v *Verb) Call(ctx context.Context, env *Env, args any) (result any, err error) {
	ctx, end := env.Begin(ctx, v.step(args))
	defer func() { end(result, err) }()
	defer fault.Recover(v.Name, &err)
	result, err = v.Func.Call(ctx, env, args)
	return result, fault.In(v.Name, "", err)
}

// The groups of the table, in the order the help shows them.
const (
	GroupImages     = "Images"
	GroupRegistries = "Registries"
	GroupPolicies   = "Policies"
	GroupReaders    = "Files and environment"
)

// Table is every verb. A row is all that the doors need to offer one.
func Table() []Verb {
	return []Verb{
		{
			Name: "build", Group: GroupImages, Effect: Write, Func: does(Build),
			Doc:     "Compile sources into a policy image in the local store.",
			Example: "policy build ./policies -t ghcr.io/acme/authz:1.0.0",
		},
		{
			Name: "tag", Group: GroupImages, Effect: Write, Func: does(Tag),
			Doc:     "Give a local image another name.",
			Example: "policy tag john/myapp:rbac ghcr.io/acme/myapp:rbac",
		},
		{
			Name: "push", Group: GroupImages, Effect: Write, Func: does(Push),
			Doc:     "Send local images to their registries.",
			Example: "policy push ghcr.io/acme/authz:1.0.0",
		},
		{
			Name: "pull", Group: GroupImages, Effect: Write, Func: does(Pull),
			Doc:     "Fetch images from their registries into the local store.",
			Example: "policy pull ghcr.io/acme/authz:1.0.0",
		},
		{
			Name: "copy", Group: GroupImages, Effect: Write, Func: does(Copy),
			Doc:     "Copy an image by digest: registries, local store, OCI layouts.",
			Example: "policy copy ghcr.io/acme/authz:1.0.0 registry.localhost/acme/authz:1.0.0",
		},
		{
			Name: "list", Aliases: []string{"images"}, Remote: "images", Group: GroupImages, Effect: Read, Func: does(List),
			Doc:     "List images, local or of a registry.",
			Example: "policy images --remote registry.localhost/acme",
		},
		{
			Name: "inspect", Group: GroupImages, Effect: Read, Func: does(Inspect),
			Doc:     "Show what an image or a bundle holds.",
			Example: "policy inspect ghcr.io/acme/authz:1.0.0",
		},
		{
			Name: "save", Group: GroupImages, Effect: Write, Func: does(Save),
			Doc:     "Write an image's bundle to a tarball that OPA loads.",
			Example: "policy save ghcr.io/acme/authz:1.0.0 -f bundle.tar.gz",
		},
		{
			Name: "rm", Group: GroupImages, Effect: Delete, Func: does(Rm),
			Doc:     "Remove images from the local store, or from their registries.",
			Example: "policy rm -f ghcr.io/acme/authz:1.0.0",
		},
		{
			Name: "digest", Group: GroupImages, Effect: Read, Func: gives[string](does(Digest)),
			Doc:     "Print the digest of an image, local or remote.",
			Example: "policy digest ghcr.io/acme/authz:1.0.0",
		},
		{
			Name: "exists", Group: GroupImages, Effect: Read, Func: does(Exists),
			Doc:     "Say whether an image exists, here or in its registry.",
			Example: "policy exists ghcr.io/acme/authz:1.0.0",
		},
		{
			Name: "login", Group: GroupRegistries, Effect: Write, Func: does(LogIn),
			Doc:     "Check credentials with a registry and store them.",
			Example: "echo $TOKEN | policy login -s ghcr.io -u jo --password-stdin",
		},
		{
			Name: "logout", Group: GroupRegistries, Effect: Write, Func: does(LogOut),
			Doc:     "Forget the credentials of a registry.",
			Example: "policy logout -s ghcr.io",
		},
		{
			Name: "logins", Group: GroupRegistries, Effect: Read, Func: does(ListLogins),
			Doc:     "List the registries that credentials are known for.",
			Example: "policy logins",
		},
		{
			Name: "tags", Remote: "tags", Group: GroupRegistries, Effect: Read, Func: gives[[]string](does(Tags)),
			Doc:     "List the tags of a repository in its registry.",
			Example: "policy tags ghcr.io/acme/authz",
		},
		{
			Name: "repos", Group: GroupRegistries, Effect: Read, Func: does(Repos),
			Doc:     "List the repositories of a registry or an organisation.",
			Example: "policy repos registry.localhost/acme",
		},
		{
			Name: "set_public", Remote: "set-public", Nested: true, Group: GroupRegistries, Effect: Write, Func: does(SetPublic),
			Doc:     "Let everybody read a repository in its registry, or not.",
			Example: "policy remote set-public quay.io/acme/authz",
		},
		{
			Name: "eval", Group: GroupPolicies, Effect: Read, Func: does(Eval),
			Doc:     "Ask a policy for a decision about an input.",
			Example: "policy eval ./policies data.authz.allow -i request.json",
		},
		{
			Name: "replay", Group: GroupPolicies, Effect: Read, Func: does(Replay),
			Doc: "Say which decisions a policy would change, asked again.\n\n" +
				"It is asked what was asked before, and its decisions are compared with those that were recorded, or with\n" +
				"those of another policy.\n\n" +
				"What was asked comes from OPA's decision logs, as its console and its upload write them, from test\n" +
				"cases, or from inputs alone. Functions that are not deterministic answer what the log recorded\n" +
				"(nd_builtin_cache), and the clock stands where it stood; what cannot be repeated is counted as a doubt.",
			Example: "policy replay ./policies decisions.jsonl --against ghcr.io/acme/authz:1.0.0",
		},
		{
			Name: "test", Group: GroupPolicies, Effect: Read, Func: does(Test),
			Doc:     "Run the tests of policies and, as a command, of pipelines.",
			Example: "policy test ./policies --coverage",
		},
		{
			Name: "check", Group: GroupPolicies, Effect: Read, Func: does(Check),
			Doc:     "Find mistakes in policies and, as a command, in pipelines.",
			Example: "policy check ./policies release.star",
		},
		{
			Name: "read", Group: GroupReaders, Effect: Read, Script: true, Func: gives[string](does(ReadText)),
			Doc:     "Give the text of a file.",
			Example: `read("README.md")`,
		},
		{
			Name: "read_json", Group: GroupReaders, Effect: Read, Script: true, Func: does(ReadJSON),
			Doc:     "Give the value of a JSON file.",
			Example: `read_json("cases/owner.json")`,
		},
		{
			Name: "read_yaml", Group: GroupReaders, Effect: Read, Script: true, Func: does(ReadYAML),
			Doc:     "Give the value of a YAML file.",
			Example: `read_yaml("deployment.yaml")`,
		},
		{
			Name: "glob", Group: GroupReaders, Effect: Read, Script: true, Func: does(Glob),
			Doc:     "List the files that match a pattern, sorted.",
			Example: `glob("cases/**/*.json")`,
		},
		{
			Name: "write", Group: GroupReaders, Effect: Write, Script: true, Func: does(WriteFile),
			Doc:     "Write a file: a string as it is, any other value as JSON.",
			Example: `write("release.json", {"version": "1.4.0"})`,
		},
		{
			Name: "git", Group: GroupReaders, Effect: Read, Script: true, Func: gives[*GitState](does(Git)),
			Doc:     "Say which commit, tag and branch the project is at, and whether files differ from it.",
			Example: `git().commit`,
		},
		{
			Name: "env", Group: GroupReaders, Effect: Read, Script: true, Func: gives[string](does(Variable)),
			Doc:     "Give the value of an environment variable.",
			Example: `env("GITHUB_SHA", default = "")`,
		},
		{
			Name: "secret", Group: GroupReaders, Effect: Read, Script: true, Func: gives[Secret](does(ReadSecret)),
			Doc:     "Give the value of an environment variable as a secret, which is never printed.",
			Example: `secret("GITHUB_TOKEN")`,
		},
	}
}
