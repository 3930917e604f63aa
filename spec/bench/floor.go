package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// buildFloor builds two programs against the very libraries that policy links:
// floor does nothing but link them, so that no program built on them can start
// faster; unpack is a builtin whose arguments are unpacked by hand.
func (b *bench) buildFloor(ctx context.Context, bin string) error {
	write := exec.CommandContext(ctx, "go", "run", "-C", b.here, "./floor", b.root, "./cmd/policy")
	var diagnosis bytes.Buffer
	write.Stderr = &diagnosis
	floor, err := write.Output()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, diagnosis.Bytes())
	}
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
	for name, source := range map[string]string{"floor": string(floor), "unpack": unpackSource} {
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

// The same call as BenchmarkCall of package runtime makes. It prints what one
// takes, in nanoseconds.
//
//go:embed unpack.txt
var unpackSource string
