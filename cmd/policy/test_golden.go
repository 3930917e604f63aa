package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

// goldens holds the values of one test against files beside it:
// testdata/FILE/TEST.golden, or TEST.NAME.golden.
type goldens struct {
	test   *starTest
	update bool

	mu   sync.Mutex
	seen map[string]bool
}

// goldenArgs are the arguments of t.golden.
type goldenArgs struct {
	Value goldenValue `arg:"" help:"The value under test: text, or a value to keep as JSON."`
	Name  string      `help:"Tells the values of one test apart."`
}

// goldenValue is any value of a script.
type goldenValue struct{ v any }

// SetValue keeps the value.
func (g *goldenValue) SetValue(value any) error {
	g.v = value
	return nil
}

// UnmarshalText keeps the text.
func (g *goldenValue) UnmarshalText(text []byte) error { return g.SetValue(string(text)) }

// check compares the value with its file, or writes the file when that is asked
// for.
func (g *goldens) check(args *goldenArgs) error {
	file, err := g.path(args.Name)
	if err != nil {
		return err
	}
	got, isText := args.Value.v.(string)
	if !isText {
		text, err := json.MarshalIndent(args.Value.v, "", "  ")
		if err != nil {
			return fault.New(fault.Usage, "", "the value has no JSON: %w", err)
		}
		got = string(text) + "\n"
	}
	if g.update {
		return writeGolden(file, got)
	}
	want, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return fault.New(fault.Rejected, filepath.ToSlash(file), "there is no such file").WithHint("write it, then look at it: policy test --update")
	}
	if err != nil {
		return fault.File(file, err)
	}
	want = bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n")) // git may have put them there
	if string(want) == got {
		return nil
	}
	failure := &runtime.CheckFailure{Message: "differs from " + filepath.ToSlash(file)}
	failure.Expected, failure.Actual = strings.TrimSpace(string(want)), strings.TrimSpace(got)
	if isText {
		failure.Expected, failure.Actual = quoted(string(want)), quoted(got)
	}
	return (&fault.Error{Kind: fault.Rejected, Err: failure}).WithHint("when that is as it should be: policy test --update")
}

// path is the file of a name. Two values of a test cannot have one name.
func (g *goldens) path(name string) (string, error) {
	if strings.ContainsAny(name, `/\:`) || strings.HasPrefix(name, ".") {
		return "", fault.New(fault.Usage, name, "is no part of a file name")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.seen[name] {
		return "", fault.New(fault.Usage, "", "a second value without a name of its own").WithHint(`t.golden(value, name = "…")`)
	}
	if g.seen == nil {
		g.seen = map[string]bool{}
	}
	g.seen[name] = true
	base := g.test.fn.Name
	if name != "" {
		base += "." + name
	}
	stem := strings.TrimSuffix(filepath.Base(g.test.file.name), ".star")
	return filepath.Join(filepath.Dir(g.test.file.name), "testdata", stem, base+".golden"), nil
}

func writeGolden(file, text string) error {
	if had, err := os.ReadFile(file); err == nil && string(had) == text {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fault.File(file, err)
	}
	return writeFile(file, text)
}

// writeFile puts a file of ours under its name, whole.
func writeFile(file, text string) error {
	out, err := builtins.Anywhere{}.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := out.Write([]byte(text)); err != nil {
		return err
	}
	return out.Commit()
}

func quoted(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		return text
	}
	return string(quoted)
}
