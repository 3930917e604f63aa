package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	goruntime "runtime"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"golang.org/x/sync/errgroup"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

// fmtCommand lays out policies as opa fmt does, and pipelines as buildifier does.
type fmtCommand struct {
	output
	Paths       []string `arg:"" optional:"" complete:"file" help:"Folders or files; the working folder by default, - for standard input."`
	List        bool     `short:"l" help:"List the files that are laid out otherwise, and write none."`
	Diff        bool     `short:"d" help:"Show what would change, and write nothing."`
	Check       bool     `help:"List the files that are laid out otherwise, write none, and fail if there is one."`
	RegoVersion string   `default:"rego.v1" enum:"rego.v0,rego.v0v1,rego.v1" help:"Language of the policies: rego.v0, rego.v0v1 or rego.v1."`
	Ignore      []string `placeholder:"PATTERN" help:"Pattern of files and folders to leave out."`
}

func (*fmtCommand) Help() string {
	return `Files called *.rego and *.star are rewritten where they are, and their names
printed. A file that cannot be parsed is left alone, and is an error. Nothing
but the layout changes.

Example:

    policy fmt
    policy fmt --check ./policies release.star
    policy fmt - < authz.rego`
}

// laidOut is a file whose layout changes.
type laidOut struct {
	File string `json:"file"`
	Diff string `json:"diff,omitempty"`
	text []byte
}

func (c *fmtCommand) run(ctx context.Context, a *app, flags *config.Flags) error {
	a.printer.Format = c.Output
	s, err := a.open(ctx, flags)
	if err != nil {
		return err
	}
	defer s.Close()
	if len(c.Paths) == 1 && c.Paths[0] == "-" {
		return fault.In("fmt", "", c.stream(s))
	}
	changed, err := c.files(s.ctx)
	if err == nil || len(changed) > 0 {
		err = fault.Join(err, c.rejects(changed))
	}
	return s.answer(c.shown(changed), fault.In("fmt", "", err))
}

// rejects is the fault of --check.
func (c *fmtCommand) rejects(changed []laidOut) error {
	if !c.Check || len(changed) == 0 {
		return nil
	}
	what := "1 file is"
	if len(changed) > 1 {
		what = fmt.Sprintf("%d files are", len(changed))
	}
	return fault.New(fault.Rejected, "", "%s laid out otherwise", what).
		WithHint("%s", strings.Join(append([]string{"policy fmt"}, c.Paths...), " "))
}

// shown is the answer: names or diffs, and in JSON both.
func (c *fmtCommand) shown(changed []laidOut) any {
	if c.Output == render.JSON || c.Output == render.YAML {
		return append([]laidOut{}, changed...)
	}
	var lines []string
	for _, f := range changed {
		if c.Diff {
			lines = append(lines, strings.TrimSuffix(f.Diff, "\n"))
		} else {
			lines = append(lines, f.File)
		}
	}
	return lines
}

// stream lays out standard input to standard output.
func (c *fmtCommand) stream(s *session) error {
	text, err := io.ReadAll(io.LimitReader(s.in, maxSource+1))
	if err != nil {
		return fault.File("standard input", err)
	}
	if err := tooLarge("standard input", text); err != nil {
		return err
	}
	f, err := c.layOut(s.ctx, "-", text, isRego(text))
	switch {
	case err != nil:
		return err
	case c.Check || c.List || c.Diff:
		var changed []laidOut
		if f != nil {
			changed = []laidOut{*f}
		}
		return s.answer(c.shown(changed), c.rejects(changed))
	case f != nil:
		text = f.text
	}
	_, err = s.out.Write(text)
	return fault.File("standard output", err)
}

// isRego tells Rego from Starlark: it begins with its package, which Starlark
// cannot.
func isRego(text []byte) bool {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return bytes.HasPrefix(line, []byte("package ")) || bytes.HasPrefix(line, []byte("package\t"))
		}
	}
	return false
}

// files lays out what the paths name, several files at once, and gives those that
// change. One that cannot be laid out does not stop the others.
func (c *fmtCommand) files(ctx context.Context) ([]laidOut, error) {
	names, err := sourceFiles(c.Paths, c.Ignore)
	if err != nil {
		return nil, err
	}
	found, faults := make([]*laidOut, len(names)), make([]error, len(names))
	var g errgroup.Group
	g.SetLimit(goruntime.GOMAXPROCS(0))
	for i, name := range names {
		g.Go(func() error {
			defer fault.Recover("", &faults[i])
			if ctx.Err() != nil {
				faults[i] = fault.Of(context.Cause(ctx))
				return nil
			}
			found[i], faults[i] = c.file(ctx, name)
			return nil
		})
	}
	_ = g.Wait()
	if ctx.Err() != nil {
		return nil, fault.Of(context.Cause(ctx))
	}
	var changed []laidOut
	for i, f := range found {
		if f != nil && faults[i] == nil {
			changed = append(changed, *f)
		}
	}
	return changed, fault.Join(faults...)
}

func (c *fmtCommand) file(ctx context.Context, name string) (*laidOut, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, unreadable(name, err)
	}
	if err := tooLarge(name, text); err != nil {
		return nil, err
	}
	f, err := c.layOut(ctx, name, text, strings.HasSuffix(name, ".rego"))
	if err != nil || f == nil || c.Check || c.List || c.Diff {
		return f, err
	}
	return f, rewrite(name, f.text)
}

// layOut is nil for a text that is laid out already. The formatters are asked
// until nothing changes any more: to do it once more must do nothing.
func (c *fmtCommand) layOut(ctx context.Context, name string, text []byte, rego bool) (*laidOut, error) {
	formatted := text
	for range 4 {
		var next []byte
		var err error
		if rego {
			next, err = builtins.FormatRego(ctx, name, formatted, c.RegoVersion)
		} else {
			next, err = runtime.Format(name, formatted)
		}
		if err != nil {
			return nil, err
		}
		if bytes.Equal(next, formatted) {
			break
		}
		formatted = next
	}
	if bytes.Equal(formatted, text) {
		return nil, nil //nolint:nilnil // no change is no error
	}
	f := &laidOut{File: name, text: formatted}
	if c.Diff {
		f.Diff = udiff.Unified(name, name, string(text), string(formatted))
	}
	return f, nil
}

// rewrite replaces a file, whole, that may be written, with its permissions.
func rewrite(name string, text []byte) error {
	old, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return fault.File(name, err)
	}
	info, err := old.Stat()
	_ = old.Close()
	if err != nil {
		return fault.File(name, err)
	}
	out, err := builtins.Anywhere{}.Create(name)
	if err != nil {
		return err
	}
	defer out.Close()
	out.Permit(info.Mode())
	if _, err := out.Write(text); err != nil {
		return err
	}
	return out.Commit()
}
