package runtime

import (
	"context"
	_ "embed" // the declarations
	"slices"
	"strings"

	"go.starlark.net/syntax"
)

// controlText declares the functions of the host's own as Starlark would. The
// check, the hints of their errors and the reference read nothing else.
//
//go:embed control.star
var controlText []byte

// Control lists the functions that every file sees besides its builtins, such as
// parallel and task, in the order of their names. What they do is in Go, so they have no position.
func Control() []Function {
	c := newChecker(context.Background(), newLoader(&Host{}, Source{}), controlModule())
	var all []Function
	for _, stmt := range c.m.file.Stmts {
		if def, ok := stmt.(*syntax.DefStmt); ok {
			f := c.outline(def)
			f.Name, f.Pos = strings.TrimPrefix(f.Name, "_"), Position{}
			all = append(all, f)
		}
	}
	return all
}

// controlNames are what controlText defines and the check holds calls against; what
// defines types has a check of its own.
var controlNames = []string{"attempt", "fail", "parallel", "print", "struct", "task"}

func controlModule() *module {
	m := &module{Module: Module{Name: "policy", Root: stdRoot}, std: true, path: "control.star", text: controlText}
	if err := parse(m, false); err != nil {
		panic(err) // it is part of the program
	}
	return m
}

// controlSignature is how a function of the host's own is called.
func controlSignature(name string) string {
	for _, f := range Control() {
		if f.Name == name {
			return f.Signature()
		}
	}
	return ""
}

// controls is the file that declares the functions of the host's own, parsed once.
func (l *loader) controls() *module {
	if l.control == nil {
		l.control = controlModule()
	}
	return l.control
}

// controlFunction is the declaration of a function of the host's own, nil for
// other names.
func (l *loader) controlFunction(name string) *syntax.DefStmt {
	if !slices.Contains(controlNames, name) {
		return nil
	}
	return l.controls().defines()[name].def
}
