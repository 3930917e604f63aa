package templates_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
	"go.yaml.in/yaml/v3"

	"github.com/policyhost/policy/builtins/internal/templates"
	"github.com/policyhost/policy/runtime/fault"
)

var filled = templates.Values{
	Server: "ghcr.io", User: "jo", Secret: "PAT", Repo: "acme/authz", RegoVersion: "rego.v1", PolicyVersion: "latest",
}

func TestFiles(t *testing.T) {
	t.Parallel()
	left := regexp.MustCompile(`@[A-Z_]+@`)
	versions := map[string]ast.RegoVersion{"rego.v0": ast.RegoV0CompatV1, "rego.v0v1": ast.RegoV0CompatV1, "rego.v1": ast.RegoV1}
	for _, template := range templates.All() {
		for name, version := range versions {
			values := filled
			values.RegoVersion = name
			for _, f := range template.Files(values) {
				if word := left.FindString(f.Content); word != "" || !strings.HasSuffix(f.Content, "\n") {
					t.Errorf("%s: %s is not filled in, or has no end: %q", template.Name, f.Name, word)
				}
				switch filepath.Ext(f.Name) {
				case ".yml":
					var document map[string]any
					if err := yaml.Unmarshal([]byte(f.Content), &document); err != nil || len(document) == 0 {
						t.Errorf("%s: %s: %v", template.Name, f.Name, err)
					}
				case ".rego":
					formatted, err := format.SourceWithOpts(f.Name, []byte(f.Content), format.Opts{RegoVersion: version})
					if err != nil || string(formatted) != f.Content {
						t.Errorf("%s: %s in %s is not formatted: %v\n%s", template.Name, f.Name, name, err, formatted)
					}
				}
			}
		}
	}
}

func TestExisting(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "file"), "old")
	mkdir(t, filepath.Join(dir, "folder"))
	symlink(t, outside, filepath.Join(dir, "out"))
	symlink(t, "nowhere", filepath.Join(dir, "dangling"))
	for _, tt := range []struct {
		name  string
		there bool
		kind  error
	}{
		{"new", false, nil},
		{"new/deep/file", false, nil},
		{"folder/new", false, nil},
		{"file", true, nil},
		{"dangling", true, nil},
		{"file/below", false, fault.Conflict},
		{"folder", false, fault.Conflict},
		{"dangling/below", false, fault.Conflict},
		{"out/file", false, fault.Denied},
	} {
		existing, err := templates.Existing(dir, []string{tt.name})
		if !errors.Is(err, tt.kind) || (len(existing) == 1) != tt.there {
			t.Errorf("%s: %v, %v", tt.name, existing, err)
		}
		if tt.there && existing[0] != filepath.Join(dir, tt.name) {
			t.Errorf("%s is called %s", tt.name, existing[0])
		}
	}
	if existing, err := templates.Existing(filepath.Join(dir, "none"), []string{"x"}); existing != nil || err != nil {
		t.Errorf("in a folder that is not there: %v, %v", existing, err)
	}
	if _, err := templates.Existing(filepath.Join(dir, "file"), []string{"x"}); !errors.Is(err, fault.Usage) {
		t.Errorf("in a file: %v", err)
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	files := []templates.File{{Name: "one", Content: "1\n"}, {Name: "deep/down/two", Content: "2\n"}}
	written, err := templates.Write(t.Context(), dir, files)
	if err != nil || len(written) != 2 || written[1] != filepath.Join(dir, "deep", "down", "two") {
		t.Fatalf("%v, %v", written, err)
	}
	write(t, filepath.Join(dir, "one"), "something longer\n")
	if _, err := templates.Write(t.Context(), dir, files); err != nil {
		t.Fatal(err)
	}
	if got := tree(t, dir); got != "deep deep/down deep/down/two=2 one=1" {
		t.Errorf("it wrote %s", got)
	}
}

func TestWriteNothing(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "file"), "old\n")
	symlink(t, outside, filepath.Join(dir, "out"))
	before := tree(t, dir)
	good := templates.File{Name: "new/file", Content: "new\n"}
	for name, kind := range map[string]error{"file/below": fault.NotFound, "out/file": fault.Denied, "../file": fault.Denied} {
		_, err := templates.Write(t.Context(), dir, []templates.File{good, {Name: name, Content: "x"}})
		if !errors.Is(err, kind) {
			t.Errorf("%s: %v", name, err)
		}
		if got := tree(t, dir) + tree(t, outside); got != before {
			t.Errorf("%s left %s", name, got)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := templates.Write(ended, filepath.Join(dir, "x", "y"), []templates.File{good}); err == nil || tree(t, dir) != before {
		t.Errorf("interrupted: %v, left %s", err, tree(t, dir))
	}
}

func TestWriteReadOnly(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	if _, err := templates.Write(t.Context(), dir, []templates.File{{Name: "x"}}); !errors.Is(err, fault.Denied) {
		t.Errorf("got %v", err)
	}
}

func tree(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		name = filepath.ToSlash(name)
		if entry.Type().IsRegular() {
			text, _ := os.ReadFile(path)
			name += "=" + strings.TrimSpace(string(text))
		}
		names = append(names, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, name string) {
	t.Helper()
	if err := os.Mkdir(name, 0o700); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name); err != nil {
		t.Skipf("no links here: %v", err)
	}
}
