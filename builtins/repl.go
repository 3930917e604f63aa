package builtins

import (
	"bytes"
	"context"
	"math"
	"time"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/engine"
	"github.com/policyhost/policy/runtime/fault"
)

// ReplArgs are the arguments of [OpenRepl].
type ReplArgs struct {
	Policy string `arg:"" complete:"image,file" help:"What to ask: an image, a bundle tarball, or a folder of sources."`

	Input       Document      `short:"i" placeholder:"FILE" help:"Input document: a JSON or YAML file."`
	Data        []string      `short:"d" placeholder:"PATH" sep:"none" complete:"file" help:"More data or policies: files or folders."`
	Pull        string        `default:"missing" enum:"always,missing,never" help:"When to fetch the image: always, missing or never."`
	MaxErrors   int           `short:"m" default:"10" help:"Errors of the policy to list; 0 lists all."`
	RegoVersion string        `default:"rego.v1" enum:"rego.v0,rego.v0v1,rego.v1" help:"Language of a folder of sources: rego.v0, rego.v0v1 or rego.v1."`
	AllowNet    []string      `placeholder:"HOST" help:"Host that http.send and net functions may reach; none by default."`
	Timeout     time.Duration `name:"eval-timeout" default:"1m" help:"Longest time one evaluation may take."`
}

// Repl is a conversation with a policy: what is defined in one line holds in the
// next. It is for one goroutine; Close it when done.
type Repl struct {
	session *engine.Session
	image   string
	timeout time.Duration
	now     func() time.Time
	done    func()
}

// Reply is what one statement did: it decided something, or defined a rule.
type Reply struct {
	Decision *Decision
	Nearest  string // what an undefined query probably meant; empty: nobody knows
	Defined  string // the rule's name, or "input"
	Package  string // of the rule, "data.repl"
}

// Asking says how queries are to be answered.
type Asking struct {
	Explain             string   // "", notes, fails, full or debug
	Unknowns            []string // evaluate partially, without these
	Profile             bool
	Metrics             bool
	StrictBuiltinErrors bool
}

// OpenRepl opens a policy to talk to, fetching it first as the arguments say. It
// fails as [Eval] does, but for policies that do not compile: asking says so.
func OpenRepl(ctx context.Context, e *Env, args *ReplArgs) (*Repl, error) {
	if args.MaxErrors < 0 {
		return nil, fault.New(fault.Usage, "", "--max-errors: %d is not a number from 0", args.MaxErrors)
	}
	input, err := args.input(e)
	if err != nil {
		return nil, err
	}
	what := opening{policy: args.Policy, pull: args.Pull, regoVersion: args.RegoVersion, data: args.Data, allowNet: args.AllowNet, maxErrors: args.MaxErrors}
	if what.maxErrors == 0 {
		what.maxErrors = math.MaxInt
	}
	opened, done, err := e.bundle(ctx, what)
	if err != nil {
		return nil, err
	}
	r := &Repl{session: opened.NewSession(), image: opened.image, timeout: args.Timeout, now: e.Now, done: done}
	r.session.SetInput(input)
	return r, nil
}

func (args *ReplArgs) input(e *Env) ([]byte, error) {
	if args.Input.path == "-" {
		return nil, fault.New(fault.Usage, "-", "standard input has the questions").WithHint("name a file: --input FILE")
	}
	input, err := args.Input.read(e)
	if err != nil || input == nil {
		return nil, err
	}
	if err := artifact.ValidateJSON(bytes.NewReader(input)); err != nil {
		return nil, fault.New(fault.Usage, args.Input.path, "the input is not JSON: %w", err)
	}
	return input, nil
}

// Image is the digest of the image that answers; empty for files.
func (r *Repl) Image() string { return r.image }

// Do executes the statements in text one after the other, up to the first that
// fails; the replies are those before it. It fails with Usage for what cannot be
// read or names what is not there, Limit when an evaluation takes too long, and
// the cause of ctx.
func (r *Repl) Do(ctx context.Context, text string, how Asking) ([]Reply, error) {
	if r.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.timeout,
			fault.New(fault.Limit, "", "took longer than %s", r.timeout).WithHint("raise --eval-timeout"))
		defer cancel()
	}
	outcomes, err := r.session.Do(ctx, text, engine.Query{
		Explain:             how.Explain,
		Partial:             len(how.Unknowns) > 0,
		Unknowns:            how.Unknowns,
		Profile:             how.Profile,
		Metrics:             how.Metrics,
		StrictBuiltinErrors: how.StrictBuiltinErrors,
		Time:                r.now(),
	})
	var replies []Reply
	for _, o := range outcomes {
		reply := Reply{Nearest: o.Nearest, Defined: o.Defined, Package: o.Package}
		if o.Decision != nil {
			reply.Decision = newDecision(o.Decision, o.Query, r.image)
		}
		replies = append(replies, reply)
	}
	return replies, err
}

// Unfinished reports whether more lines could make a statement of text.
func (r *Repl) Unfinished(text string) bool { return r.session.Unfinished(text) }

// Complete gives the names that word may be the beginning of, sorted.
func (r *Repl) Complete(word string) []string { return r.session.Complete(word) }

// Show is the source of the rules typed in the active package; empty: there are none.
func (r *Repl) Show() (string, error) { return r.session.Show() }

// Unset takes back what was typed under a name: rules of the active package, or
// the input. It fails with Usage or NotFound for what is no name of any.
func (r *Repl) Unset(ctx context.Context, name string) error { return r.session.Unset(ctx, name) }

// UnsetPackage takes back all that was typed in a package.
func (r *Repl) UnsetPackage(ctx context.Context, name string) error {
	return r.session.UnsetPackage(ctx, name)
}

// Close frees what the conversation holds.
func (r *Repl) Close() error {
	err := r.session.Close()
	r.done()
	return err
}
