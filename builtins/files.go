package builtins

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/policyhost/policy/runtime/fault"
)

// Files is the file system as far as a caller may see it. Names are as typed.
type Files interface {
	// Open opens a file for reading.
	Open(name string) (fs.File, error)
	// Create starts a file that appears under its name, whole, on Commit.
	Create(name string) (*Output, error)
	// Glob lists the files that match a pattern, sorted; ** crosses folders.
	Glob(pattern string) ([]string, error)
	// Path is where a file or folder really is, for the rooms that read trees
	// themselves. It fails when the caller may not go there.
	Path(name string) (string, error)
}

// Anywhere is the whole file system, relative to the working folder: what a
// person at the command line has.
type Anywhere struct{}

// Open opens the file at name.
func (Anywhere) Open(name string) (fs.File, error) {
	f, err := os.Open(name)
	return f, fileFault(name, err)
}

// Create starts the file at name.
func (Anywhere) Create(name string) (*Output, error) { return create(name, name) }

// Glob matches from the working folder, or from the pattern's fixed part when
// that is absolute or climbs.
func (Anywhere) Glob(pattern string) ([]string, error) {
	base, rest := fixedPart(filepath.ToSlash(pattern))
	found, err := glob(os.DirFS(filepath.FromSlash(base)), rest)
	if base != "." {
		for i := range found {
			found[i] = path.Join(base, found[i])
		}
	}
	return found, err
}

// Path is name itself.
func (Anywhere) Path(name string) (string, error) { return name, nil }

// Under is one folder and nothing outside it, links included: what a script has.
type Under struct{ Dir string }

// Open opens a file below the folder.
func (u Under) Open(name string) (fs.File, error) {
	root, err := u.open(name)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(filepath.FromSlash(name))
	return f, u.fault(name, err)
}

// Create starts a file below the folder.
func (u Under) Create(name string) (*Output, error) {
	real, err := u.Path(path.Dir(filepath.ToSlash(name)))
	if err != nil {
		return nil, err
	}
	return create(name, filepath.Join(real, filepath.Base(name)))
}

// Glob matches below the folder.
func (u Under) Glob(pattern string) ([]string, error) {
	root, err := u.open(pattern)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return glob(root.FS(), path.Clean(filepath.ToSlash(pattern)))
}

// Path is the real path of a file or folder below the folder.
func (u Under) Path(name string) (string, error) {
	root, err := u.open(name)
	if err != nil {
		return "", err
	}
	defer root.Close()
	if _, err := root.Stat(filepath.FromSlash(name)); err != nil {
		return "", u.fault(name, err)
	}
	return filepath.Join(u.Dir, filepath.FromSlash(name)), nil
}

func (u Under) open(name string) (*os.Root, error) {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return nil, u.outside(name)
	}
	root, err := os.OpenRoot(u.Dir)
	return root, fileFault(u.Dir, err)
}

func (u Under) outside(name string) error {
	return fault.New(fault.Denied, name, "outside the project folder %s", u.Dir).
		WithHint("a script reads and writes below its project folder only; put a policy.toml where the project begins")
}

// fault tells a link that leads out from an ordinary failure: os.Root has no
// error value for it, but a name that Lstat knows and Stat refuses is one.
func (u Under) fault(name string, err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return fileFault(name, err)
	}
	root, rootErr := os.OpenRoot(u.Dir)
	if rootErr != nil {
		return fileFault(name, err)
	}
	defer root.Close()
	if target, statErr := os.Stat(filepath.Join(u.Dir, filepath.FromSlash(name))); statErr == nil && target != nil {
		return u.outside(name)
	}
	return fileFault(name, err)
}

// Output is a file being written. Nothing stands under its name before Commit.
type Output struct {
	name, path string
	temp       *os.File
	done       bool
}

func create(name, path string) (*Output, error) {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, fileFault(name, err)
	}
	return &Output{name: name, path: path, temp: temp}, nil
}

// Write adds to the file.
func (o *Output) Write(p []byte) (int, error) {
	n, err := o.temp.Write(p)
	return n, fileFault(o.name, err)
}

// Commit puts the file under its name, replacing what was there.
func (o *Output) Commit() error {
	o.done = true
	err := errors.Join(o.temp.Chmod(0o644), o.temp.Sync(), o.temp.Close())
	if err == nil {
		err = os.Rename(o.temp.Name(), o.path)
	}
	if err != nil {
		_ = os.Remove(o.temp.Name())
	}
	return fileFault(o.name, err)
}

// Close drops the file unless it was committed.
func (o *Output) Close() error {
	if o.done {
		return nil
	}
	o.done = true
	return errors.Join(o.temp.Close(), os.Remove(o.temp.Name()))
}

// realPaths are where files really are, and as what each was typed.
func realPaths(files Files, names []string) (real []string, typed map[string]string, err error) {
	typed = map[string]string{}
	for _, name := range names {
		path, err := files.Path(name)
		if err != nil {
			return nil, nil, err
		}
		real = append(real, path)
		typed[path] = name
	}
	return real, typed, nil
}

// readAll reads a whole file of at most limit bytes.
func readAll(files Files, name string, limit int64) ([]byte, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fileFault(name, err)
	}
	if int64(len(data)) > limit {
		return nil, fault.New(fault.Limit, name, "larger than %d bytes", limit)
	}
	return data, nil
}

// fileFault gives a file error its kind; it is nil for nil.
func fileFault(name string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	cause := err
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		cause = pathErr.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.NotFound, name, "no such file or folder")
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Denied, name, "%w", cause)
	}
	return fault.New(fault.Unavailable, name, "%w", cause)
}

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
