package main

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

// call is a function of a pipeline with its arguments, or tasks, and the flags
// that are the host's.
type call struct {
	function string // the names of the tasks, when it is them
	named    map[string]any
	rest     []any
	secrets  []string           // parameters whose values say where a secret is
	images   []string           // parameters whose values are references of images
	list     []runtime.Function // to be listed instead, and order with it
	tasks    []string           // to be run instead of a function
	order    []runtime.Task     // those, behind what they depend on
	host     hostFlags
}

// hostFlags are the flags that may stand before or behind a function's name.
type hostFlags struct {
	config.Flags
	runFlags `embed:"" group:"Run"`
	Expr     []string `short:"e" sep:"none" hidden:""` // read already; it stands among the words before
}

// parseCall reads the words behind FILE: the first that names a function chooses
// it, else main is meant. The function's own flags win over the host's. It gives
// nil when the answer was help. tail is the number of words from FILE on.
func (p *pipeline) parseCall(words []string, tail int) (_ *call, err error) {
	functions := p.program.Functions()
	chosen := p.choose(functions, words)
	if p.lists(chosen, words, tail) {
		tasks := p.tasks(functions)
		if at := namedAt(chosen, words); at >= 0 {
			functions, tasks, words = []runtime.Function{*chosen}, nil, slices.Delete(slices.Clone(words), at, at+1)
		}
		return p.parseList(functions, tasks, words, tail)
	}
	helps := slices.Contains(words, "--help") || slices.Contains(words, "-h")
	task := p.namesTask(functions, words)
	switch {
	case task && helps:
		chosen = nil
	case task || p.wantsGraph(chosen, words, tail):
		return p.parseTasks(words, tail)
	}
	file, err := p.argsFile(chosen, words, tail)
	if err != nil {
		return nil, err
	}
	offered := functions
	if chosen != nil {
		offered = []runtime.Function{file.without(*chosen)}
	}
	c := new(call)
	parser, commands, err := p.grammar(&c.host, offered, p.program.Doc(), file.optional...)
	if err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r == errHelped { //nolint:errorlint // identity of the panic value
			err = nil
		} else if r != nil {
			panic(r)
		}
	}()
	if chosen == nil && !helps && p.onlyPrompt(c, words, tail) {
		return c, nil
	}
	if chosen == nil && len(functions)+len(p.tasks(functions)) > 0 && !helps {
		return nil, p.noFunction(functions, words)
	}
	if chosen != nil && namedAt(chosen, words) < 0 {
		words = append([]string{chosen.Name}, words...) // main, unnamed
	}
	ctx, err := parser.Parse(slices.Concat(p.hostWords(tail), words))
	if err != nil {
		return nil, p.hidden(chosen, usage(err))
	}
	if chosen == nil {
		return nil, p.noFunction(functions, words)
	}
	c.function = chosen.Name
	c.named, c.rest = commands[chosen.Name].arguments(ctx)
	c.secrets, c.images = secretsOf(*chosen), imageParams(*chosen)
	file.fill(c.named)
	return c, nil
}

// lists reports that --list was asked for, and not of the function itself.
func (p *pipeline) lists(chosen *runtime.Function, words []string, tail int) bool {
	if chosen != nil && hasParam(chosen, "list") {
		words = nil
	}
	words = append(p.hostWords(tail), words...)
	if end := slices.Index(words, "--"); end >= 0 {
		words = words[:end]
	}
	return slices.Contains(words, "--list")
}

// namedAt is which of the words names a function, -1 when none does.
func namedAt(f *runtime.Function, words []string) int {
	return slices.IndexFunc(words, func(w string) bool { return f != nil && (w == f.Name || w == dashed(f.Name)) })
}

// parseList reads the flags that may stand beside --list.
func (p *pipeline) parseList(functions []runtime.Function, tasks []runtime.Task, words []string, tail int) (*call, error) {
	c := &call{list: functions, order: tasks}
	parser, err := kong.New(&c.host, p.kongOptions()...)
	if err != nil {
		return nil, err
	}
	if _, err := parser.Parse(slices.Concat(p.hostWords(tail), words)); err != nil {
		return nil, usage(err)
	}
	return c, nil
}

