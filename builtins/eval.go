package builtins

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/engine"
	"github.com/policyhost/policy/runtime/fault"
)

// EvalArgs are the arguments of [Eval].
type EvalArgs struct {
	Policy string `arg:"" complete:"image,file" help:"What judges: an image, a bundle tarball, or a folder of sources."`
	Query  string `arg:"" help:"Rego query, for example data.authz.allow."`

	Input      Document `short:"i" placeholder:"FILE" help:"Input document: a JSON or YAML file, or - for standard input."`
	StdinInput bool     `short:"I" star:"-" help:"Read the input document from standard input."`
	InputJSON  string   `name:"input-json" star:"-" help:"Input document as JSON text."`
	Data       []string `short:"d" placeholder:"PATH" sep:"none" complete:"file" help:"More data or policies: files or folders."`
	Pull       string   `default:"missing" enum:"always,missing,never" help:"When to fetch the image: always, missing or never."`

	Fail         bool `help:"Fail when the result is undefined or false."`
	FailDefined  bool `help:"Fail when the result is defined."`
	FailNonEmpty bool `help:"Fail when the result is a set, array, object or text that is not empty."`

	Partial             bool          `help:"Evaluate partially: what remains once the unknowns are left open."`
	Unknowns            []string      `default:"input" help:"References that are unknown to a partial evaluation. It tries all data that they could name: leave as little unknown as you can."`
	Explain             string        `default:"off" enum:"off,notes,fails,full,debug" help:"Explain the evaluation: off, notes, fails, full or debug."`
	Profile             bool          `help:"Count and time every expression."`
	Coverage            bool          `help:"Report the lines that were evaluated."`
	Metrics             bool          `help:"Report how long each step took."`
	StrictBuiltinErrors bool          `help:"Fail when a built-in function fails, instead of leaving it undefined."`
	RegoVersion         string        `default:"rego.v1" enum:"rego.v0,rego.v0v1,rego.v1" help:"Language of a folder of sources: rego.v0, rego.v0v1 or rego.v1."`
	AllowNet            []string      `placeholder:"HOST" help:"Host that http.send and net functions may reach; none by default."`
	Timeout             time.Duration `name:"eval-timeout" star:"timeout" default:"1m" help:"Longest time the evaluation may take."`
}

// sooner is the hint for who waited too long.
func (args *EvalArgs) sooner() string {
	if args.Partial {
		return "leave less unknown, such as --unknowns input.resource with the rest in -i; or raise --eval-timeout (in a script: timeout)"
	}
	return "raise --eval-timeout (in a script: timeout)"
}

// Eval asks a policy for a decision about an input. With one of the fail
// arguments the decision comes back together with a Rejected fault when the gate
// does not hold. It fails with NotFound when there is no such policy, Invalid
// when it does not compile, Limit when the timeout passes.
func Eval(ctx context.Context, e *Env, args *EvalArgs) (*Decision, error) {
	input, err := args.input(e)
	if err != nil {
		return nil, err
	}
	bundle, done, err := e.bundle(ctx, args.opening())
	if err != nil {
		return nil, err
	}
	defer done()
	explain := args.Explain
	if explain == "off" {
		explain = ""
	}
	if args.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, args.Timeout,
			fault.New(fault.Limit, args.Query, "took longer than %s", args.Timeout).WithHint("%s", args.sooner()))
		defer cancel()
	}
	d, err := bundle.Eval(ctx, engine.Query{
		Query:               args.Query,
		Input:               input,
		Partial:             args.Partial,
		Unknowns:            args.Unknowns,
		Explain:             explain,
		Profile:             args.Profile,
		Coverage:            args.Coverage,
		Metrics:             args.Metrics,
		StrictBuiltinErrors: args.StrictBuiltinErrors,
		Time:                e.Now(),
	})
	if err != nil {
		return nil, err
	}
	decision := newDecision(d, args.Query, bundle.image)
	return decision, args.gate(decision)
}

func (args *EvalArgs) opening() opening {
	return opening{policy: args.Policy, pull: args.Pull, regoVersion: args.RegoVersion, data: args.Data, allowNet: args.AllowNet}
}

func newDecision(d *engine.Decision, query, image string) *Decision {
	return &Decision{
		Result:   d.Result,
		Defined:  d.Defined,
		Query:    query,
		Bindings: d.Bindings,
		Image:    image,
		Metrics:  d.Metrics,
		Partial:  d.Partial,
		Explain:  d.Explain,
		Profile:  d.Profile,
		Coverage: d.Coverage,
	}
}

// Nearest gives what a query that is undefined probably meant, spelled as the
// nearest that leads somewhere; it is empty when nobody knows. It opens the
// policy anew.
func Nearest(ctx context.Context, e *Env, args *EvalArgs) string {
	bundle, done, err := e.bundle(ctx, args.opening())
	if err != nil {
		return ""
	}
	defer done()
	return bundle.Nearest(args.Query)
}

func (args *EvalArgs) input(e *Env) ([]byte, error) {
	given := 0
	for _, is := range []bool{!args.Input.IsZero(), args.StdinInput, args.InputJSON != ""} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return nil, fault.New(fault.Usage, "", "the input is given more than once").
			WithHint("use one of --input, --stdin-input and --input-json")
	case args.StdinInput:
		return Document{path: "-"}.read(e)
	case args.InputJSON != "":
		if err := artifact.ValidateJSON(strings.NewReader(args.InputJSON)); err != nil {
			return nil, fault.New(fault.Usage, "", "--input-json is not JSON: %w", err)
		}
		return []byte(args.InputJSON), nil
	}
	return args.Input.read(e)
}

// gate says no when the decision is not what the caller asked for.
func (args *EvalArgs) gate(d *Decision) error {
	result := string(bytes.TrimSpace(d.Result))
	var why string
	switch {
	case args.Fail && !d.Defined:
		why = "is undefined"
	case args.Fail && result == "false":
		why = "is false"
	case args.FailDefined && d.Defined:
		why = "is defined"
	case args.FailNonEmpty && d.Defined && result != "[]" && result != "{}" && result != `""` && strings.ContainsAny(result[:1], `[{"`):
		why = "is not empty"
	default:
		return nil
	}
	return fault.New(fault.Rejected, args.Query, "%s", why)
}
