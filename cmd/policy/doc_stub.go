package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

// stub is a file of declarations in Python (.pyi), for editors that take
// pipelines for it.
type stub struct {
	strings.Builder
	types map[string]bool // that are declared
}

// stubTypes are the types of the language in Python's words. A list is spelled
// out: the name is a verb's, too.
var stubTypes = map[string]string{
	"None": "None", "bool": "bool", "int": "int", "float": "float", "str": "str", "bytes": "bytes", "list": "builtins.list",
	"dict": "dict", "tuple": "tuple", "set": "set", "duration": "str", "callable": "Callable", "function": "Callable",
}

// pythonWords are names of ours that Python cannot have.
var pythonWords = strings.Fields("False None True and as assert async await break class continue def del elif else except finally for from global if import in is lambda nonlocal not or pass raise return try while with yield")

// stubHead begins every stub.
const stubHead = `# Made by policy doc --stub.
import builtins
from typing import Any, Callable, Literal, overload
`

// verbStub declares everything that a pipeline sees besides the language.
func verbStub() (string, error) {
	verbs := scriptVerbs(nil)
	s := &stub{types: map[string]bool{}}
	s.WriteString(stubHead)
	structs := runtime.Structs(verbs)
	for _, t := range structs {
		s.types[t.Name] = true
	}
	for _, t := range structs {
		s.class(t)
	}
	s.modules(runtime.Modules())
	s.WriteString("\ndef load(module: str, *names: str, **renamed: str) -> None: ...\n")
	for _, f := range runtime.Control() {
		if f.Name == "enum" || f.Name == "record" {
			f.Result = "any" // a type
		}
		s.function(f, "", "")
	}
	for i, verb := range builtins.Table() {
		f, err := verbs[i].Function()
		if err != nil {
			return "", fault.In(verb.Name, "", err)
		}
		for _, name := range append([]string{verb.Name}, verb.Aliases...) {
			if f.Name = name; name != "list" { // Python's own says nearly as much
				s.verb(f)
			}
		}
	}
	return s.String(), nil
}

// moduleStub declares what those who load a file may call.
func moduleStub(text []byte) (string, error) {
	doc, functions := runtime.Manual(text)
	s := &stub{types: map[string]bool{}}
	if doc != "" {
		fmt.Fprintf(s, "%s\n", pyString(doc, ""))
	}
	s.WriteString(stubHead)
	var members []runtime.Function
	for _, f := range functions {
		if strings.Contains(f.Name, ".") {
			members = append(members, f)
			continue
		}
		s.function(f, "", "")
	}
	s.modules(members)
	return s.String(), nil
}

func (s *stub) class(t runtime.Struct) {
	fmt.Fprintf(s, "\nclass %s:\n", t.Name)
	if len(t.Fields) == 0 {
		s.WriteString("    ...\n")
	}
	for _, f := range t.Fields {
		if strings.Contains(f.Name, ".") || slices.Contains(pythonWords, f.Name) {
			continue // only getattr reads it
		}
		fmt.Fprintf(s, "    %s: %s\n", f.Name, s.typ(f.Type))
	}
}

// modules declares members of modules and structs, in classes of their names.
func (s *stub) modules(members []runtime.Function) {
	last := ""
	for _, f := range members {
		module, member, _ := strings.Cut(f.Name, ".")
		if slices.Contains(pythonWords, module) {
			continue
		}
		if module != last {
			fmt.Fprintf(s, "\nclass %s:\n", module)
			last = module
		}
		if f.Name = member; f.Doc == "" && len(f.Params) == 0 && f.Result != "" {
			fmt.Fprintf(s, "    %s: %s\n", member, s.typ(f.Result))
			continue
		}
		s.function(f, "    ", "@staticmethod")
	}
}

// verb declares one; one that gives one for one and a list for a list says so.
func (s *stub) verb(f runtime.Function) {
	one, _, several := strings.Cut(f.Result, " | list[")
	if !several || len(f.Params) == 0 {
		s.function(f, "", "")
		return
	}
	first, _, _ := strings.Cut(f.Params[0].Type, " | list[")
	for _, of := range []string{"%s", "list[%s]"} {
		declared := f
		declared.Params = slices.Clone(f.Params)
		declared.Params[0].Type = fmt.Sprintf(of, first)
		if of == "%s" {
			declared.Params[0].Required = true
		}
		declared.Result = fmt.Sprintf(of, one)
		s.function(declared, "", "@overload")
	}
}

