package main

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/policyhost/policy/runtime/fault"
)

// foundTests are the files that policy test is about.
type foundTests struct {
	policies [][]string // what is compiled and tested together
	tests    []string   // *_test.star
	scripts  []string   // the other .star files
}

// findTests looks below paths. It fails with NotFound for a path that is not
// there.
func findTests(paths, ignore []string) (*foundTests, error) {
	found := new(foundTests)
	var together []string
	for _, p := range paths {
		info, err := os.Stat(p)
		switch {
		case err != nil:
			return nil, fault.File(p, err)
		case !info.IsDir() && path.Ext(p) == ".star":
			found.addScript(filepath.Clean(p))
			continue
		case !info.IsDir():
			together = append(together, p)
			continue
		}
		before := len(found.tests) + len(found.scripts)
		alone, err := found.walk(p, p, ignore)
		if err != nil {
			return nil, err
		}
		if len(found.tests)+len(found.scripts) == before {
			together = append(together, p) // a policy, and nothing but
			continue
		}
		for _, folder := range alone {
			found.policies = append(found.policies, []string{folder})
		}
	}
	if len(together) > 0 {
		found.policies = append([][]string{together}, found.policies...)
	}
	return found, nil
}

func (f *foundTests) addScript(name string) {
	if strings.HasSuffix(name, "_test.star") {
		f.tests = append(f.tests, name)
	} else {
		f.scripts = append(f.scripts, name)
	}
}

// walk gathers the scripts below a folder, which is top or below it, and the folders that are a policy: the
// outermost that hold no script, not below either, and those with Rego of their
// own.
func (f *foundTests) walk(top, folder string, ignore []string) (policies []string, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fault.File(folder, err)
	}
	own, scripts := false, len(f.tests)+len(f.scripts)
	for _, e := range entries {
		name := filepath.Join(folder, e.Name())
		if strings.HasPrefix(e.Name(), ".") || isIgnored(ignore, top, name) {
			continue
		}
		switch {
		case e.IsDir() && e.Name() == "testdata": // what tests are about, and golden files
		case e.IsDir():
			below, err := f.walk(top, name, ignore)
			if errors.Is(err, fs.ErrPermission) {
				continue
			}
			if err != nil {
				return nil, err
			}
			policies = append(policies, below...)
		case path.Ext(name) == ".star":
			f.addScript(name)
		case path.Ext(name) == ".rego":
			own = true
		}
	}
	if own || len(policies) > 0 && len(f.tests)+len(f.scripts) == scripts {
		return []string{folder}, nil
	}
	return policies, nil
}

// isIgnored reports whether a pattern names the file, or its path below top.
func isIgnored(patterns []string, top, name string) bool {
	rel, err := filepath.Rel(top, name)
	if err != nil {
		rel = name
	}
	for _, p := range patterns {
		p = strings.Trim(filepath.ToSlash(p), "/")
		byBase, _ := path.Match(p, filepath.Base(name))
		byPath, _ := path.Match(p, filepath.ToSlash(rel))
		if byBase || byPath {
			return true
		}
	}
	return false
}
