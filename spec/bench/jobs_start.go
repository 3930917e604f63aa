package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func version(ctx context.Context, b *bench) ([]series, error) {
	others := map[string]program{
		"policy":   {command: always(b.tools["policy"].path, "version"), want: "version:"},
		"floor":    b.floor(),
		"opa":      {command: always(b.tools["opa"].path, "version"), want: "Version"},
		"conftest": {command: always(b.tools["conftest"].path, "--version"), want: "OPA"},
		"regctl":   {command: always(b.tools["regctl"].path, "version"), want: "VCS"},
		"crane":    {command: always(b.tools["crane"].path, "version")},
	}
	return b.alternate(ctx, 30, b.has(others, "policy", "floor", "opa", "conftest", "regctl", "crane")...)
}

// floor is what no program built on our libraries can be faster than.
func (b *bench) floor() program {
	return program{name: "floor", command: always(b.tools["floor"].path), want: "floor"}
}

func script(ctx context.Context, b *bench) ([]series, error) {
	dir, err := b.folder("script")
	if err != nil {
		return nil, err
	}
	text := "\"\"\"Does nothing, at length.\"\"\"\n\ndef main():\n    pass\n\n"
	for i := range 15 {
		text += fmt.Sprintf("def step_%d(x = %d):\n    return [y for y in range(x) if y != 2]\n\n", i, i)
	}
	file := filepath.Join(dir, "nothing.star")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, err
	}
	policy := b.tools["policy"].path
	return b.alternate(ctx, 30, append([]program{{name: "policy", command: always(policy, "run", file)}, b.start()}, b.yardstick()...)...)
}

// call takes the figure of the benchmark in package runtime, and puts a builtin
// beside it that unpacks its arguments by hand.
func call(ctx context.Context, b *bench) ([]series, error) {
	runs := 5
	if b.runs > 0 {
		runs = b.runs
	}
	test := filepath.Join(b.work, "runtime.test")
	compile := exec.CommandContext(ctx, "go", "test", "-C", b.root, "-c", "-o", test, "./runtime")
	if said, err := compile.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go test -c ./runtime: %w\n%s", err, said)
	}
	words := [][]string{{test, "-test.run", "^$", "-test.bench", "^BenchmarkCall$"}, {b.tools["unpack"].path}}
	all := []series{{Name: "policy", Command: "go test -bench BenchmarkCall ./runtime"}, {Name: "by hand", Command: "starlark.UnpackArgs"}}
	for range runs {
		for i, w := range words {
			out, err := exec.CommandContext(ctx, w[0], w[1:]...).Output()
			if err != nil {
				return nil, fmt.Errorf("%s: %w\n%s", all[i].Command, err, out)
			}
			ns, err := figure(string(out), "ns/call")
			if err != nil {
				return nil, fmt.Errorf("%s: %w", all[i].Command, err)
			}
			all[i].Seconds = append(all[i].Seconds, ns/1e9)
		}
	}
	return all, nil
}

// figure finds the number in front of a unit.
func figure(text, unit string) (float64, error) {
	words := strings.Fields(text)
	for i := 1; i < len(words); i++ {
		if words[i] == unit {
			var f float64
			_, err := fmt.Sscan(words[i-1], &f)
			return f, err
		}
	}
	return 0, fmt.Errorf("no %s in %q", unit, text)
}

func binary(_ context.Context, b *bench) ([]series, error) {
	var all []series
	for _, name := range []string{"policy", "floor", "opa", "conftest", "regctl", "crane"} {
		if t, ok := b.tools[name]; ok {
			all = append(all, series{Name: name, Bytes: t.Bytes})
		}
	}
	return all, nil
}
