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

// glob walks only the folders that the pattern can reach.
func glob(fsys fs.FS, pattern string) ([]string, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fault.New(fault.Usage, pattern, "%w", err).WithHint("a pattern has * ? [a-z] and ** for any folders")
	}
	if !strings.Contains(pattern, "**") {
		found, err := fs.Glob(fsys, pattern)
		slices.Sort(found)
		return found, err
	}
	var found []string
	base, _ := fixedPart(pattern)
	err := fs.WalkDir(fsys, base, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		if !d.IsDir() && matchParts(strings.Split(pattern, "/"), strings.Split(name, "/")) {
			found = append(found, name)
		}
		return nil
	})
	return found, fileFault(pattern, err)
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
