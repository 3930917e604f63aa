package runtime

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/policyhost/policy/runtime/fault"
)

// Task is a step of a pipeline, as task(…) registered it.
type Task struct {
	Name    string
	Deps    []string // the tasks that come first
	Summary string   // first line of its function's docstring
	Doc     string   // the docstring without its Args section
	Pos     Position // of the call of task
}

// task is a Task with its function.
type task struct {
	Task
	fn    *starlark.Function
	place syntax.Position
}

// isTaskName reports whether s is a word that no command line and no graph has to
// quote.
func isTaskName(s string) bool {
	for i, c := range []byte(s) {
		switch {
		case c == '_', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case i == 0 || strings.IndexByte(".:/-", c) < 0:
			return false
		}
	}
	return s != ""
}

// register implements task(name, fn, deps). Only the file that is run registers
// tasks: those of a file that it loads are the other file's business.
func register(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var name string
	var fn *starlark.Function
	var deps starlark.Iterable = starlark.Tuple{}
	if err := unpack(b.Name(), args, kwargs, "name", &name, "fn", &fn, "deps?", &deps); err != nil {
		return nil, err
	}
	r := runOf(thread)
	if !r.loading {
		return nil, (&fault.Error{Kind: fault.Script, Op: b.Name(), Err: errors.New("registers a step while a file is loaded, and cannot do so later")}).
			WithHint("call it at the top level of the file")
	}
	if !isTaskName(name) {
		return nil, usage(b.Name(), "a name is made of letters, digits and _ . : / -", "parameter name: got %q", name)
	}
	t := &task{Task: Task{Name: name}, fn: fn, place: callPlace(thread)}
	for dep := range starlark.Elements(deps) {
		s, ok := starlark.AsString(dep)
		if !ok {
			return nil, usage(b.Name(), controlSignature(b.Name()), "parameter deps: got %s, want the names of tasks", dep.Type())
		}
		t.Deps = append(t.Deps, s)
	}
	if err := t.takes(b.Name()); err != nil {
		return nil, err
	}
	t.Pos = position(t.place)
	t.Summary, t.Doc, _ = splitDoc(fn.Doc())
	l := r.loader
	if !l.stack[len(l.stack)-1].Main {
		return starlark.None, nil
	}
	if known := l.named[name]; known != nil {
		return nil, &fault.Error{Kind: fault.Script, Op: b.Name(), Subject: quote(name), Err: fmt.Errorf("is registered already, at %s", known.Pos)}
	}
	l.tasks, l.named[name] = append(l.tasks, t), t
	return starlark.None, nil
}

// results is how many of the results of its dependencies the function takes: one
// for each parameter without a default, all when there is *args.
func (t *task) results() (n int, all bool) {
	for _, p := range untypedParameters(t.fn) {
		if p.Required && !p.KeywordOnly {
			n++
		}
		all = all || p.Variadic
	}
	return n, all
}

// takes checks that the dependencies can fill the function's parameters.
func (t *task) takes(op string) error {
	for _, p := range untypedParameters(t.fn) {
		if p.KeywordOnly && p.Required {
			return usage(op, "give the parameter a default", "task %q: nothing fills the parameter %s of %s", t.Name, p.Name, t.fn.Name())
		}
	}
	if n, _ := t.results(); n > len(t.Deps) {
		return usage(op, "parameters without a default take the results of the dependencies, in their order",
			"task %q: %s takes the results of %d dependencies, deps has %d", t.Name, t.fn.Name(), n, len(t.Deps))
	}
	return nil
}

func (l *loader) taskNames() []string {
	var names []string
	for _, t := range l.tasks {
		names = append(names, t.Name)
	}
	return names
}

// checkTasks refuses dependencies that do not exist, and circles.
func (l *loader) checkTasks(main *module) error {
	var errs []error
	for _, t := range l.tasks {
		for i, dep := range t.Deps {
			if l.named[dep] == nil {
				hint := "its tasks are " + strings.Join(l.taskNames(), ", ")
				if near := fault.Nearest(dep, l.taskNames()); near != "" {
					hint = fmt.Sprintf("did you mean %q?", near)
				}
				errs = append(errs, l.taskFault(main.depPlace(t, i), hint, "task %q: there is no task %q", t.Name, dep))
			}
		}
	}
	if len(errs) > 0 {
		return fault.Join(errs...)
	}
	if cycle := l.taskCycle(); cycle != nil {
		place := main.depPlace(cycle[0], slices.Index(cycle[0].Deps, cycle[1].Name))
		var names []string
		for _, t := range cycle {
			names = append(names, t.Name)
		}
		return l.taskFault(place, "", "tasks wait for each other: %s", strings.Join(names, " → "))
	}
	return nil
}

func (l *loader) taskFault(place syntax.Position, hint, format string, args ...any) error {
	f := l.script([]fault.Frame{l.frame("", place)}, fmt.Errorf(format, args...))
	f.Hint = hint
	return f
}

// taskCycle is a circle of tasks, its first one again at the end; nil when there
// is none.
func (l *loader) taskCycle() []*task {
	const open, done = 1, 2
	state := make(map[*task]int)
	var path []*task
	var visit func(t *task) []*task
	visit = func(t *task) []*task {
		switch state[t] {
		case open:
			return append(slices.Clone(path[slices.Index(path, t):]), t)
		case done:
			return nil
		}
		path, state[t] = append(path, t), open
		for _, dep := range t.Deps {
			if cycle := visit(l.named[dep]); cycle != nil {
				return cycle
			}
		}
		path, state[t] = path[:len(path)-1], done
		return nil
	}
	for _, t := range l.tasks {
		if cycle := visit(t); cycle != nil {
			return cycle
		}
	}
	return nil
}

// depPlace is where the i-th dependency of a task is written, or the call of
// task when it is not written as a literal there.
func (m *module) depPlace(t *task, i int) syntax.Position {
	place := t.place
	syntax.Walk(m.file, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || call.Lparen != t.place {
			return true
		}
		for _, arg := range call.Args {
			named, ok := arg.(*syntax.BinaryExpr)
			if !ok || named.Op != syntax.EQ {
				continue
			}
			list, ok := named.Y.(*syntax.ListExpr)
			if name, isName := named.X.(*syntax.Ident); !ok || !isName || name.Name != "deps" || len(list.List) != len(t.Deps) {
				continue
			}
			if text, ok := list.List[i].(*syntax.Literal); ok {
				place = text.TokenPos
			}
		}
		return true
	})
	return place
}
