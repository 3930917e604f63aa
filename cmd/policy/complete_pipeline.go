package main

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/policyhost/policy/cmd/internal/complete"
	"github.com/policyhost/policy/runtime"
)

// pipeline offers FILE, then the functions and flags of that file, and the values
// of these. It is read, but nothing of it is run.
func (c *completer) pipeline(ctx context.Context, place complete.Place, typed string) complete.Answer {
	if len(place.Given) == 0 {
		return complete.Answer{Paths: &complete.Paths{Files: true, Suffix: ".star"}}
	}
	file, words := place.Given[0], place.Given[1:]
	text := readPipeline(file)
	functions := runtime.Outline(text)
	tasks := taskNames(runtime.OutlineTasks(text))
	p := &pipeline{app: c.app, typed: file, source: runtime.Source{Name: file}}
	chosen := p.choose(functions, words)
	names := functionNames(functions).And(tasks).Beginning(typed)
	if first := slices.IndexFunc(tasks.Candidates, func(t complete.Candidate) bool { return slices.Contains(words, t.Word) }); chosen == nil && first >= 0 {
		return tasks.Without(words).Beginning(typed) // others may follow
	}
	if chosen == nil {
		return names
	}
	flags := &hostFlags{Flags: *c.flags}
	parser, _, err := p.grammar(flags, []runtime.Function{*chosen}, "")
	if err != nil {
		return complete.Answer{}
	}
	named := slices.Contains(words, chosen.Name) || slices.Contains(words, dashed(chosen.Name))
	if !named { // main
		words = append([]string{chosen.Name}, words...)
	}
	at := complete.At(parser.Model.Node, words, typed)
	c.flags = &flags.Flags
	a := c.at(ctx, at, typed)
	if named || !at.First || strings.HasPrefix(typed, "-") {
		return a
	}
	if at.Value == nil { // main takes no argument
		return names
	}
	return names.And(a)
}

func functionNames(functions []runtime.Function) (a complete.Answer) {
	for _, f := range functions {
		a.Candidates = append(a.Candidates, complete.Candidate{Word: f.Name, About: f.Summary})
	}
	return a
}

func taskNames(tasks []runtime.Task) (a complete.Answer) {
	for _, t := range tasks {
		a.Candidates = append(a.Candidates, complete.Candidate{Word: t.Name, About: t.Summary})
	}
	return a
}

// readPipeline is the text of a file, or nothing. Only a regular file is read:
// opening a pipe would wait.
func readPipeline(file string) []byte {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxSource {
		return nil
	}
	text, _ := os.ReadFile(file)
	return text
}
