package project_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policyhost/policy/cmd/internal/project"
	"github.com/policyhost/policy/runtime/fault"
)

const newRef = "oci://h.io/new:v1"

func TestAddRecipe(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, added, removed string }{
		"an empty file":      {"", "[recipes]\nnew = \"oci://h.io/new:v1\"\n", "[recipes]\n"},
		"no recipes":         {"# mine\nrequires = \">= 1\" # why\n", "# mine\nrequires = \">= 1\" # why\n\n[recipes]\nnew = \"oci://h.io/new:v1\"\n", "# mine\nrequires = \">= 1\" # why\n\n[recipes]\n"},
		"no end of the line": {"requires = '>= 1'", "requires = '>= 1'\n\n[recipes]\nnew = \"oci://h.io/new:v1\"\n", "requires = '>= 1'\n\n[recipes]\n"},
		"a table": {
			"[recipes] # of others\n# the first\n  a = 'oci://h.io/a:1' # why\n\n# what follows\n[defaults]\ntimeout = '3s'\n",
			"[recipes] # of others\n# the first\n  a = 'oci://h.io/a:1' # why\n  new = \"oci://h.io/new:v1\"\n\n# what follows\n[defaults]\ntimeout = '3s'\n",
			"[recipes] # of others\n# the first\n  a = 'oci://h.io/a:1' # why\n\n# what follows\n[defaults]\ntimeout = '3s'\n",
		},
		"an empty table":  {"[recipes]\n[defaults]\n", "[recipes]\nnew = \"oci://h.io/new:v1\"\n[defaults]\n", "[recipes]\n[defaults]\n"},
		"replaced":        {"[recipes]\nnew = 'oci://h.io/old:1'  # why\nz = 'oci://h.io/z:1'\n", "[recipes]\nnew = \"oci://h.io/new:v1\"  # why\nz = 'oci://h.io/z:1'\n", "[recipes]\nz = 'oci://h.io/z:1'\n"},
		"the same":        {"[recipes]\nnew = 'oci://h.io/new:v1'\n", "[recipes]\nnew = \"oci://h.io/new:v1\"\n", "[recipes]\n"},
		"inline":          {"recipes = { a = 'oci://h.io/a:1' } # all\nrequires = '>= 1'\n", "recipes = { a = \"oci://h.io/a:1\", new = \"oci://h.io/new:v1\" } # all\nrequires = '>= 1'\n", "recipes = { a = \"oci://h.io/a:1\" } # all\nrequires = '>= 1'\n"},
		"inline, empty":   {"recipes = {}", "recipes = { new = \"oci://h.io/new:v1\" }", "recipes = {}"},
		"dotted":          {"recipes.a = 'oci://h.io/a:1'\nrequires = '>= 1'\n", "recipes.a = 'oci://h.io/a:1'\nrecipes.new = \"oci://h.io/new:v1\"\nrequires = '>= 1'\n", "recipes.a = 'oci://h.io/a:1'\nrequires = '>= 1'\n"},
		"a mark of order": {"\ufeff[recipes]\n", "[recipes]\nnew = \"oci://h.io/new:v1\"\n", "[recipes]\n"},
		"of Windows":      {"[recipes]\r\na = 'oci://h.io/a:1'", "[recipes]\r\na = 'oci://h.io/a:1'\r\nnew = \"oci://h.io/new:v1\"\r\n", "[recipes]\r\na = 'oci://h.io/a:1'\r\n"},
		"quoted":          {"['recipes']\n\"a\" = 'oci://h.io/a:1'\n", "['recipes']\n\"a\" = 'oci://h.io/a:1'\nnew = \"oci://h.io/new:v1\"\n", "['recipes']\n\"a\" = 'oci://h.io/a:1'\n"},
		"below a recipe":  {"[recipe]\nname='a'\nversion='1.0.0'\n[recipe.needs]\nread=[]\n", "[recipe]\nname='a'\nversion='1.0.0'\n[recipe.needs]\nread=[]\n\n[recipes]\nnew = \"oci://h.io/new:v1\"\n", "[recipe]\nname='a'\nversion='1.0.0'\n[recipe.needs]\nread=[]\n\n[recipes]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, tt.text)
			p, err := project.Load(dir, "9.0.0")
			if err != nil {
				t.Fatal(err)
			}
			if err := p.AddRecipe("new", newRef); err != nil {
				t.Fatal(err)
			}
			if got := content(t, dir); got != tt.added || p.Recipes["new"] != newRef {
				t.Errorf("added:\n%q\nwant\n%q", got, tt.added)
			}
			if err := p.RemoveRecipe("new"); err != nil {
				t.Fatal(err)
			}
			if got := content(t, dir); got != tt.removed || p.Recipes["new"] != "" {
				t.Errorf("removed:\n%q\nwant\n%q", got, tt.removed)
			}
		})
	}
}

func content(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, project.Name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAddRecipeMakesTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, err := project.Load(dir, "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.AddRecipe("new", newRef); err != nil {
		t.Fatal(err)
	}
	if got := content(t, dir); got != "[recipes]\nnew = \"oci://h.io/new:v1\"\n" || p.File == "" {
		t.Errorf("%q in %q", got, p.File)
	}
}

func TestEditRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const text = "[recipes]\nacme = 'oci://h.io/r:1'\n"
	write(t, dir, text)
	p, err := project.Load(dir, "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	for want, err := range map[string]error{
		`usage "a b" is no alias`:              p.AddRecipe("a b", newRef),
		`usage "ghcr.io/a/b:1" does not begin`: p.AddRecipe("a", "ghcr.io/a/b:1"),
		`not_found`:                            p.RemoveRecipe("acne"),
	} {
		kind, text, _ := strings.Cut(want, " ")
		if f := fault.Of(err); f == nil || f.Kind.String() != kind || !strings.Contains(f.Error(), text) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if hint := fault.Of(p.RemoveRecipe("acne")).Hint; hint != `did you mean "acme"?` {
		t.Errorf("hint %q", hint)
	}
	if got := content(t, dir); got != text {
		t.Errorf("the file became %q", got)
	}
	// What was broken since must not be written over.
	write(t, dir, text+"oops")
	if err := p.AddRecipe("new", newRef); !errors.Is(err, fault.Invalid) || content(t, dir) != text+"oops" {
		t.Errorf("a broken file: %v", err)
	}
}

func TestEditFollowsLinksAndKeepsPermissions(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	write(t, elsewhere, "")
	target := filepath.Join(elsewhere, project.Name)
	if err := os.Symlink(target, filepath.Join(dir, project.Name)); err != nil {
		t.Skipf("no links here: %v", err)
	}
	before, err := os.Stat(target)
	if err != nil {
		t.Fatal(err)
	}
	p, err := project.Load(dir, "1.0.0")
	if err == nil {
		err = p.AddRecipe("new", newRef)
	}
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(target)
	if err != nil || after.Mode() != before.Mode() || !strings.Contains(content(t, elsewhere), newRef) {
		t.Errorf("%v, %q: %v", after.Mode(), content(t, elsewhere), err)
	}
}
