package builtins

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"github.com/policyhost/policy/runtime/fault"
)

// Files is the file system as far as a caller may see it. Names are as typed.
type Files interface {
	// Open opens a file for reading.
	Open(name string) (fs.File, error)
	// Create starts a file that appears under its name, whole, on Commit. A
	// link is followed, a device or a pipe is written to.
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
	return f, fault.File(name, err)
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
	if _, err := u.Path(name); err != nil && !errors.Is(err, fault.NotFound) {
		return nil, err // create follows links
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
	return root, fault.File(u.Dir, err)
}

func (u Under) outside(name string) error {
	if rel, err := filepath.Rel(u.Dir, name); err == nil && filepath.IsAbs(name) && filepath.IsLocal(rel) {
		return fault.New(fault.Denied, name, "a script cannot use absolute paths").WithHint("write it as %s", filepath.ToSlash(rel))
	}
	return fault.New(fault.Denied, name, "outside the project folder %s", u.Dir).
		WithHint("a script reads and writes below its project folder only; put a policy.toml where the project begins")
}

// fault tells a link that leads out from an ordinary failure: os.Root has no
// error value for it, but all others come from the system and are its numbers.
func (u Under) fault(name string, err error) error {
	if _, system := errors.AsType[syscall.Errno](err); err == nil || system {
		return fault.File(name, err)
	}
	return u.outside(name)
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
		return nil, fault.File(name, err)
	}
	if int64(len(data)) > limit {
		return nil, fault.New(fault.Limit, name, "larger than %d bytes", limit)
	}
	return data, nil
}
