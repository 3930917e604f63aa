package main

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/policyhost/policy/cmd/internal/project"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

// sources are the pipelines and modules of a project, by path below its root with
// slashes, and what each loads.
type sources map[string][]string

// allSources reads those below the root. Hidden folders, what is vendored, and
// folders that are projects of their own are left out.
func allSources(root string) (sources, error) {
	all := sources{}
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrPermission) && name != root:
			return fs.SkipDir
		case err != nil:
			return fault.File(name, err)
		case e.IsDir() && name != root && isForeign(root, name, e.Name()):
			return fs.SkipDir
		case e.Type().IsRegular() && path.Ext(name) == ".star":
			return all.read(root, name)
		}
		return nil
	})
	return all, err
}

func isForeign(root, folder, base string) bool {
	if strings.HasPrefix(base, ".") || folder == filepath.Join(root, "vendor") {
		return true
	}
	_, err := os.Stat(filepath.Join(folder, project.Name))
	return err == nil
}

// sourcesFrom reads a pipeline and the files of the project that it loads.
func sourcesFrom(root, file string) (sources, error) {
	all := sources{}
	full, err := filepath.Abs(file)
	if err != nil {
		return nil, fault.File(file, err)
	}
	if err := all.read(root, full); err != nil {
		return nil, err
	}
	for waiting := all.names(); len(waiting) > 0; waiting = waiting[1:] {
		for _, load := range all[waiting[0]] {
			next := localFile(waiting[0], load)
			if _, known := all[next]; known || next == "" {
				continue
			}
			if all.read(root, filepath.Join(root, filepath.FromSlash(next))) == nil { // else its load statement fails, and says why
				waiting = append(waiting, next)
			}
		}
	}
	return all, nil
}

// localFile is the path of what a file of the project loads, if that is one, too.
func localFile(from, load string) string {
	pkg, file, err := runtime.SplitLoad(load)
	switch {
	case err != nil || pkg != "" || strings.HasPrefix(load, "@"):
		return ""
	case strings.HasPrefix(file, "//"):
		return path.Clean(file[2:])
	}
	return path.Join(path.Dir(from), strings.TrimPrefix(file, ":"))
}

func (s sources) read(root, name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return unreadable(name, err)
	}
	rel, err := filepath.Rel(root, name)
	if err != nil {
		return fault.File(name, err)
	}
	s[filepath.ToSlash(rel)] = runtime.LoadNames(text)
	return tooLarge(name, text)
}

// names are the files, sorted.
func (s sources) names() []string {
	var all []string
	for name := range s {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// loads are the packages that the files load from, as they name them, each with
// the files that do.
func (s sources) loads() map[string][]string {
	all := map[string][]string{}
	for _, name := range s.names() {
		for _, load := range s[name] {
			if pkg, _, err := runtime.SplitLoad(load); err == nil && pkg != "" && !slices.Contains(all[pkg], name) {
				all[pkg] = append(all[pkg], name)
			}
		}
	}
	return all
}
