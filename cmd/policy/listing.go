package main

import (
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime"
)

// listedFunction is a function as --list describes it to programs.
type listedFunction struct {
	Kind      string        `json:"kind"` // function
	Name      string        `json:"name"`
	Signature string        `json:"signature"`
	Summary   string        `json:"summary"`
	Doc       string        `json:"doc"`
	Params    []listedParam `json:"params"`
	Result    string        `json:"result"` // its type, empty when there is no annotation
	File      string        `json:"file"`
	Line      int           `json:"line"`
}

// listedTask is a task as --list describes it to programs.
type listedTask struct {
	Kind    string   `json:"kind"` // task
	Name    string   `json:"name"`
	Deps    []string `json:"deps"`
	Summary string   `json:"summary"`
	Doc     string   `json:"doc"`
	File    string   `json:"file"`
	Line    int      `json:"line"`
}

type listedParam struct {
	Name        string   `json:"name"`
	Help        string   `json:"help"`
	Type        string   `json:"type"` // as annotated, empty when it is not
	Kind        string   `json:"kind"` // how a word of the command line is read
	Choices     []string `json:"choices,omitempty"`
	Required    bool     `json:"required"`
	KeywordOnly bool     `json:"keyword_only"`
	Variadic    bool     `json:"variadic"` // *args: takes all that follows
	Extra       bool     `json:"extra"`    // **kwargs
	Default     any      `json:"default"`
}

// listedRow is a function or a task as --list shows it to people.
type listedRow struct {
	Function string `json:"function"`
	Summary  string `json:"summary"`
}

// listing is the answer of --list: the functions, then the tasks.
func listing(functions []runtime.Function, tasks []runtime.Task, format render.Format) any {
	if format != "json" && format != "yaml" {
		rows := []listedRow{}
		for _, f := range functions {
			rows = append(rows, listedRow{f.Signature(), f.Summary})
		}
		for _, t := range tasks {
			rows = append(rows, listedRow{"task " + t.Name, aboutTask(t)})
		}
		return rows
	}
	all := []any{}
	for _, f := range functions {
		listed := listedFunction{
			Kind: "function", Name: f.Name, Signature: f.Signature(), Summary: f.Summary, Doc: f.Doc,
			Params: []listedParam{}, Result: f.Result, File: f.Pos.File, Line: f.Pos.Line,
		}
		for _, p := range f.Params {
			listed.Params = append(listed.Params, listedParam{
				Name: p.Name, Help: p.Help, Type: p.Type, Kind: p.Kind, Choices: p.Choices, Required: p.Required,
				KeywordOnly: p.KeywordOnly, Variadic: p.Variadic, Extra: p.Extra, Default: p.Default,
			})
		}
		all = append(all, listed)
	}
	for _, t := range tasks {
		all = append(all, listedTask{
			Kind: "task", Name: t.Name, Deps: append([]string{}, t.Deps...),
			Summary: t.Summary, Doc: t.Doc, File: t.Pos.File, Line: t.Pos.Line,
		})
	}
	return all
}
