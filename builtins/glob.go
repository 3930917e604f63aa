package builtins

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/policyhost/policy/runtime/fault"
)

// fixedPart splits a pattern into the folder before its first wildcard and the
// rest.
func fixedPart(pattern string) (base, rest string) {
	parts := strings.Split(path.Clean(pattern), "/")
	n := 0
	for n < len(parts)-1 && !strings.ContainsAny(parts[n], `*?[\`) {
		n++
	}
	base = strings.Join(parts[:n], "/")
	if base == "" {
		base = "."
		if strings.HasPrefix(pattern, "/") {
			base = "/"
		}
	}
	return base, strings.Join(parts[n:], "/")
}

// glob gives the files that a pattern matches, sorted. It reads only the folders
// that the pattern can reach.
func glob(fsys fs.FS, pattern string) ([]string, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fault.New(fault.Usage, pattern, "%w", err).WithHint("a pattern has * ? [a-z] and ** for any folders")
	}
	match := fs.Glob
	if strings.Contains(pattern, "**") {
		match = walk
	}
	found, err := match(fsys, pattern)
	found = slices.DeleteFunc(found, func(name string) bool { // also links that lead to none, or out of the folder
		info, err := fs.Stat(fsys, name)
		return err != nil || info.IsDir()
	})
	slices.Sort(found)
	return found, fault.File(pattern, err)
}

// walk is fs.Glob for patterns with **.
func walk(fsys fs.FS, pattern string) (found []string, err error) {
	base, _ := fixedPart(pattern)
	parts := strings.Split(pattern, "/")
	err = fs.WalkDir(fsys, base, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && !d.IsDir() && matchParts(parts, strings.Split(name, "/")) {
			found = append(found, name)
		}
		return err
	})
	return found, err
}

func matchParts(pattern, name []string) bool {
	if len(pattern) == 0 {
		return len(name) == 0
	}
	if pattern[0] == "**" {
		for skip := range len(name) + 1 {
			if matchParts(pattern[1:], name[skip:]) {
				return true
			}
		}
		return false
	}
	if len(name) == 0 {
		return false
	}
	ok, _ := path.Match(pattern[0], name[0])
	return ok && matchParts(pattern[1:], name[1:])
}
