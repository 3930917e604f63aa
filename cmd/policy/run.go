package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/project"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
	"github.com/policyhost/policy/stdlib"
)

// runCommand stops reading flags at FILE: what follows belongs to the pipeline's
// functions first.
type runCommand struct {
	runFlags
	Expr []string `short:"e" sep:"none" placeholder:"LINE" help:"Run a line of Starlark instead of a file; several make the body of a function."`
	Args []string `arg:"" optional:"" passthrough:"" name:"file" usage:"[<file> [<function> [<args> ...] | <task> ...]]" complete:"pipeline" help:"Pipeline to run, or - for standard input; then one of its functions and that function's arguments, or some of its tasks."`
}

// runFlags may stand before FILE, and after it as long as the function has no
// flag of that name.
type runFlags struct {
	output
	ArgsFile string `name:"args" placeholder:"FILE" complete:"file" help:"YAML or JSON file with values of the function's parameters; flags win."`
	List     bool   `help:"List the functions with their parameters and types, and the tasks; run none."`
	MaxSteps uint64 `placeholder:"N" help:"Steps that the pipeline may take."`

	Interactive bool `short:"i" help:"Read lines of Starlark afterwards, as policy shell does."`

	Graph graphFormat `help:"Print the graph of the tasks, and run none; --graph=dot and --graph=mermaid draw it for Graphviz and Mermaid."`
	Jobs  uint16      `short:"j" placeholder:"N" help:"Tasks, and calls of parallel, that work at once (16)."`

	Frozen bool `help:"Refuse recipes that policy.lock does not pin, instead of pinning them; CI=true does so, too."`

	Grant []string `sep:"none" placeholder:"NEED" help:"Grant this to the recipe that is run from its registry: read:HOST/ORG/*, write:HOST/ORG/NAME, delete:…, files:FOLDER, files:FOLDER:rw, env:NAME; needs is all that it says it needs."`
	Deny  []string `sep:"none" placeholder:"NEED" help:"Deny this to every recipe that is loaded, whatever was granted: write:*, files:., env:*."`

	Report string `placeholder:"FILE" complete:"file" help:"Write a page about the run, HTML: its tasks, times, images, decisions and failures."`

	AllowRead  []string `sep:"none" placeholder:"DIR" complete:"folder" help:"Folder outside the project that the pipeline may read."`
	AllowWrite []string `sep:"none" placeholder:"DIR" complete:"folder" help:"Folder outside the project that the pipeline may read and write."`
	rehearsing
}

func (*runCommand) Help() string {
	return `Every public function of FILE is a command: parameters without a default are
its arguments, the others its flags. Without a function's name, main runs. Tasks
that FILE registers run with all that they depend on, at once where they can.

    policy run FILE --help             lists the functions and tasks
    policy run FILE FUNCTION --help    shows what one takes

Example:

    policy run examples/quickstart/release.star main --version 1.2.0`
}

func (c *runCommand) run(ctx context.Context, a *app, flags *config.Flags) error {
	source, words, err := c.source(a)
	if err != nil {
		return err
	}
	a.printer.Format = c.Output
	p := &pipeline{app: a, typed: source.Name, source: source, record: a.newRecord()}
	if err := p.load(ctx, flags, p.pinning(words, len(c.Args))); err != nil {
		return err
	}
	call, err := p.parseCall(words, len(c.Args))
	if err != nil || call == nil {
		return err
	}
	a.printer.Format = call.host.Output
	if call.host.Graph != "" {
		graph, err := p.graph(call.order, call.host.Graph, a.printer.Format)
		return a.answer(graph, err)
	}
	if call.list != nil {
		return a.answer(listing(call.list, call.order, a.printer.Format), nil)
	}
	if call.host.Interactive && (source.Name == "-" || len(c.Expr) > 0) {
		return fault.New(fault.Usage, "", "--interactive goes with a file: standard input has the lines").WithHint("policy shell")
	}
	return p.call(ctx, call)
}

