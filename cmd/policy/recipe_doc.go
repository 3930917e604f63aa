package main

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

type recipeDoc struct {
	Recipe string `arg:"" complete:"pinned,folder" help:"Recipe to describe: @alias, a reference, or a folder."`
}

func (*recipeDoc) Help() string {
	return `What it is, what it needs, and each function of each module, from the docstrings
and types: a page on a terminal, Markdown in a pipe or a file. One module alone:
policy doc @acme//gates.star.

Example:

    policy recipe doc @acme
    policy recipe doc ./gates > REFERENCE.md`
}

func (c *recipeDoc) run(ctx context.Context, a *app, flags *config.Flags) error {
	return a.onShelf(ctx, flags, output{render.Text}, func(ctx context.Context, _ *session, r *recipes) (any, error) {
		open := r.pinnedEdition
		if isFolder(c.Recipe) {
			open = r.folderEdition
		}
		e, err := open(ctx, c.Recipe)
		if err != nil {
			return nil, err
		}
		from := e.ref
		if strings.HasPrefix(c.Recipe, "@") {
			from = c.Recipe
		} else if e.digest == "" {
			from = "@" + e.config.Name
		}
		return a.page(func(b *strings.Builder, p pageStyle) { e.describe(b, p, from) }), nil
	})
}

// pageStyle says what a page is written for.
type pageStyle struct {
	width int // of the terminal; 0: it is Markdown
}

// page writes for the terminal if somebody is there, else Markdown.
func (a *app) page(write func(*strings.Builder, pageStyle)) string {
	var style pageStyle
	if a.printer.OutTerminal {
		style.width = min(a.printer.Width, 100)
		if style.width < 20 {
			style.width = 80
		}
	}
	var b strings.Builder
	write(&b, style)
	return b.String()
}

func (p pageStyle) heading(b *strings.Builder, level int, text string) {
	if p.width > 0 {
		fmt.Fprintf(b, "%s\n\n", text)
	} else {
		fmt.Fprintf(b, "%s %s\n\n", strings.Repeat("#", level), text)
	}
}

func (p pageStyle) text(b *strings.Builder, text string) {
	if text = strings.TrimSpace(text); text == "" {
		return
	}
	if p.width > 0 {
		wrapDoc(b, text, "", p.width)
	} else {
		b.WriteString(text + "\n")
	}
	b.WriteString("\n")
}

func (p pageStyle) code(b *strings.Builder, line string) {
	if p.width > 0 {
		fmt.Fprintf(b, "    %s\n", line)
	} else {
		fmt.Fprintf(b, "```python\n%s\n```\n", line)
	}
}

// describe writes what a recipe is, needs and offers; from is what load statements
// call it.
func (e *edition) describe(b *strings.Builder, p pageStyle, from string) {
	p.heading(b, 1, e.config.Name+" "+e.config.Version)
	p.text(b, cmp.Or(e.config.Description, e.introduction()))
	for _, fact := range []struct{ name, text string }{{"Source", e.config.Source}, {"Licence", e.config.Licenses}, {"Policy", e.config.MinPolicy}} {
		if fact.text != "" {
			p.text(b, fact.name+": "+fact.text)
		}
	}
	p.heading(b, 2, "What it may need")
	if e.config.Needs.IsZero() {
		p.text(b, "Nothing but what it is passed.")
	} else {
		for need := range e.config.Needs.All() {
			fmt.Fprintf(b, "- to %s %s\n", mays[need.Kind], need.Value)
		}
		b.WriteString("\n")
	}
	for _, n := range dependencies(e.config) {
		p.text(b, "It loads "+artifact.RecipeScheme+n.String()+".")
	}
	for _, file := range e.modules() {
		e.module(b, p, file, from)
	}
}

// introduction is what the README says first.
func (e *edition) introduction() string {
	for paragraph := range strings.SplitSeq(string(e.files["README.md"]), "\n\n") {
		if text := strings.TrimSpace(paragraph); text != "" && !strings.HasPrefix(text, "#") {
			return text
		}
	}
	return ""
}

// modules are the files that others may load, sorted.
func (e *edition) modules() (all []string) {
	for name := range e.files {
		if path.Ext(name) == ".star" && !strings.HasSuffix(name, "_test.star") && !strings.HasPrefix(path.Base(name), "_") {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

func (e *edition) module(b *strings.Builder, p pageStyle, file, from string) {
	doc, functions := runtime.Manual(e.files[file])
	p.heading(b, 2, file)
	p.text(b, doc)
	if len(functions) > 0 {
		name, _, _ := strings.Cut(functions[0].Name, ".")
		p.code(b, fmt.Sprintf("load(%q, %q)", from+"//"+file, name))
	}
	if p.width > 0 {
		b.WriteString("\n")
		functionsPage(b, functions, p.width)
		b.WriteString("\n")
		return
	}
	for _, f := range functions {
		functionMarkdown(b, "###", f)
	}
	b.WriteString("\n")
}

// recipeModule reads a file of a recipe that a load statement would name.
func (a *app) recipeModule(ctx context.Context, flags *config.Flags, name string) ([]byte, error) {
	connect, done := a.connecting(flags)
	defer done()
	r, err := a.recipesOf(runtime.Source{Name: "-"}, pinKnown, connect)
	if err == nil {
		err = r.begin(ctx)
	}
	if err != nil {
		return nil, err
	}
	pkg, file, err := runtime.SplitLoad(name)
	if err != nil {
		return nil, err
	}
	e, err := r.pinnedEdition(ctx, pkg)
	if err != nil {
		return nil, err
	}
	text, ok := e.files[path.Clean(file)]
	if ok {
		return text, nil
	}
	f := fault.New(fault.NotFound, name, "no such file in the recipe")
	if near := fault.Nearest(file, e.modules()); near != "" {
		return nil, f.WithHint("did you mean %s//%s?", pkg, near)
	}
	return nil, f.WithHint("it has %s", strings.Join(e.modules(), ", "))
}
