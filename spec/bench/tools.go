package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// tool is an executable that was found or built.
type tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Bytes   int64  `json:"bytes"`
	path    string
}

// wanted are the tools of spec/interop, by the name of their executable.
var wanted = []string{"opa", "conftest", "crane", "regctl", "registry"}

// onPath are tools that Debian packages; the way to ask for their version.
var onPath = []struct{ name, ask string }{
	{"curl", "--version"},
	{"skopeo", "--version"},
	{"docker-registry", "--version"},
}

// gather builds policy and the floor, and builds or finds the others. Only a
// failure of the former is an error.
func (b *bench) gather(ctx context.Context, peers string) error {
	dir, err := b.folder("bin")
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "building policy")
	if err := build(ctx, b.root, filepath.Join(dir, "policy"), "./cmd/policy"); err != nil {
		return err
	}
	if err := b.know("policy", filepath.Join(dir, "policy")); err != nil {
		return err
	}
	if commit, err := exec.CommandContext(ctx, "git", "-C", b.root, "describe", "--tags", "--always", "--dirty").Output(); err == nil {
		t := b.tools["policy"]
		t.Version = string(bytes.TrimSpace(commit))
		b.tools["policy"] = t
	}
	if err := b.buildFloor(ctx, dir); err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	if peers == "" {
		if peers, err = b.buildPeers(ctx); err != nil {
			return err
		}
	}
	for _, name := range wanted {
		if err := b.know(name, filepath.Join(peers, name+exe())); err != nil {
			b.absent = append(b.absent, fmt.Sprintf("%s: %v", name, err))
		}
	}
	for _, t := range onPath {
		b.look(ctx, t.name, t.ask)
	}
	b.absent = append(b.absent,
		"opcr policy: no release of it can be had as a Go module; figures taken once on another machine stand in, scaled to this one",
		"oras: its command is not on the Go module proxy; crane and regctl stand in")
	return b.calibrate(ctx)
}

// build makes an executable the way releases are made.
func build(ctx context.Context, dir, out, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-C", dir, "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, bytes.TrimSpace(said))
	}
	return nil
}

// buildPeers builds the tools that spec/interop pins, once for each of its states.
func (b *bench) buildPeers(ctx context.Context) (string, error) {
	interop := filepath.Join(b.root, "spec", "interop")
	pins, err := os.ReadFile(filepath.Join(interop, "go.mod"))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append(pins, runtime.Version()...))
	dir := filepath.Join(b.cache, "peers", fmt.Sprintf("%x", sum[:6]))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	list := exec.CommandContext(ctx, "go", "list", "-C", interop, "tool")
	out, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("go list tool: %w", err)
	}
	for pkg := range strings.FieldsSeq(string(out)) {
		name := path.Base(pkg)
		if !slices.Contains(wanted, name) {
			continue
		}
		file := filepath.Join(dir, name+exe())
		if _, err := os.Stat(file); err == nil {
			continue
		}
		fmt.Fprintln(os.Stderr, "building", name)
		if err := build(ctx, interop, file, pkg); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	return dir, ctx.Err()
}

// know takes note of a Go program.
func (b *bench) know(name, file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("not built (%w)", err)
	}
	made, err := buildinfo.ReadFile(file)
	if err != nil {
		return err
	}
	b.tools[name] = tool{name, made.Main.Version, info.Size(), file}
	return nil
}

// look finds a program on the PATH.
func (b *bench) look(ctx context.Context, name, ask string) {
	file, err := exec.LookPath(name)
	if err != nil {
		b.absent = append(b.absent, name+": not installed")
		return
	}
	said, err := exec.CommandContext(ctx, file, ask).Output()
	if err != nil {
		b.absent = append(b.absent, fmt.Sprintf("%s: %v", name, err))
		return
	}
	line, _, _ := strings.Cut(string(said), "\n")
	version := line
	for word := range strings.FieldsSeq(line) {
		if trimmed := strings.TrimPrefix(word, "v"); trimmed != "" && trimmed[0] >= '0' && trimmed[0] <= '9' {
			version = word
			break
		}
	}
	info, err := os.Stat(file)
	if err != nil {
		return
	}
	b.tools[name] = tool{name, version, info.Size(), file}
}

// has gives the programs whose tool is there.
func (b *bench) has(all map[string]program, order ...string) []program {
	var there []program
	for _, name := range order {
		if _, ok := b.tools[name]; ok {
			p := all[name]
			p.name = name
			there = append(there, p)
		}
	}
	return there
}

func exe() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

// What "opa version" takes on the machine whose times the bars name.
const reference = 11e-3

// yardstick is "opa version", if there is opa.
func (b *bench) yardstick() []program {
	opa, ok := b.tools["opa"]
	if !ok {
		return nil
	}
	return []program{{name: yardstick, command: always(opa.path, "version")}}
}

// calibrate finds out how slow this machine is, for the bars that are
// times and whose job cannot have the yardstick in it.
func (b *bench) calibrate(ctx context.Context) error {
	programs := b.yardstick()
	if programs == nil {
		return nil
	}
	seen, err := b.alternate(ctx, 20, programs...)
	if err != nil {
		return err
	}
	// The fastest run: what else the machine does must not make a bar easier.
	b.scale = max(1, seen[0].min()/reference)
	return nil
}