// source reads what to run and gives the words that follow it.
func (c *runCommand) source(a *app) (runtime.Source, []string, error) {
	if len(c.Expr) > 0 {
		return runtime.Source{Name: "-e", Text: []byte(strings.Join(c.Expr, "\n")), Body: true}, c.Args, nil
	}
	if len(c.Args) == 0 {
		return runtime.Source{}, nil, fault.New(fault.Usage, "", "no pipeline to run").
			WithHint("policy run FILE, policy run -e 'LINE', or policy run - for standard input")
	}
	file, rest := c.Args[0], c.Args[1:]
	switch file {
	case "--help", "-h":
		return runtime.Source{}, nil, fault.New(fault.Usage, "", "no pipeline to run").WithHint("policy run --help")
	case "-":
		text, err := io.ReadAll(io.LimitReader(a.in, maxSource+1))
		if err != nil {
			return runtime.Source{}, nil, fault.File("standard input", err)
		}
		return runtime.Source{Name: "-", Text: text}, rest, tooLarge("standard input", text)
	}
	if isRecipeFile(file) {
		return runtime.Source{Name: file}, rest, nil // it is read when the recipe is there
	}
	text, err := os.ReadFile(file)
	if err != nil && strings.HasPrefix(file, "-") {
		return runtime.Source{}, nil, fault.New(fault.Usage, "", "unknown flag %s", file).WithHint("see what it takes: policy run --help")
	}
	if err != nil {
		return runtime.Source{}, nil, unreadable(file, err)
	}
	return runtime.Source{Name: file, Text: text}, rest, tooLarge(file, text)
}

// maxSource bounds a pipeline's text: 16 MiB.
const maxSource = 16 << 20

func tooLarge(name string, text []byte) error {
	if len(text) > maxSource {
		return fault.New(fault.Limit, name, "larger than %d MiB", maxSource>>20)
	}
	return nil
}

func unreadable(file string, err error) error {
	cause := err
	if p, ok := errors.AsType[*os.PathError](err); ok {
		cause = p.Err
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		f := fault.New(fault.NotFound, file, "no such file")
		if near, globErr := filepath.Glob(filepath.Join(filepath.Dir(file), "*.star")); globErr == nil {
			if n := fault.Nearest(file, near); n != "" {
				return f.WithHint("did you mean %s?", n)
			}
		}
		return f
	case errors.Is(err, os.ErrPermission):
		return fault.New(fault.Denied, file, "%w", cause)
	}
	return fault.New(fault.Usage, file, "%w", cause).WithHint("name a .star file")
}

// pipeline is a loaded file and what its verbs work with.
type pipeline struct {
	*app
	typed   string // what was asked for: a file, "-", "-e"
	source  runtime.Source
	host    *runtime.Host
	program *runtime.Program
	record  *record
	recipes *recipes
	envs    *confined // set before the first call; loading has no effect
	hangUp  func()    // ends the session that recipes were fetched in, if there is one
}

// load reads the file and checks it, without any effect but to pin recipes.
func (p *pipeline) load(ctx context.Context, flags *config.Flags, pinning pinning) (err error) {
	var connect connect
	connect, p.hangUp = p.connecting(flags)
	defer p.hangUp()
	if p.recipes, err = p.recipesOf(p.source, pinning, connect); err != nil {
		return err
	}
	if isRecipeFile(p.typed) {
		if p.source, err = p.recipes.run(ctx, p.typed); err != nil {
			return err
		}
	}
	root := p.recipes.project.Root
	p.printer.Actions.AddFolder(root)
	verbs := p.verbs()
	p.host = &runtime.Host{
		Predeclared: func(runtime.Module) []runtime.Builtin { return verbs },
		Std:         stdlib.FS,
		Root:        root,
		Package:     p.recipes.Package,
		Print:       func(_ runtime.Position, text string) { p.printer.Print(text) },
		Limits:      runtime.Limits{Hint: limitHint, Exceeded: func(f *fault.Error) { os.Exit(p.finish(f)) }},
	}
	if p.program, err = p.host.Load(ctx, p.source); err != nil {
		return err
	}
	return p.recipes.keep()
}

// connecting opens a session when it is needed, and ends it when done; another may
// be opened after that.
func (a *app) connecting(flags *config.Flags) (open connect, end func()) {
	done := func() {}
	return func(ctx context.Context, p *project.Project) (*builtins.Env, error) {
			s, err := a.openToFetch(ctx, flags, p)
			if err != nil {
				return nil, err
			}
			done = func() { _ = s.Close() } // it has only read
			return s.env, nil
		}, func() {
			done()
			done = func() {}
		}
}

// pinning is what becomes of recipes without a pin. The words behind FILE have not
// been parsed yet: what a function calls --frozen is not ours.
func (p *pipeline) pinning(words []string, tail int) pinning {
	if end := slices.Index(words, "--"); end >= 0 {
		words = words[:end]
	}
	frozen := slices.Contains(p.hostWords(tail), "--frozen") || slices.Contains(words, "--frozen") &&
		!slices.ContainsFunc(runtime.Outline(p.source.Text), func(f runtime.Function) bool { return hasParam(&f, "frozen") })
	if ci := p.getenv("CI"); frozen || ci != "" && ci != "false" && ci != "0" {
		return pinNone
	}
	return pinNew
}

