package templates

import (
	"embed"
	"io/fs"
	"slices"
	"strings"
)

//go:embed all:recipe
var recipe embed.FS

// Recipe are the files that a new recipe begins with, sorted by name.
func Recipe(name string) []File {
	var all []File
	fill := func(text string) string { return strings.ReplaceAll(text, "@NAME@", name) }
	// The tree is part of the program: reading it cannot fail.
	_ = fs.WalkDir(recipe, "recipe", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(recipe, path)
		all = append(all, File{fill(strings.TrimPrefix(path, "recipe/")), fill(string(text))})
		return err
	})
	slices.SortFunc(all, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return all
}
