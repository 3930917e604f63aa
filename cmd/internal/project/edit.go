package project

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/runtime/fault"
)

// AddRecipe lets the project load a recipe by an alias: it writes the line into
// policy.toml, in place of the one that the alias has, and leaves everything else
// there as it is. Without the file it makes it. It fails with Usage for what is no
// alias or no reference of a recipe, and when the file cannot be written.
func (p *Project) AddRecipe(alias, ref string) error {
	for _, err := range []error{checkAlias(alias), checkRef(ref)} {
		if err != nil {
			f := *fault.Of(err)
			f.Kind = fault.Usage
			return &f
		}
	}
	return p.edit(func(recipes map[string]string) { recipes[alias] = ref }, func(o *outline) []byte { return o.with(alias, ref) })
}

// RemoveRecipe takes the line of an alias out of policy.toml. It fails with
// NotFound when there is none, and when the file cannot be written.
func (p *Project) RemoveRecipe(alias string) error {
	if _, ok := p.Recipes[alias]; !ok {
		known := slices.Sorted(maps.Keys(p.Recipes))
		f := fault.New(fault.NotFound, p.name(), "there is no recipe with the alias %q", alias)
		if near := fault.Nearest(alias, known); near != "" {
			return f.WithHint("did you mean %q?", near)
		}
		if len(known) > 0 {
			return f.WithHint("there are %s", strings.Join(known, ", "))
		}
		return f
	}
	return p.edit(func(recipes map[string]string) { delete(recipes, alias) }, func(o *outline) []byte { return o.without(alias) })
}

// name is the file's, also of one that is not there yet.
func (p *Project) name() string {
	if p.File == "" {
		return shown(filepath.Join(p.Root, Name))
	}
	return p.File
}

// edit changes the text of the file as it is now, and makes sure that the recipes
// changed in that way and nothing else.
func (p *Project) edit(change func(map[string]string), rewrite func(*outline) []byte) error {
	path := filepath.Join(p.Root, Name)
	mode := fs.FileMode(0o644)
	text, err := read(path)
	switch {
	case err == nil:
		if info, err := os.Stat(path); err == nil {
			mode = info.Mode()
		}
	case !errors.Is(err, fs.ErrNotExist):
		return fault.File(p.name(), err)
	}
	before, after := Project{File: p.name()}, Project{File: p.name()}
	if err := before.parse(text, ""); err != nil {
		return err
	}
	fresh := rewrite(outlined(text))
	want := maps.Clone(before.Recipes)
	if want == nil {
		want = map[string]string{}
	}
	change(want)
	if err := after.parse(fresh, ""); err != nil || !maps.Equal(after.Recipes, want) || len(after.Policies) != len(before.Policies) {
		return fault.New(fault.Invalid, p.name(), "its [recipes] are written in a way that only people can change").
			WithHint("write them as a table, one line for each recipe")
	}
	if !bytes.Equal(text, fresh) {
		if err := write(p.name(), path, fresh, mode); err != nil {
			return err
		}
	}
	p.File, p.Recipes = p.name(), after.Recipes
	return nil
}

// write replaces the file as a whole.
func write(name, path string, text []byte, mode fs.FileMode) error {
	out, err := builtins.Anywhere{}.Create(path)
	if err == nil {
		defer out.Close()
		out.Permit(mode)
		_, err = out.Write(text)
	}
	if err == nil {
		err = out.Commit()
	}
	if err == nil {
		return nil
	}
	f := *fault.Of(err)
	f.Subject = name
	return &f
}

// line is the pair that gives an alias its reference.
func line(alias, ref string) string { return alias + " = " + quoted(ref) }

// quoted is a reference as a text of TOML; what is one has nothing to escape.
func quoted(ref string) string { return `"` + ref + `"` }
