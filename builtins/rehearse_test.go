package builtins_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/policyhost/policy/builtins"
)

// TestRehearseAtOnce holds that what runs at once is planned once each: the same
// layout, folder, repository and name from many sides.
func TestRehearseAtOnce(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "door.rego"), []byte("package door\n\nopen := true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	world := builtins.NewEnv(builtins.Options{
		Settings: builtins.Settings{Root: filepath.Join(t.TempDir(), "root")},
		Files:    builtins.Under{Dir: dir},
	})
	env, rehearsal, err := world.Rehearse()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = env.Close() })
	call := func(verb string, fill func(args any)) {
		for _, v := range builtins.Table() {
			if v.Name != verb {
				continue
			}
			args := v.Func.New()
			fill(args)
			if _, err := v.Call(ctx, env, args); err != nil {
				t.Error(err)
			}
		}
	}
	ref := func(text string) builtins.Ref {
		var r builtins.Ref
		if err := r.UnmarshalText([]byte(text)); err != nil {
			t.Error(err)
		}
		return r
	}
	call("build", func(args any) {
		b := args.(*builtins.BuildArgs)
		b.Paths, b.Tag, b.RegoVersion, b.Target = []string{"door.rego"}, []builtins.Ref{ref("registry.localhost/a/door:1")}, "rego.v1", "rego"
	})
	const sides = 8
	var all sync.WaitGroup
	for i := range sides {
		all.Go(func() {
			call("copy", func(args any) {
				c := args.(*builtins.CopyArgs)
				c.Source, c.Target = "registry.localhost/a/door:1", fmt.Sprintf("ocidir://layout:%d", i)
			})
			call("copy", func(args any) {
				c := args.(*builtins.CopyArgs)
				c.Source, c.Target = "registry.localhost/a/door:1", fmt.Sprintf("registry.localhost/a/door:%d", i%2)
			})
			call("write", func(args any) {
				w := args.(*builtins.WriteArgs)
				w.Path = fmt.Sprintf("%d.json", i)
				if err := w.Content.SetValue(i); err != nil {
					t.Error(err)
				}
			})
			call("tags", func(args any) { args.(*builtins.TagsArgs).Repository = ref("registry.localhost/a/door") })
			call("glob", func(args any) { args.(*builtins.GlobArgs).Pattern = "*.json" })
		})
	}
	all.Wait()
	plan, err := rehearsal.Plan(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, c := range plan.Changes {
		count[c.Where]++
	}
	want := map[string]int{builtins.InStore: 1, builtins.InLayout: sides, builtins.InRegistry: 2, builtins.InFile: sides}
	if fmt.Sprint(count) != fmt.Sprint(want) {
		t.Errorf("planned are %v, want %v", count, want)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
}