// onlyPrompt reports whether nothing is asked for but a prompt, and reads the flags
// beside that.
func (p *pipeline) onlyPrompt(c *call, words []string, tail int) bool {
	parser, err := kong.New(&c.host, p.kongOptions()...)
	if err != nil {
		return false
	}
	_, err = parser.Parse(slices.Concat(p.hostWords(tail), words))
	return err == nil && c.host.Interactive
}

// grammar is the command line of the functions; parsing fills flags. Arguments
// that are optional may be left out though the function needs them.
func (p *pipeline) grammar(flags *hostFlags, offered []runtime.Function, doc string, optional ...string) (*kong.Kong, map[string]*function, error) {
	options := append(p.kongOptions(),
		kong.Name("policy run "+p.typed),
		kong.Description(doc),
		kong.ExplicitGroups([]kong.Group{{Key: "Functions", Title: "Functions:"}, {Key: "Tasks", Title: "Tasks:"}, {Key: "Run", Title: "Flags of policy run:"}, {Key: "Global flags", Title: "Global flags:"}}),
		kong.PostBuild(functionFlagsWin))
	commands := map[string]*function{}
	for _, f := range offered {
		command := newFunction(f, optional)
		commands[f.Name] = command
		options = append(options, command.option())
	}
	for _, t := range p.tasks(offered) {
		options = append(options, taskOption(t))
	}
	parser, err := kong.New(flags, options...)
	if err != nil {
		return nil, nil, fault.New(fault.Script, p.typed, "its functions make no command line: %w", err)
	}
	return parser, commands, nil
}

// hostWords are the flags that stood before FILE.
func (p *pipeline) hostWords(tail int) []string {
	before := p.args[:len(p.args)-tail]
	return slices.Concat(before[:p.before], before[p.before+1:])
}

// choose finds the function that words name, main when they name none.
func (p *pipeline) choose(functions []runtime.Function, words []string) *runtime.Function {
	hasMain := functionNamed(functions, "main")
	for _, w := range words {
		if w == "--" {
			break
		}
		if f := functionNamed(functions, w); f != nil {
			return f
		}
		if !strings.HasPrefix(w, "-") && hasMain != nil {
			break // an argument: main's
		}
	}
	if len(words) > 0 && len(functions)+len(p.tasks(functions)) > 1 && (words[0] == "--help" || words[0] == "-h") {
		return nil // the list of all
	}
	return hasMain
}

// functionNamed is the function that a word of the command line names.
func functionNamed(functions []runtime.Function, word string) *runtime.Function {
	for i, f := range functions {
		if f.Name == word || dashed(f.Name) == word {
			return &functions[i]
		}
	}
	return nil
}

func (p *pipeline) noFunction(functions []runtime.Function, words []string) error {
	var names []string
	for _, f := range functions {
		names = append(names, f.Name)
	}
	for _, t := range p.tasks(functions) {
		names = append(names, t.Name)
	}
	if len(names) == 0 {
		return fault.New(fault.Usage, p.typed, "has no public function to run").WithHint("define one: def main(): …")
	}
	for _, w := range words {
		if !strings.HasPrefix(w, "-") {
			f := fault.New(fault.Usage, p.typed, "has no function or task %q and no main; it has %s", w, strings.Join(names, ", "))
			if near := fault.Nearest(w, names); near != "" {
				return f.WithHint("did you mean %q?", near)
			}
			return f
		}
	}
	return fault.New(fault.Usage, p.typed, "has no main; name one of its functions or tasks: %s", strings.Join(names, ", ")).
		WithHint("policy run %s %s --help", p.typed, names[0])
}

// functionFlagsWin drops the host's flags that a function has, too.
func functionFlagsWin(k *kong.Kong) error {
	for _, node := range k.Model.Children {
		for _, f := range node.Flags {
			k.Model.Flags = slices.DeleteFunc(k.Model.Flags, func(host *kong.Flag) bool { return host.Name == f.Name })
		}
	}
	return nil
}
