package project_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/cmd/internal/project"
	"github.com/policyhost/policy/runtime/fault"
)

const whole = `# What this project is.
requires = ">= 0.1, < 9"

[recipes]
acme = "oci://ghcr.io/acme/recipes:v1" # the platform team's
tools = "oci://localhost:5000/tools@sha256:9c1fbb9a5b0c0ed2c3b5b5a5d16f3a8b1f8d3c3f5b5a5d16f3a8b1f8d3c3f5b5"

[[policy]]
name = "authz"
path = "policies/authz/"
tag = "ghcr.io/acme/authz"
entrypoints = ["authz/allow", "authz/roles"]

[[policy]]
name = "gate"
path = "policies/gate"

[defaults]
default_domain = "ghcr.io"
concurrency = 8
limits.total = "2GiB"
[defaults.logging]
log_level = "warn"

[recipe]
name = "gates"
version = "1.2.0"
description = "Gates a policy image passes."
source = "https://github.com/acme/recipes"
licenses = "Apache-2.0"
[recipe.needs]
read = ["ghcr.io/acme/*"]
files = ["cases", "report:rw"]
env = ["GITHUB_*"]
`

func write(t *testing.T, dir, text string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, project.Name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write(t, root, whole)
	below := filepath.Join(root, "policies", "authz")
	if err := os.MkdirAll(below, 0o700); err != nil {
		t.Fatal(err)
	}
	p, err := project.Load(below, "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	want := &project.Project{
		Root:     root,
		File:     p.File,
		Requires: ">= 0.1, < 9",
		Recipes: map[string]string{
			"acme":  "oci://ghcr.io/acme/recipes:v1",
			"tools": "oci://localhost:5000/tools@sha256:9c1fbb9a5b0c0ed2c3b5b5a5d16f3a8b1f8d3c3f5b5a5d16f3a8b1f8d3c3f5b5",
		},
		Policies: []project.Policy{
			{Name: "authz", Path: "policies/authz", Tag: "ghcr.io/acme/authz", Entrypoints: []string{"authz/allow", "authz/roles"}},
			{Name: "gate", Path: "policies/gate", Tag: "gate"},
		},
		Defaults: []project.Default{
			{Key: "default_domain", Texts: []string{"ghcr.io"}, Line: 19},
			{Key: "concurrency", Texts: []string{"8"}, Line: 20},
			{Key: "limits.total", Texts: []string{"2GiB"}, Line: 21},
			{Key: "logging.log_level", Texts: []string{"warn"}, Line: 23},
		},
		Recipe: &project.Recipe{
			Name: "gates", Version: "1.2.0", Description: "Gates a policy image passes.",
			Source: "https://github.com/acme/recipes", Licenses: "Apache-2.0",
			Needs: artifact.Needs{Read: []string{"ghcr.io/acme/*"}, Files: []string{"cases", "report:rw"}, Env: []string{"GITHUB_*"}},
		},
	}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got  %+v\nwant %+v", p, want)
	}
	if filepath.Base(p.File) != project.Name {
		t.Errorf("the file is called %q", p.File)
	}
}

func TestWithoutFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, err := project.Load(dir, "1.0.0")
	if err != nil || !reflect.DeepEqual(p, &project.Project{Root: dir}) {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want, hint string }{
		"syntax":              {"a = 1\nb == 2", "line 2: ", ""},
		"twice":               {"[recipes]\na = 'oci://h.io/r:1'\na = 'oci://h.io/r:1'", "line 3: ", ""},
		"unknown":             {"\nrequirs = '1'", `line 2: unknown key "requirs"`, `did you mean "requires"?`},
		"unknown below":       {"[recipe]\nname = 'a'\nversio = '1.0.0'", `line 3: unknown key "versio" in recipe`, `did you mean "version"?`},
		"unknown in an item":  {"[[policy]]\nname='a'\npath='a'\n\n[[policy]]\nname='b'\npaht='b'", `line 7: unknown key "paht" in policy`, `did you mean "path"?`},
		"unknown need":        {"[recipe]\nname='a'\nversion='1.0.0'\nneeds = {red = []}", `line 4: unknown key "red" in recipe.needs`, `did you mean "read"?`},
		"the first of two":    {"zz = 1\naa = 2", `line 1: unknown key "zz"`, "the keys are defaults, policy, recipe, recipes, requires"},
		"a number":            {"requires = 1.2", "line 1: requires must be a text, not a number", ""},
		"a table":             {"requires = '>= 1'\nrecipes = 'x'", "line 2: recipes must be a table, not a text", ""},
		"one policy":          {"[policy]\nname = 'a'", "line 1: policy must be a list of tables, each begun with [[policy]], not a table", ""},
		"an item":             {"[[policy]]\nname = 'a'\npath = 'a'\nentrypoints = [\n 'a',\n 7]", "line 6: policy.entrypoints must be a text, not a number", ""},
		"no constraint":       {"requires = '1.2'", `line 1: "1.2" says no versions of policy`, `write it like this: requires = ">= 1.2" or ">= 1.2, < 2"`},
		"no alias":            {"[recipes]\n\"a b\" = 'oci://h.io/r:1'", `line 2: "a b" is no alias`, ""},
		"std":                 {"[recipes]\nstd = 'oci://h.io/r:1'", "line 2: @std is the standard library", ""},
		"no scheme":           {"[recipes]\na = 'ghcr.io/acme/r:v1'", `line 2: recipes.a: "ghcr.io/acme/r:v1" does not begin with oci://`, "the reference of a recipe looks like oci://ghcr.io/org/recipes:v1"},
		"no registry":         {"[recipes]\na = 'oci://acme/r:v1'", "line 2: recipes.a: \"oci://acme/r:v1\" does not name its registry", ""},
		"no tag":              {"[recipes]\na = 'oci://ghcr.io/acme/r'", "line 2: recipes.a: \"oci://ghcr.io/acme/r\" has neither tag nor digest", ""},
		"a file of a recipe":  {"[recipes]\na = 'oci://ghcr.io/acme/r:v1//x.star'", "names a file in a recipe", ""},
		"nameless":            {"[[policy]]\npath = 'a'", "line 1: a policy without a name", `give it one: name = "authz"`},
		"pathless":            {"[[policy]]\nname = 'a'", `line 1: the policy "a" has no path`, `say where it is: path = "policies/a"`},
		"same name":           {"[[policy]]\nname='a'\npath='a'\n[[policy]]\npath='b'\nname='a'", `line 6: another policy is called "a", too`, ""},
		"outside":             {"[[policy]]\nname='a'\npath='../a'", `line 3: policy.path: "../a" is not a path below`, ""},
		"absolute":            {"[[policy]]\nname='a'\npath='/etc'", `line 3: policy.path: "/etc" is not a path below`, ""},
		"drive":               {"[[policy]]\nname='a'\npath='C:/x'", `line 3: policy.path: "C:/x" is not a path below`, ""},
		"tag":                 {"[[policy]]\nname='a'\npath='a'\ntag='A B'", "line 4: policy.tag: ", "a reference looks like ghcr.io/org/name:tag"},
		"tag with a digest":   {"[[policy]]\nname='a'\npath='a'\ntag='a@sha256:9c1fbb9a5b0c0ed2c3b5b5a5d16f3a8b1f8d3c3f5b5a5d16f3a8b1f8d3c3f5b5'", "line 4: policy.tag: a digest cannot be chosen", ""},
		"tag from the name":   {"[[policy]]\nname='Authz'\npath='a'", `line 1: the policy "Authz" has no tag`, `name its image: tag = "ghcr.io/acme/authz"`},
		"one tag":             {"[[policy]]\nname='a'\npath='a'\n\n[[policy]]\nname='b'\npath='b'\ntag='docker.io/library/a:latest'", `line 5: the policies "a" and "b" have one tag`, ""},
		"nameless recipe":     {"[recipe]\nversion='1.0.0'", "line 1: the recipe has no name", ""},
		"versionless recipe":  {"[recipe]\nname='a'", "line 1: the recipe has no version", ""},
		"version":             {"[recipe]\nname='a'\nversion='1.0'", `line 3: recipe.version: "1.0" is not a semantic version such as 1.2.0`, ""},
		"two lines":           {"[recipe]\nname='a'\nversion='1.0.0'\ndescription='''a\nb'''", "line 4: recipe.description: must be one line of text", ""},
		"source":              {"[recipe]\nname='a'\nversion='1.0.0'\nsource='git@x'", `line 4: recipe.source: "git@x" is not the address of a page`, ""},
		"need":                {"[recipe]\nname='a'\nversion='1.0.0'\n[recipe.needs]\nread=[\n'ghcr.io/a',\n'a*b/c']", "line 7: recipe.needs.read: read:a*b/c: a registry pattern is", ""},
		"a date as a default": {"[defaults]\ntimeout = 1979-05-27", "line 2: defaults.timeout must be a text, a number, true or false, not a date", ""},
		"deep keys":           {"\n" + strings.Repeat("a.", 200_000) + "a = 1", "line 2: too many tables in one another", ""},
		"deep tables":         {"[" + strings.Repeat("a.", 200_000) + "a]", "line 1: too many tables in one another", ""},
		"deep values":         {"a = " + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000), "line 1: too many tables in one another", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, tt.text)
			_, err := project.Load(dir, "1.0.0")
			if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), project.Name+": ") || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %s", err, tt.want)
			}
			if hint := fault.Of(err).Hint; tt.hint != "" && hint != tt.hint {
				t.Errorf("hint %q, want %q", hint, tt.hint)
			}
			if places := fault.Places(err); len(places) != 1 || places[0].Line == 0 {
				t.Errorf("the error is about %v", places)
			}
		})
	}
}

func TestRequires(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		version, requires string
		ok                bool
	}{
		{"1.2.0", ">= 1.2", true},
		{"v1.2.0", ">=1.2", true},
		{"1.1.9", ">= 1.2", false},
		{"1.10.0", ">= 1.9", true},
		{"2.0.0", ">= 1.2, < 2", false},
		{"1.9.9", ">= 1.2, < 2", true},
		{"1.2.0", "> 1.2", false},
		{"1.2.0", "= 1.2.0", true},
		{"1.2.0", "<= 1.2", true},
		{"1.3.0-rc.1", ">= 1.3", true},
		{"1.3.0-rc.1+linux", "= 1.3", true},
		{"dev", ">= 99", true},
		{"v1.2.1-0.20261122115437-94d0a52b0f0c+dirty", ">= 99", true},
	} {
		dir := t.TempDir()
		write(t, dir, "requires = '"+tt.requires+"'\nfrom_later = 1\n")
		_, err := project.Load(dir, tt.version)
		if err == nil {
			t.Fatal("an unknown key was taken")
		}
		if refused := strings.Contains(err.Error(), "line 1: policy "+tt.requires+" is required, and this is "); refused == tt.ok {
			t.Errorf("%s for %s: %v", tt.version, tt.requires, err)
		}
	}
}

func TestNoFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, project.Name), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := project.Load(folder, "1.0.0"); !errors.Is(err, fault.Invalid) {
		t.Errorf("a folder: %v", err)
	}
	large := t.TempDir()
	write(t, large, strings.Repeat("#\n", 1<<19)+"#")
	if _, err := project.Load(large, "1.0.0"); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Errorf("a large one: %v", err)
	}
}
