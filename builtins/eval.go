package builtins

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/engine"
	"github.com/policyhost/policy/runtime/fault"
)

// EvalArgs are the arguments of [Eval].
type EvalArgs struct {
	Policy string `arg:"" help:"What judges: an image, a bundle tarball, or a folder of sources."`
	Query  string `arg:"" help:"Rego query, for example data.authz.allow."`

	Input      Document `short:"i" help:"Input document: a JSON or YAML file, or - for standard input."`
	StdinInput bool     `short:"I" star:"-" help:"Read the input document from standard input."`
	InputJSON  string   `name:"input-json" star:"-" help:"Input document as JSON text."`
	Data       []string `short:"d" sep:"none" help:"More data or policies: files or folders."`
	Pull       string   `default:"missing" enum:"always,missing,never" help:"When to fetch the image: always, missing or never."`

	Fail         bool `help:"Fail when the result is undefined or false."`
	FailDefined  bool `help:"Fail when the result is defined."`
	FailNonEmpty bool `help:"Fail when the result is a set, array, object or text that is not empty."`

	Partial             bool          `help:"Evaluate partially: what remains once the unknowns are left open."`
	Unknowns            []string      `default:"input" help:"References that are unknown to a partial evaluation."`
	Explain             string        `default:"off" enum:"off,notes,fails,full,debug" help:"Explain the evaluation: off, notes, fails, full or debug."`
	Profile             bool          `help:"Count and time every expression."`
	Coverage            bool          `help:"Report the lines that were evaluated."`
	Metrics             bool          `help:"Report how long each step took."`
	StrictBuiltinErrors bool          `help:"Fail when a built-in function fails, instead of leaving it undefined."`
	RegoVersion         string        `default:"rego.v1" enum:"rego.v0,rego.v0v1,rego.v1" help:"Language of a folder of sources: rego.v0, rego.v0v1 or rego.v1."`
	AllowNet            []string      `help:"Host that http.send and net functions may reach; none by default."`
	Timeout             time.Duration `cli:"-" help:"Longest time the evaluation may take, for example 5s."`
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
	if args.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, args.Timeout,
			fault.New(fault.Limit, args.Query, "took longer than %s", args.Timeout).WithHint("raise timeout"))
		defer cancel()
	}
	bundle, done, err := e.bundle(ctx, args)
	if err != nil {
		return nil, err
	}
	defer done()
	explain := args.Explain
	if explain == "off" {
		explain = ""
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
	decision := &Decision{
		Result:   d.Result,
		Defined:  d.Defined,
		Query:    args.Query,
		Bindings: d.Bindings,
		Image:    bundle.image,
		Metrics:  d.Metrics,
		Partial:  d.Partial,
		Explain:  d.Explain,
		Profile:  d.Profile,
		Coverage: d.Coverage,
	}
	return decision, args.gate(decision)
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

// opened is a bundle ready to be asked, and the digest of the image it is of.
type opened struct {
	*engine.Bundle
	image string
}

// bundle opens what the arguments name. Images are opened once for all of a
// run's questions; files are read anew each time, since they may change.
func (e *Env) bundle(ctx context.Context, args *EvalArgs) (opened, func(), error) {
	o := engine.OpenOptions{
		Name:        args.Policy,
		Limits:      e.Settings.Limits,
		RegoVersion: args.RegoVersion,
		AllowNet:    args.AllowNet,
		CacheDir:    e.Settings.cache(),
		Print:       func(text string) { e.Events.send(Event{State: Printed, Verb: "eval", Message: text}) },
	}
	var err error
	if o.Data, o.Typed, err = realPaths(e.Files, args.Data); err != nil {
		return opened{}, nil, err
	}
	if !looksLikePath(args.Policy) {
		return e.imageBundle(ctx, args, o)
	}
	real, err := e.Files.Path(args.Policy)
	if err != nil {
		return opened{}, nil, err
	}
	o.Typed[real] = args.Policy
	b, err := openPath(ctx, real, o)
	if err != nil {
		return opened{}, nil, err
	}
	return opened{Bundle: b}, func() { _ = b.Close() }, nil
}

// openPath opens a bundle tarball, or a folder or file of sources.
func openPath(ctx context.Context, path string, o engine.OpenOptions) (*engine.Bundle, error) {
	if !strings.HasSuffix(path, ".tar.gz") && !strings.HasSuffix(path, ".tgz") {
		return engine.OpenDir(ctx, []string{path}, o)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fileFault(o.Name, err)
	}
	defer f.Close()
	return engine.OpenBundle(ctx, f, o)
}

func (e *Env) imageBundle(ctx context.Context, args *EvalArgs, o engine.OpenOptions) (opened, func(), error) {
	var r Ref
	if err := r.UnmarshalText([]byte(args.Policy)); err != nil {
		return opened{}, nil, err
	}
	l, err := e.openOrPull(ctx, r, args.Pull)
	if err != nil {
		return opened{}, nil, hintAtPath(err, args.Policy)
	}
	defer l.Close()
	if layer, err := l.manifest.Layer(); err == nil {
		o.Trusted = e.Settings.builtHere(layer.Digest)
	}
	if len(o.Data) > 0 {
		b, err := l.engineBundle(ctx, o)
		if err != nil {
			return opened{}, nil, err
		}
		return opened{b, l.descriptor.Digest.String()}, func() { _ = b.Close() }, nil
	}
	key := strings.Join(append([]string{l.descriptor.Digest.String()}, args.AllowNet...), " ")
	b, err := e.bundles.get(key, func() (*engine.Bundle, error) { return l.engineBundle(ctx, o) })
	return opened{b, l.descriptor.Digest.String()}, func() {}, err
}

// openOrPull opens a local image, fetching it first as pull says.
func (e *Env) openOrPull(ctx context.Context, r Ref, pull string) (*local, error) {
	if pull != "always" {
		l, err := e.open(ctx, r, prefixDigits)
		if err == nil || pull == "never" || !errors.Is(err, fault.NotFound) {
			return l, err
		}
	}
	image, err := e.pull(ctx, r)
	if err != nil {
		return nil, err
	}
	return e.open(ctx, Ref{image.Ref}, prefixDigits)
}

// engineBundle opens the image's policy for evaluation.
func (l *local) engineBundle(ctx context.Context, o engine.OpenOptions) (*engine.Bundle, error) {
	layer, r, err := l.bundle(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	o.Name = l.name.Tagged()
	o.Key = layer.Digest.String()
	o.RegoVersion = l.manifest.Annotations[artifact.AnnotationRegoVersion]
	verified := newVerifier(r, layer)
	b, err := engine.OpenBundle(ctx, verified, o)
	if err := verified.finish(); err != nil { // altered content explains any other failure
		return nil, fault.In("", o.Name, err)
	}
	return b, err
}

// hintAtPath helps the person who meant a folder.
func hintAtPath(err error, typed string) error {
	if f := fault.Of(err); f.Kind == fault.NotFound || f.Kind == fault.Unavailable || f.Kind == fault.Denied {
		if _, statErr := os.Stat(typed); statErr == nil {
			return f.WithHint("for the folder or file of that name, type ./%s", typed)
		}
	}
	return err
}

// bundleCache keeps the bundles a run has opened, by digest and options.
type bundleCache struct {
	mu   sync.Mutex
	open map[string]*bundleOnce
}

type bundleOnce struct {
	once   sync.Once
	bundle *engine.Bundle
	err    error
}

func (c *bundleCache) get(key string, open func() (*engine.Bundle, error)) (*engine.Bundle, error) {
	c.mu.Lock()
	if c.open == nil {
		c.open = map[string]*bundleOnce{}
	}
	b := c.open[key]
	if b == nil {
		b = new(bundleOnce)
		c.open[key] = b
	}
	c.mu.Unlock()
	b.once.Do(func() { b.bundle, b.err = open() })
	return b.bundle, b.err
}

// Close frees every bundle.
func (c *bundleCache) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, b := range c.open {
		if b.bundle != nil {
			errs = append(errs, b.bundle.Close())
		}
	}
	c.open = nil
	return errors.Join(errs...)
}

// verifier hashes what it reads and compares at the end.
type verifier struct {
	r      io.Reader
	want   artifact.Descriptor
	hasher io.Writer
	check  func() bool
}

func newVerifier(r io.Reader, want artifact.Descriptor) *verifier {
	v := want.Digest.Verifier()
	return &verifier{r: r, want: want, hasher: v, check: v.Verified}
}

func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	_, _ = v.hasher.Write(p[:n])
	return n, err
}

// finish reads what is left and fails with Invalid unless all of it hashed to
// the digest.
func (v *verifier) finish() error {
	if _, err := io.Copy(io.Discard, v); err != nil {
		return err
	}
	if !v.check() {
		return fault.New(fault.Invalid, "", "the stored bundle does not hash to %s: it was altered or damaged", v.want.Digest).
			WithHint("check the store (policy store check), then pull or build the image again")
	}
	return nil
}
