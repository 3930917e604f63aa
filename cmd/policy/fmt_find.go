package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/policyhost/policy/runtime/fault"
)

// sourceFiles are the policies and pipelines that paths name or hold, each once.
// Hidden files and links in folders are left out. It fails with NotFound when
// there is none, and with Usage for a file that is neither.
func sourceFiles(paths, ignore []string) ([]string, error) {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	var all []string
	seen := map[string]bool{}
	add := func(name string) {
		full := name
		if abs, err := filepath.Abs(name); err == nil {
			full = abs
		}
		if !seen[full] {
			seen[full] = true
			all = append(all, name)
		}
	}
	for _, p := range paths {
		info, err := os.Stat(p)
		switch {
		case err != nil:
			return nil, fault.File(p, err)
		case !info.IsDir() && !isSource(p):
			return nil, fault.New(fault.Usage, p, "neither a policy (.rego) nor a pipeline (.star)")
		case !info.IsDir():
			add(filepath.Clean(p))
			continue
		}
		err = filepath.WalkDir(p, func(name string, e fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return fault.File(name, err)
			case name != p && (strings.HasPrefix(e.Name(), ".") || isIgnored(ignore, e.Name(), name)):
				if e.IsDir() {
					return fs.SkipDir
				}
			case e.Type().IsRegular() && isSource(name):
				add(name)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if len(all) == 0 {
		return nil, fault.New(fault.NotFound, strings.Join(paths, ", "), "no .rego and no .star files")
	}
	return all, nil
}

func isSource(name string) bool {
	ext := filepath.Ext(name)
	return ext == ".rego" || ext == ".star"
}