func (s *stub) function(f runtime.Function, indent, decorator string) {
	if slices.Contains(pythonWords, f.Name) {
		return
	}
	var params, named []string
	star, open := false, slices.ContainsFunc(f.Params, func(p runtime.Param) bool { return p.Extra })
	for _, p := range f.Params {
		if slices.Contains(pythonWords, p.Name) {
			if !open {
				named, open = append(named, "**others: Any"), true
			}
			continue
		}
		text := p.Name + ": " + s.param(p)
		switch {
		case p.Variadic:
			params, star = append(params, "*"+text), true
			continue
		case p.Extra:
			named = append(named, "**"+text)
			continue
		case !p.Required:
			text += " = ..."
		}
		if p.KeywordOnly {
			named = append(named, text)
		} else {
			params = append(params, text)
		}
	}
	if !star && slices.ContainsFunc(f.Params, func(p runtime.Param) bool { return p.KeywordOnly }) {
		params = append(params, "*")
	}
	result := "None"
	if f.Result != "" {
		result = s.typ(f.Result)
	} else if f.Name != "fail" && f.Name != "print" && f.Name != "task" {
		result = "Any"
	}
	if s.WriteString("\n"); decorator != "" {
		s.WriteString(indent + decorator + "\n")
	}
	fmt.Fprintf(s, "%sdef %s(%s) -> %s:", indent, f.Name, strings.Join(append(params, named...), ", "), result)
	if manual := manualOf(f); manual != "" {
		fmt.Fprintf(s, "\n%s    %s\n%s   ", indent, pyString(manual, indent+"    "), indent)
	}
	s.WriteString(" ...\n")
}

// manualOf is a function's documentation, its parameters' included.
func manualOf(f runtime.Function) string {
	var b strings.Builder
	b.WriteString(f.Doc)
	args := "\n\nArgs:"
	for _, p := range f.Params {
		if p.Help != "" {
			fmt.Fprintf(&b, "%s\n  %s: %s", args, p.Name, p.Help)
			args = ""
		}
	}
	return b.String()
}

func (s *stub) param(p runtime.Param) string {
	if len(p.Choices) == 0 {
		return s.typ(p.Type)
	}
	var all []string
	for _, choice := range p.Choices {
		all = append(all, strconv.Quote(choice))
	}
	literal := "Literal[" + strings.Join(all, ", ") + "]"
	if strings.Contains(p.Type, "list[") {
		literal += " | builtins.list[" + literal + "]"
	}
	if strings.Contains(p.Type, "None") {
		literal += " | None"
	}
	return literal
}

// typ is a type as Python writes it. What it does not know may be anything.
func (s *stub) typ(text string) string {
	if text == "" {
		return "Any"
	}
	return regexp.MustCompile(`[\pL_][\pL\pN_.]*`).ReplaceAllStringFunc(text, func(name string) string {
		switch {
		case stubTypes[name] != "":
			return stubTypes[name]
		case s.types[name]:
			return name
		}
		return "Any"
	})
}

// pyString is a docstring.
func pyString(text, indent string) string {
	text = strings.NewReplacer(`\`, `\\`, `"""`, `\"\"\"`).Replace(strings.TrimSpace(text))
	text = strings.ReplaceAll(text, "\n", "\n"+indent)
	if strings.HasSuffix(text, `"`) {
		text += " "
	}
	return `"""` + strings.ReplaceAll(text, "\n"+indent+"\n", "\n\n") + `"""`
}

// writeStub prints the declarations of everything, or of a file.
func (a *app) writeStub(ctx context.Context, flags *config.Flags, name string) error {
	text, err := "", error(nil)
	switch {
	case name == "":
		text, err = verbStub()
	case isModule(name):
		var module []byte
		if module, err = a.moduleText(ctx, flags, name); err == nil {
			text, err = moduleStub(module)
		}
	default:
		err = fault.New(fault.Usage, name, "--stub declares all verbs, or what a file defines").WithHint("policy doc --stub > __builtins__.pyi")
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(a.printer.Out, render.SafeLines(text))
	return err
}
