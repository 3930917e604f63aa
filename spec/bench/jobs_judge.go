package main

import (
	"context"
	"fmt"
	"path/filepath"
)

// rules are 500 modules without data, and 500 tests of them in 50 files.
func (b *bench) rules() (string, error) {
	return b.fixture("rules", func(dir string) error {
		files := map[string]string{}
		for i := range 500 {
			files[fmt.Sprintf("policy/m%03d/policy.rego", i)] = moduleRego(i)
		}
		for i := range 50 {
			text := fmt.Sprintf("package bench.m%03d_test\n\nimport data.bench.m%03d\n", i, i)
			for j := range 10 {
				text += fmt.Sprintf("\ntest_denied_%d if not m%03d.allow with input as {\"user\": \"u%d\", \"tenant\": \"none\"} with data.users as {\"u%d\": {\"roles\": []}}\n", j, i, j, j)
			}
			files[fmt.Sprintf("policy/m%03d/policy_test.rego", i)] = text
		}
		return writeFiles(dir, files)
	})
}

// judged runs a command of policy and one of opa on the rules.
func (b *bench) judged(ctx context.Context, want string, ours, theirs []string) ([]series, error) {
	dir, err := b.rules()
	if err != nil {
		return nil, err
	}
	sources := filepath.Join(dir, "policy")
	store, err := b.folder("store")
	if err != nil {
		return nil, err
	}
	settle()
	programs := []program{{name: "policy", store: store, want: want, command: always(append(append([]string{b.tools["policy"].path}, ours...), sources)...)}}
	if t, ok := b.tools["opa"]; ok {
		programs = append(programs, program{name: "opa", command: always(append(append([]string{t.path}, theirs...), sources)...)})
	}
	return b.alternate(ctx, 7, programs...)
}

func check(ctx context.Context, b *bench) ([]series, error) {
	return b.judged(ctx, "", []string{"check"}, []string{"check", "--strict"})
}

func test(ctx context.Context, b *bench) ([]series, error) {
	return b.judged(ctx, "500", []string{"test"}, []string{"test"})
}

func testCovered(ctx context.Context, b *bench) ([]series, error) {
	return b.judged(ctx, "500", []string{"test", "--coverage"}, []string{"test", "-c"})
}
