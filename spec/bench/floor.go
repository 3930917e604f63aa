package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// buildFloor builds two programs against the very libraries that policy links:
// floor does nothing but link them, so that no program built on them can start
// faster; unpack is a builtin whose arguments are unpacked by hand.
func (b *bench) buildFloor(ctx context.Context, bin string) error {
	libraries, err := b.libraries(ctx)
	if err != nil {
		return err
	}
	var floor strings.Builder
	floor.WriteString("// Command floor links what policy links, and does nothing.\npackage main\n\nimport (\n\t\"fmt\"\n\n")
	for _, l := range libraries {
		fmt.Fprintf(&floor, "\t_ %q\n", l)
	}
	floor.WriteString(")\n\nfunc main() { fmt.Println(\"floor\") }\n")

	dir, err := b.folder("floor")
	if err != nil {
		return err
	}
	for _, name := range []string{"go.mod", "go.sum"} { // the same versions
		content, err := os.ReadFile(filepath.Join(b.root, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	for name, source := range map[string]string{"floor": floor.String(), "unpack": unpackSource} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name, "main.go"), []byte(source), 0o644); err != nil {
			return err
		}
		if err := build(ctx, dir, filepath.Join(bin, name), "./"+name); err != nil {
			return err
		}
		if err := b.know(name, filepath.Join(bin, name)); err != nil {
			return err
		}
	}
	return nil
}

// libraries are the packages of others that packages of ours import and the
// command links.
func (b *bench) libraries(ctx context.Context) ([]string, error) {
	list := exec.CommandContext(ctx, "go", "list", "-C", b.root, "-deps",
		"-f", `{{if .Module}}{{if .Module.Main}}{{join .Imports "\n"}}{{end}}{{end}}`, "./cmd/policy")
	var diagnosis bytes.Buffer
	list.Stderr = &diagnosis
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, diagnosis.Bytes())
	}
	var all []string
	for line := range strings.FieldsSeq(string(out)) {
		first, _, _ := strings.Cut(line, "/")
		if strings.Contains(first, ".") && !strings.HasPrefix(line, "github.com/policyhost/policy/") {
			all = append(all, line)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// The same call as BenchmarkCall of package runtime makes. It prints what one
// takes, in nanoseconds.
//
//go:embed unpack.txt
var unpackSource string
