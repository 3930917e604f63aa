package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
	"github.com/policyhost/policy/stdlib"
)

// std names the standard library in load statements.
const std = "@std//"

// isModule reports a name of a file that scripts load, and not of a verb.
func isModule(name string) bool {
	return strings.HasPrefix(name, "@") || strings.HasSuffix(name, ".star")
}

// modules are the files of the standard library, as load statements name them.
func modules() []string {
	files, err := fs.Glob(stdlib.FS, "*.star")
	if err != nil {
		return nil
	}
	var all []string
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.star") {
			all = append(all, std+file)
		}
	}
	return all
}

// moduleReference writes what a file of Starlark offers those who load it: plain text on
// a terminal, else Markdown.
func (a *app) moduleReference(ctx context.Context, flags *config.Flags, name string) error {
	text, err := a.moduleText(ctx, flags, name)
	if err != nil {
		return err
	}
	doc, functions := runtime.Manual(text)
	if doc == "" && len(functions) == 0 {
		return fault.New(fault.Script, name, "it defines no functions that can be loaded").WithHint("policy check %s says whether it has mistakes", name)
	}
	page := a.page(func(b *strings.Builder, p pageStyle) {
		if p.width > 0 {
			modulePage(b, name, doc, functions, p.width)
		} else {
			moduleMarkdown(b, name, doc, functions)
		}
	})
	_, err = fmt.Fprint(a.printer.Out, render.SafeLines(page))
	return err
}

// moduleText reads a file by what load statements call it, or by its path.
func (a *app) moduleText(ctx context.Context, flags *config.Flags, name string) ([]byte, error) {
	file, isStd := strings.CutPrefix(name, std)
	if !isStd && isRecipeFile(name) {
		return a.recipeModule(ctx, flags, name)
	}
	if !isStd && strings.HasPrefix(name, "@") {
		return nil, fault.New(fault.NotFound, name, "no such module").WithHint("modules of the standard library: %s", strings.Join(modules(), " "))
	}
	if !isStd {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, unreadable(name, err)
		}
		return text, tooLarge(name, text)
	}
	text, err := fs.ReadFile(stdlib.FS, file)
	if err != nil {
		f := fault.New(fault.NotFound, name, "no such module")
		if near := fault.Nearest(name, modules()); near != "" {
			return nil, f.WithHint("did you mean %s?", near)
		}
		return nil, f.WithHint("there are %s", strings.Join(modules(), " "))
	}
	return text, nil
}

func moduleMarkdown(b *strings.Builder, name, doc string, functions []runtime.Function) {
	fmt.Fprintf(b, "# %s\n\n%s\n", name, strings.TrimSpace(doc))
	for _, f := range functions {
		functionMarkdown(b, "##", f)
	}
}

func typeOf(p runtime.Param) string {
	if p.Type == "" {
		return "any"
	}
	if len(p.Choices) > 0 {
		return p.Type + ": " + strings.Join(p.Choices, ", ")
	}
	return p.Type
}

func modulePage(b *strings.Builder, name, doc string, functions []runtime.Function, width int) {
	fmt.Fprintf(b, "%s\n\n", name)
	wrapDoc(b, doc, "", width)
	b.WriteString("\n")
	functionsPage(b, functions, width)
}

// functionsPage describes functions to somebody at a terminal.
func functionsPage(b *strings.Builder, functions []runtime.Function, width int) {
	for n, f := range functions {
		if n > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(b, "%s\n", brokenSignature(f, width))
		wrapDoc(b, f.Doc, "    ", width)
		longest := 0
		for _, p := range f.Params {
			longest = max(longest, len(p.Name))
		}
		for i, p := range f.Params {
			if i == 0 {
				b.WriteString("\n")
			}
			label := fmt.Sprintf("      %-*s  ", longest, p.Name)
			wrap(b, p.Help, label, strings.Repeat(" ", len(label)), width)
		}
	}
}

// wrapDoc breaks the paragraphs of a docstring into lines; indented lines stay as they are.
func wrapDoc(b *strings.Builder, doc, indent string, width int) {
	var words []string
	flush := func() {
		if len(words) > 0 {
			wrap(b, strings.Join(words, " "), indent, indent, width)
			words = nil
		}
	}
	for line := range strings.SplitSeq(strings.TrimSpace(doc), "\n") {
		if line != "" && line == strings.TrimLeft(line, " ") {
			words = append(words, line)
			continue
		}
		flush()
		b.WriteString(strings.TrimRight(indent+line, " ") + "\n")
	}
	flush()
}

// wrap writes text in lines of at most width columns, the first behind label.
func wrap(b *strings.Builder, text, label, indent string, width int) {
	at := len(label)
	b.WriteString(label)
	for i, word := range strings.Fields(text) {
		length := len([]rune(word))
		switch {
		case i == 0:
		case at+1+length > width:
			b.WriteString("\n" + indent)
			at = len(indent)
		default:
			b.WriteString(" ")
			at++
		}
		b.WriteString(word)
		at += length
	}
	b.WriteString("\n")
}

// brokenSignature is a function's signature, with a line for each parameter when one
// line is too narrow.
func brokenSignature(f runtime.Function, width int) string {
	text := f.Signature()
	if len([]rune(text)) <= width {
		return text
	}
	var b strings.Builder
	depth := 0
	for i, r := range text {
		switch r {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		}
		switch {
		case r == '(' && depth == 1:
			b.WriteString("(\n    ")
		case r == ')' && depth == 0:
			b.WriteString(",\n)")
		case r == ',' && depth == 1:
			b.WriteString(",\n   ")
		default:
			b.WriteString(text[i : i+len(string(r))])
		}
	}
	return b.String()
}
