package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

// taskWords is the command line behind FILE when tasks are named, or their graph
// is asked for: tasks and the host's flags, in any order.
type taskWords struct {
	hostFlags
	Tasks []string `arg:"" optional:"" name:"task" help:"Tasks to run, with all that they depend on."`
}

// tasks are those that the pipeline registers. One that has the name of a function
// is not a command: the function is.
func (p *pipeline) tasks(functions []runtime.Function) []runtime.Task {
	if p.program == nil { // completion reads, and loads nothing
		return nil
	}
	all, err := p.program.Tasks()
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(all, func(t runtime.Task) bool { return functionNamed(functions, t.Name) != nil })
}

// hidden adds to an error about a function's arguments that a task of its name may
// have been meant.
func (p *pipeline) hidden(chosen *runtime.Function, err error) error {
	if chosen == nil {
		return err
	}
	if _, noTask := p.program.Tasks(chosen.Name); noTask != nil {
		return err
	}
	return fault.Of(err).WithHint("the function %s goes before the task of its name: call it _%s, and the task can be run", chosen.Name, chosen.Name)
}

// namesTask reports whether the first word that names something names a task.
func (p *pipeline) namesTask(functions []runtime.Function, words []string) bool {
	tasks := p.tasks(functions)
	for _, w := range words {
		if w == "--" || functionNamed(functions, w) != nil {
			return false
		}
		if slices.ContainsFunc(tasks, func(t runtime.Task) bool { return t.Name == w }) {
			return true
		}
		if !strings.HasPrefix(w, "-") && functionNamed(functions, "main") != nil {
			return false // an argument of main
		}
	}
	return false
}

// parseTasks reads words as tasks and flags of the host.
func (p *pipeline) parseTasks(words []string, tail int) (*call, error) {
	flags := new(taskWords)
	parser, err := kong.New(flags, append(p.kongOptions(), kong.Name("policy run "+p.typed))...)
	if err != nil {
		return nil, fmt.Errorf("the grammar of tasks: %w", err)
	}
	if _, err := parser.Parse(slices.Concat(p.hostWords(tail), words)); err != nil {
		return nil, usage(err)
	}
	chosen, err := p.program.Tasks(flags.Tasks...)
	if err != nil {
		return nil, err
	}
	return &call{function: strings.Join(flags.Tasks, " "), tasks: flags.Tasks, order: chosen, host: flags.hostFlags}, nil
}

// runTasks runs the tasks and gives what they return: the value of one, a list of
// several. What is None has no line of text.
func (p *pipeline) runTasks(ctx context.Context, c *call) (any, error) {
	results, err := p.program.RunTasks(ctx, c.tasks...)
	if err != nil {
		return nil, err
	}
	if len(results) == 1 {
		return results[0], nil
	}
	if p.printer.Format != "json" && p.printer.Format != "yaml" {
		results = slices.DeleteFunc(results, func(v any) bool { return v == nil })
	}
	return results, nil
}

// taskCommand is a task as the help shows it; nothing is parsed with it.
type taskCommand struct{ detail string }

// Help is the docstring below its first line.
func (t *taskCommand) Help() string { return t.detail }

// aboutTask is a task's first line of help, and what goes before it.
func aboutTask(t runtime.Task) string {
	if len(t.Deps) == 0 {
		return t.Summary
	}
	return strings.TrimSpace(t.Summary + " (after " + strings.Join(t.Deps, ", ") + ")")
}

// taskOption shows a task among a pipeline's commands.
func taskOption(t runtime.Task) kong.Option {
	about := aboutTask(t)
	detail := strings.Trim(strings.TrimPrefix(t.Doc, t.Summary), "\n")
	return kong.DynamicCommand(t.Name, strings.ReplaceAll(about, "$", "$$"), "Tasks", &taskCommand{detail})
}
