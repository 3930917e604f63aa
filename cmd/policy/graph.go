package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

// graphFormat is the value of --graph, which may be left out: text.
type graphFormat string

var graphFormats = []string{"text", "dot", "mermaid"}

// IsBool lets the parser take the flag without a value.
func (*graphFormat) IsBool() bool { return true }

// Decode reads the value behind "=".
func (g *graphFormat) Decode(ctx *kong.DecodeContext) error {
	*g = "text"
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		return nil
	}
	text, _ := ctx.Scan.Pop().Value.(string)
	if !slices.Contains(graphFormats, text) {
		f := fault.New(fault.Usage, "", "%q is none of %s", text, strings.Join(graphFormats, ", "))
		if near := fault.Nearest(text, graphFormats); near != "" {
			return f.WithHint("did you mean %q?", near)
		}
		return f
	}
	*g = graphFormat(text)
	return nil
}

// wantsGraph reports that --graph was asked for, and not of the function itself.
func (p *pipeline) wantsGraph(chosen *runtime.Function, words []string, tail int) bool {
	if chosen != nil && hasParam(chosen, "graph") {
		words = nil
	}
	words = slices.Concat(p.hostWords(tail), words)
	if end := slices.Index(words, "--"); end >= 0 {
		words = words[:end]
	}
	return slices.ContainsFunc(words, func(w string) bool { return w == "--graph" || strings.HasPrefix(w, "--graph=") })
}

// graphedTask is a task as --graph describes it to programs.
type graphedTask struct {
	Name    string   `json:"name"`
	Deps    []string `json:"deps"`
	Summary string   `json:"summary"`
	File    string   `json:"file"`
	Line    int      `json:"line"`
}

// graphRow is a task as --graph shows it to people.
type graphRow struct {
	Task    string `json:"task"`
	After   string `json:"after"`
	Summary string `json:"summary"`
}

// graph is the answer of --graph: the tasks, each behind those it waits for.
func (p *pipeline) graph(tasks []runtime.Task, as graphFormat, format render.Format) (any, error) {
	if len(tasks) == 0 {
		return nil, fault.New(fault.Usage, p.typed, "registers no tasks").WithHint(`register one at the top level of the file: task("build", build)`)
	}
	switch {
	case as == "dot":
		return dotGraph(p.typed, tasks), nil
	case as == "mermaid":
		return mermaidGraph(tasks), nil
	case format == render.JSON || format == render.YAML:
		var all []graphedTask
		for _, t := range tasks {
			all = append(all, graphedTask{t.Name, append([]string{}, t.Deps...), t.Summary, t.Pos.File, t.Pos.Line})
		}
		return all, nil
	}
	var rows []graphRow
	for _, t := range tasks {
		rows = append(rows, graphRow{t.Name, strings.Join(t.Deps, ", "), t.Summary})
	}
	return rows, nil
}

// dotGraph is the graph in the language of Graphviz. Names of tasks need no
// escapes there.
func dotGraph(file string, tasks []runtime.Task) string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n  rankdir = LR;\n  node [shape = box];\n", dotQuote(file))
	for _, t := range tasks {
		fmt.Fprintf(&b, "  %s;\n", dotQuote(t.Name))
	}
	for _, t := range tasks {
		for _, dep := range t.Deps {
			fmt.Fprintf(&b, "  %s -> %s;\n", dotQuote(dep), dotQuote(t.Name))
		}
	}
	return b.String() + "}"
}

// dotQuote quotes a name: a backslash is one, unlike in Go.
func dotQuote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

// mermaidGraph is the graph as Mermaid draws it. A task's name may be a word of
// Mermaid's, so nodes have names of their own.
func mermaidGraph(tasks []runtime.Task) string {
	node := make(map[string]string)
	var b strings.Builder
	b.WriteString("flowchart LR")
	for i, t := range tasks {
		node[t.Name] = fmt.Sprintf("t%d", i+1)
		fmt.Fprintf(&b, "\n  %s[%q]", node[t.Name], t.Name)
	}
	for _, t := range tasks {
		for _, dep := range t.Deps {
			fmt.Fprintf(&b, "\n  %s --> %s", node[dep], node[t.Name])
		}
	}
	return b.String()
}
