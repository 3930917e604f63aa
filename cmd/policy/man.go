package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/manpage"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

// writeManual writes a page for the command line and one for each command into
// dir, and prints their names.
func (a *app) writeManual(dir string) error {
	pages, err := a.manual()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fault.File(dir, err)
	}
	for _, page := range pages {
		file := filepath.Join(dir, page.name+".1")
		if err := os.WriteFile(file, []byte(page.text), 0o644); err != nil {
			return fault.File(file, err)
		}
		if _, err := fmt.Fprintln(a.printer.Out, file); err != nil {
			return fault.New(fault.Unavailable, "", "writing the answer: %w", err)
		}
	}
	return nil
}

type manualPage struct{ name, text string }

// manual is made from the grammar that the command line is parsed with.
func (a *app) manual() ([]manualPage, error) {
	parser, err := a.grammar(new(config.Flags), entries())
	if err != nil {
		return nil, err
	}
	r := release()
	date, _, _ := strings.Cut(r.Date, "T")
	src := manpage.Source{Version: "policy " + r.Version, Date: date}
	pages := []manualPage{{"policy", manpage.Overview(src, parser.Model, groups(), config.Variable, exitNote(), filesNote())}}
	verbs := map[string]builtins.Verb{}
	for _, v := range builtins.Table() {
		verbs[v.Name] = v
	}
	for _, c := range parser.Model.Children {
		var notes []manpage.Note
		if v, ok := verbs[c.Name]; ok {
			signature, err := runtime.Builtin{Name: v.Name, Args: v.Func.New}.Signature()
			if err != nil {
				return nil, err
			}
			notes = append(notes, manpage.Note{Title: "In a script", Text: signature})
		}
		name := "policy-" + c.Name
		pages = append(pages, manualPage{name, manpage.Command(src, c, notes...)})
		for _, alias := range c.Aliases {
			pages = append(pages, manualPage{"policy-" + alias, manpage.Alias(name)})
		}
	}
	return pages, nil
}

// exitNote says what the exit codes mean, as spec/errors.md does.
func exitNote() manpage.Note {
	note := manpage.Note{Title: "Exit status", Items: []manpage.Item{{Term: "0", Text: "It did what it was told."}}}
	for _, row := range []struct {
		kind fault.Kind
		text string
	}{
		{fault.Rejected, "The pipeline said no: a gate, a failed test, fail(). Not a defect."},
		{fault.Usage, "The command line, or a call of a verb, is wrong."},
		{fault.Script, "The pipeline is wrong: syntax, names, load cycles, Starlark's own errors."},
		{fault.NotFound, "An image, tag, file or module is not there."},
		{fault.Denied, "Credentials or a permission are missing."},
		{fault.Invalid, "Content is not what it must be."},
		{fault.Unavailable, "The other side cannot answer now; trying again may help."},
		{fault.Conflict, "It exists already, or somebody holds the lock."},
		{fault.Limit, "A limit of time, steps, memory or size was reached."},
		{fault.Internal, "A defect of policy: please report it."},
		{fault.Canceled, "SIGINT ended it; 143: SIGTERM did."},
	} {
		note.Items = append(note.Items, manpage.Item{Term: strconv.Itoa(row.kind.ExitCode()), Text: row.text})
	}
	return note
}

func filesNote() manpage.Note {
	const root = "~/.policy"
	return manpage.Note{Title: "Files", Items: []manpage.Item{
		{Term: root, Text: "The store root: images, credentials and settings."},
		{Term: root + "/config.yaml", Text: "Settings. ~/.config/policy/config.yaml is read in its place when it is missing."},
		{Term: root + "/config.json", Text: "Credentials that no helper keeps, in Docker's format."},
		{Term: "~/.docker/config.json", Text: "Docker's credentials, which are read and never written."},
	}}
}