// verbs offers the table to scripts.
func (p *pipeline) verbs() []runtime.Builtin {
	return scriptVerbs(func(ctx context.Context, v *builtins.Verb, c runtime.Call) (any, error) {
		return v.Call(ctx, p.envs.env(c), c.Args)
	})
}

// scriptVerbs are the rows of the table as builtins, each called by call.
func scriptVerbs(call func(context.Context, *builtins.Verb, runtime.Call) (any, error)) []runtime.Builtin {
	var all []runtime.Builtin
	for _, v := range builtins.Table() {
		all = append(all, runtime.Builtin{
			Name:    v.Name,
			Aliases: v.Aliases,
			Doc:     v.Doc,
			Pure:    v.Effect == builtins.Pure,
			Args:    v.Func.New,
			Result:  v.Func.Result,
			Call: func(ctx context.Context, c runtime.Call) (any, error) {
				return call(builtins.At(ctx, builtins.Site{File: c.Pos.File, Line: c.Pos.Line, Col: c.Pos.Col, Task: c.Task}), &v, c)
			},
		})
	}
	return all
}

// call runs one function of the pipeline and renders what it returns. Its verbs
// see the project folder only.
func (p *pipeline) call(ctx context.Context, c *call) error {
	s, err := p.openIn(ctx, &c.host.Flags, p.recipes.project)
	if err != nil {
		return err
	}
	defer s.Close()
	defer p.hangUp() // a line of a shell may have fetched more
	if err := s.rehearse(c.host.rehearsing); err != nil {
		return err
	}
	files, err := c.host.files(p.host.Root)
	if err != nil {
		return err
	}
	env := s.env.WithFiles(files)
	if err := p.recipes.permit(c.host.Grant, c.host.Deny); err != nil {
		return err
	}
	p.envs = p.recipes.confine(env)
	defer func() { _ = p.envs.Close() }() // connections and copies of packages
	if err := p.setClock(env); err != nil {
		return err
	}
	p.host.Task = s.task
	p.host.Limits.Steps = c.host.MaxSteps
	p.host.Limits.Heap = uint64(c.host.MaxHeap) << 20
	p.host.Limits.Parallel = int(c.host.Jobs)
	if err := c.readSecrets(s.env); err != nil {
		return err
	}
	if err := c.findImages(s.ctx, s.env); err != nil {
		return err
	}
	if err := mayReport(c.host.Report); err != nil {
		return err
	}
	if c.function == "" { // only the prompt is wanted
		return p.converse(s, nil)
	}
	var result any
	if len(c.tasks) > 0 {
		result, err = p.runTasks(s.ctx, c)
	} else {
		result, err = p.program.Call(s.ctx, c.function, c.named, c.rest)
	}
	if s.ended(err) {
		err = context.Cause(s.ctx)
	}
	if told := p.tell(s, c, err); err == nil {
		err = told
	}
	if c.host.Interactive {
		return p.converse(s, s.answer(result, err))
	}
	return s.answerOrPlan(shown(result), err)
}

// setClock makes the time that scripts see that of now, or of SOURCE_DATE_EPOCH.
func (p *pipeline) setClock(env *builtins.Env) (err error) {
	if p.host.Now, err = env.SourceDate(); err == nil && p.host.Now.IsZero() {
		p.host.Now = env.Now()
	}
	return err
}

// files are what the pipeline may see: its project and what was granted.
func (f runFlags) files(root string) (files builtins.Under, err error) {
	files.Dir = root
	if files.Read, err = absolute(f.AllowRead); err == nil {
		files.Write, err = absolute(f.AllowWrite)
	}
	return files, err
}

func absolute(folders []string) (all []string, err error) {
	for _, folder := range folders {
		dir, err := filepath.Abs(folder)
		if err != nil {
			return nil, fault.File(folder, err)
		}
		all = append(all, dir)
	}
	return all, nil
}

// limitHint says what to type to raise a limit.
func limitHint(limit string) string {
	switch limit {
	case "steps":
		return "raise --max-steps"
	case "memory":
		return "raise --max-heap"
	case "time":
		return "raise --timeout"
	case "load steps", "load time":
		return "move the work into a function: loading a file only defines things"
	}
	return ""
}
