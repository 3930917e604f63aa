package runtime

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"go.starlark.net/starlark"

	"github.com/policyhost/policy/runtime/fault"
)

// Tasks lists the tasks with the given names and those that they depend on, or
// all when there is no name: each behind its dependencies, otherwise in the order
// of the file. A name that no task has is Usage.
func (p *Program) Tasks(names ...string) ([]Task, error) {
	chosen, err := p.tasks(names)
	var all []Task
	for _, t := range chosen {
		all = append(all, t.Task)
	}
	return all, err
}

// RunTasks runs tasks, and first what they depend on: each once, those that do
// not wait for each other at once. It gives what the named ones return, in their
// order, as [Program.Call] does. When one fails no more are started, and those
// that run finish; the fault has every failure.
func (p *Program) RunTasks(ctx context.Context, names ...string) ([]any, error) {
	chosen, err := p.tasks(names)
	if err != nil {
		return nil, err
	}
	g := newTaskRun(newRun(p.host, p.loader, false), chosen)
	results := make([]any, len(names))
	err = g.run.do(ctx, func() error {
		g.run.first.fork(g.start)
		if err := g.failed.join(g.run); err != nil {
			return err
		}
		for i, name := range names {
			if results[i], err = toGo(g.results[name]); err != nil {
				return &fault.Error{Kind: fault.Script, Subject: taskName(name), Err: fmt.Errorf("the value it returns: %w", err)}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// tasks are the named ones with all they depend on, dependencies first.
func (p *Program) tasks(names []string) ([]*task, error) {
	if len(names) == 0 {
		names = p.loader.taskNames()
	}
	var all []*task
	seen := make(map[*task]bool)
	var add func(t *task)
	add = func(t *task) {
		if seen[t] {
			return
		}
		seen[t] = true
		for _, dep := range t.Deps {
			add(p.loader.named[dep])
		}
		all = append(all, t)
	}
	for _, name := range names {
		t := p.loader.named[name]
		if t == nil {
			return nil, p.noTask(name)
		}
		add(t)
	}
	return all, nil
}

func (p *Program) noTask(name string) error {
	f := fault.New(fault.Usage, p.main.Name, "there is no task %q", name)
	known := p.loader.taskNames()
	if near := fault.Nearest(name, known); near != "" {
		return f.WithHint("did you mean %q?", near)
	}
	if len(known) == 0 {
		return f.WithHint(`a file registers its tasks: task("build", build)`)
	}
	return f.WithHint("its tasks are %s", strings.Join(known, ", "))
}

// taskRun is a run of tasks.
type taskRun struct {
	run     *run
	tasks   []*task
	failed  *failures
	mu      sync.Mutex
	results map[string]starlark.Value // under mu
}

func newTaskRun(r *run, tasks []*task) *taskRun {
	return &taskRun{run: r, tasks: tasks, failed: newFailures(len(tasks)), results: make(map[string]starlark.Value)}
}

// start gives each task a goroutine that waits for its dependencies, and ends
// when all have ended. A task whose dependencies have no result does not begin.
func (g *taskRun) start() {
	done := make(map[string]chan struct{}, len(g.tasks))
	for _, t := range g.tasks {
		done[t.Name] = make(chan struct{})
	}
	var all sync.WaitGroup
	for i, t := range g.tasks {
		all.Go(func() {
			defer close(done[t.Name])
			for _, dep := range t.Deps {
				<-done[dep]
			}
			g.runOne(i, t)
		})
	}
	all.Wait()
}

func (g *taskRun) runOne(i int, t *task) {
	args, ok := g.arguments(t)
	if !ok {
		return
	}
	b := g.run.branch(g.run.first)
	if !b.enter() || g.failed.any.Load() {
		b.end()
		return
	}
	b.task = t.Name
	ended := func(error) {}
	if g.run.host.Task != nil {
		ended = g.run.host.Task(t.Name)
	}
	v, err := b.call(t.fn, args)
	ended(err)
	if err != nil {
		g.failed.add(i, taskName(t.Name), err)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.results[t.Name] = v
}

// arguments are the results that the function takes; false when one is missing.
func (g *taskRun) arguments(t *task) (starlark.Tuple, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var args starlark.Tuple
	for _, dep := range t.Deps {
		v, ok := g.results[dep]
		if !ok {
			return nil, false
		}
		args = append(args, v)
	}
	if n, all := t.results(); !all {
		args = args[:n]
	}
	return args, true
}

func taskName(name string) string { return "task " + quote(name) }
