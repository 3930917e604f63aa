package main

import (
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/lsp"
	"github.com/policyhost/policy/cmd/internal/project"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/stdlib"
)

// scripts answers editors about pipelines: the runtime knows the language, this
// says it in the protocol's words.
type scripts struct {
	verbs   []runtime.Builtin
	recipes shownRecipes
	sources string // where texts are put that are in no file: the standard library's
}

func newScripts(session *session, sources string) *scripts {
	return &scripts{recipes: shownRecipes{session: session}, verbs: scriptVerbs(func(context.Context, *builtins.Verb, runtime.Call) (any, error) { panic("an editor ran a verb") }), sources: sources}
}

// host is what a file runs in: the texts that the editor shows go before those on
// disk.
func (s *scripts) host(f *lsp.File) (*runtime.Host, runtime.Source) {
	source := runtime.Source{Name: f.Path, Text: f.Bytes}
	h := &runtime.Host{Predeclared: func(runtime.Module) []runtime.Builtin { return s.verbs }, Std: stdlib.FS}
	if f.Path == "" {
		source.Name = path.Base(f.URI)
		return h, source
	}
	if root, _, err := project.Find(filepath.Dir(f.Path)); err == nil { // its policy.toml may be being edited
		h.Root, h.Files = root, &shownFiles{root: root, file: f}
		h.Package = s.recipes.of(source)
	}
	return h, source
}

func (s *scripts) draft(f *lsp.File) *runtime.Draft {
	h, source := s.host(f)
	return h.Draft(source)
}

// isOurs reports a text that was put where the editor can show it: its place says
// nothing about it.
func (s *scripts) isOurs(f *lsp.File) bool {
	return f.Path != "" && strings.HasPrefix(f.Path, s.sources+string(filepath.Separator))
}

// Diagnose is the static check.
func (s *scripts) Diagnose(ctx context.Context, f *lsp.File) []lsp.Finding {
	if s.isOurs(f) || strings.HasSuffix(f.URI, ".rego") {
		return nil
	}
	h, source := s.host(f)
	var all []lsp.Finding
	for _, found := range h.Check(ctx, source) {
		d := lsp.Diagnostic{
			Range:    f.Range(f.At(found.Pos.Line, found.Pos.Col), f.At(found.Pos.Line, found.Pos.Col+found.Width)),
			Severity: lsp.SeverityError, Code: found.Code, Source: "policy", Message: found.Message,
		}
		if found.Hint != "" {
			d.Message += "\n" + found.Hint
		}
		if found.Warning {
			d.Severity = lsp.SeverityWarning
		}
		if found.Code == "unused-load" || found.Code == "unused-variable" || found.Code == "unreachable" {
			d.Tags = []int{lsp.TagUnnecessary}
		}
		all = append(all, lsp.Finding{Diagnostic: d, Replace: found.Replace})
	}
	return all
}

// Format lays the file out as policy fmt does.
func (*scripts) Format(ctx context.Context, f *lsp.File) ([]byte, error) {
	laid, err := new(fmtCommand).layOut(ctx, path.Base(f.URI), f.Bytes, false)
	if err != nil || laid == nil {
		return f.Bytes, err
	}
	return laid.text, nil
}

// shownFiles are the files of a project, as the editor shows them.
type shownFiles struct {
	root string
	file *lsp.File
}

var _ fs.StatFS = (*shownFiles)(nil)

// Open gives what the editor has open, else what is on disk below the root.
func (s *shownFiles) Open(name string) (fs.File, error) {
	if text := s.shown(name); text != nil {
		return &shownFile{name: path.Base(name), Reader: strings.NewReader(string(text))}, nil
	}
	return os.OpenInRoot(s.root, filepath.FromSlash(name)) //nolint:wrapcheck // an fs.FS gives these
}

// Stat does not open the file: a pipe would block.
func (s *shownFiles) Stat(name string) (fs.FileInfo, error) {
	if text := s.shown(name); text != nil {
		return shownInfo{path.Base(name), int64(len(text))}, nil
	}
	root, err := os.OpenRoot(s.root)
	if err != nil {
		return nil, err //nolint:wrapcheck // as above
	}
	defer root.Close()
	return root.Stat(filepath.FromSlash(name)) //nolint:wrapcheck // as above
}

func (s *shownFiles) shown(name string) []byte {
	return s.file.Open(filepath.Join(s.root, filepath.FromSlash(name)))
}
