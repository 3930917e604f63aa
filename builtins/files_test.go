package builtins

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/policyhost/policy/runtime/fault"
)

// project is a folder to be confined to, between files that must not be seen.
func project(t *testing.T) (under Under, outside string) {
	t.Helper()
	top := t.TempDir()
	outside = filepath.Join(top, "outside.txt")
	for _, name := range []string{"outside.txt", "project/note.txt", "project/cases/a.json", "project/cases/deep/b.json", "project-x/c.json"} {
		file := filepath.Join(top, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Under{Dir: filepath.Join(top, "project")}, outside
}

func TestUnder(t *testing.T) {
	t.Parallel()
	u, outside := project(t)
	for name, want := range map[string]fault.Kind{
		"../outside.txt":                 fault.Denied,
		"..":                             fault.Denied,
		"cases/../../outside.txt":        fault.Denied,
		"../project/note.txt":            fault.Denied, // by way of the outside
		"../project-x/c.json":            fault.Denied,
		outside:                          fault.Denied,
		filepath.Join(u.Dir, "note.txt"): fault.Denied, // absolute is outside by its spelling
		"":                               fault.Denied,
		"nothing.txt":                    fault.NotFound,
		"nothing/at/all":                 fault.NotFound,
	} {
		if _, err := u.Open(name); !errors.Is(err, want) {
			t.Errorf("opening %q: got %v, want %s", name, err, want)
		}
		if _, err := u.Path(name); !errors.Is(err, want) {
			t.Errorf("the path of %q: got %v, want %s", name, err, want)
		}
	}
	if _, err := u.Path(filepath.Join(u.Dir, "cases", "a.json")); fault.Of(err).Hint != "write it as cases/a.json" {
		t.Errorf("got %v, with the hint %q", err, fault.Of(err).Hint)
	}
	for _, pattern := range []string{"../*", "../**", "cases/../../*", outside, "/*"} {
		if found, err := u.Glob(pattern); !errors.Is(err, fault.Denied) {
			t.Errorf("globbing %q: got %q, %v", pattern, found, err)
		}
	}
	for _, name := range []string{"../new.txt", outside, "nothing/new.txt"} {
		if out, err := u.Create(name); err == nil {
			out.Close()
			t.Errorf("%q was created", name)
		}
	}
	if path, err := u.Path("cases/../note.txt"); err != nil || path != filepath.Join(u.Dir, "note.txt") {
		t.Errorf("got %q, %v", path, err)
	}
	if text, err := readAll(u, "cases/deep/b.json", 100); err != nil || string(text) != "project/cases/deep/b.json" {
		t.Errorf("got %q, %v", text, err)
	}
	if _, err := readAll(u, "note.txt", 3); !errors.Is(err, fault.Limit) {
		t.Errorf("longer than the limit: %v", err)
	}
}

// A link is followed as long as it stays inside; whether it leads to something
// outside must not show.
func TestUnderLinks(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("making links needs a privilege on Windows")
	}
	u, outside := project(t)
	for link, target := range map[string]string{
		"in.txt": "note.txt", "out.txt": outside, "relative.txt": "../outside.txt", "up": "..", "nowhere.txt": "../nowhere", "dangling.txt": "gone",
	} {
		if err := os.Symlink(target, filepath.Join(u.Dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]fault.Kind{
		"out.txt": fault.Denied, "relative.txt": fault.Denied, "up": fault.Denied, "up/outside.txt": fault.Denied,
		"nowhere.txt": fault.Denied, "dangling.txt": fault.NotFound,
	} {
		if _, err := u.Open(name); !errors.Is(err, want) {
			t.Errorf("opening %q: got %v, want %s", name, err, want)
		}
		if _, err := u.Path(name); !errors.Is(err, want) {
			t.Errorf("the path of %q: got %v, want %s", name, err, want)
		}
	}
	if out, err := u.Create("up/new.txt"); !errors.Is(err, fault.Denied) {
		t.Errorf("created through a link: %v %v", out, err)
	}
	if text, err := readAll(u, "in.txt", 100); err != nil || string(text) != "project/note.txt" {
		t.Errorf("got %q, %v", text, err)
	}
	for _, pattern := range []string{"up/*", "**/outside.txt", "up/**", "*out.txt", "**/out.txt", "up", "**/up"} {
		if found, _ := u.Glob(pattern); len(found) > 0 {
			t.Errorf("%s found %q", pattern, found)
		}
	}
}

func TestGlob(t *testing.T) {
	t.Parallel()
	tree := fstest.MapFS{}
	for _, name := range []string{"a.json", "b.txt", "cases/1.json", "cases/deep/2.json", "cases/deep/er/3.json", "cases/deep.json", "x[1].json"} {
		tree[name] = &fstest.MapFile{}
	}
	for pattern, want := range map[string][]string{
		"*.json":                  {"a.json", "x[1].json"},
		"?.json":                  {"a.json"},
		"[a-b].*":                 {"a.json", "b.txt"},
		"x\\[1].json":             {"x[1].json"},
		"cases/*.json":            {"cases/1.json", "cases/deep.json"},
		"cases/**/*.json":         {"cases/1.json", "cases/deep.json", "cases/deep/2.json", "cases/deep/er/3.json"},
		"**/deep/*.json":          {"cases/deep/2.json"},
		"**/deep/**":              {"cases/deep/2.json", "cases/deep/er/3.json"},
		"**/2.json":               {"cases/deep/2.json"},
		"**/**/**/**/3.json":      {"cases/deep/er/3.json"},
		"cases/deep/er/3.json":    {"cases/deep/er/3.json"},
		"cases/deep/er/**/3.json": {"cases/deep/er/3.json"},
		"nothing/*":               nil,
		"cases/*":                 {"cases/1.json", "cases/deep.json"},
		"nothing/**":              nil,
		"cases/deep/**/a.json":    nil,
	} {
		got, err := glob(tree, pattern)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v, want %q", pattern, got, err, want)
		}
	}
	for _, pattern := range []string{"[", "a[b", "**/["} {
		if _, err := glob(tree, pattern); !errors.Is(err, fault.Usage) {
			t.Errorf("%s: got %v", pattern, err)
		}
	}
}

func TestAnywhereGlob(t *testing.T) {
	t.Parallel()
	u, _ := project(t)
	dir := filepath.ToSlash(u.Dir)
	for pattern, want := range map[string][]string{
		"/*/a.json":      {"/cases/a.json"},
		"/**/b.json":     {"/cases/deep/b.json"},
		"/../*.txt":      {"/../outside.txt"},
		"/note.txt":      {"/note.txt"},
		"/cases/[c-z]*":  nil, // a folder
		"/nothing/*.txt": nil,
	} {
		got, err := Anywhere{}.Glob(dir + pattern)
		for i := range want {
			want[i] = filepath.ToSlash(filepath.Clean(dir + want[i]))
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v, want %q", pattern, got, err, want)
		}
	}
}

// A file appears whole, or what was there stays.
func TestOutput(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	u := Under{Dir: dir}
	file := filepath.Join(dir, "f")
	for _, step := range []struct {
		text   string
		commit bool
		want   string
	}{{"one", false, ""}, {"two", true, "two"}, {"three", false, "two"}, {"four", true, "four"}} {
		out, err := u.Create("f")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(out, step.text); err != nil {
			t.Fatal(err)
		}
		if step.commit {
			if err := out.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(file)
		if string(got) != step.want || (err != nil && (step.want != "" || !errors.Is(err, fs.ErrNotExist))) {
			t.Errorf("after %q: %q, %v", step.text, got, err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
			t.Errorf("after %q something is left: %q", step.text, left)
		}
	}
}
