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

// Under is one folder and nothing outside it, links included, but for the folders
// that are granted: what a script has. Folders are absolute.
type Under struct {
	Dir   string
	Read  []string // also read
	Write []string // also read and written
}

// Open opens a file below the folder.
func (u Under) Open(name string) (fs.File, error) {
	root, rel, err := u.open(name)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(rel)
	return f, u.fault(name, err)
}

// Create starts a file below the folder.
func (u Under) Create(name string) (*Output, error) {
	if err := u.MayWrite(name); err != nil {
		return nil, err
	}
	real, err := u.Path(path.Dir(filepath.ToSlash(name)))
	if err != nil {
		return nil, err
	}
	if _, err := u.Path(name); err != nil && !errors.Is(err, fault.NotFound) {
		return nil, err // create follows links
	}
	return create(name, filepath.Join(real, filepath.Base(name)))
}

// MayWrite fails with Denied for a name that may not be written.
func (u Under) MayWrite(name string) error {
	_, _, err := u.locate(name, "write", u.Write)
	return err
}

// Glob matches below the folder.
func (u Under) Glob(pattern string) ([]string, error) {
	root, rel, err := u.open(pattern)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	typed, rel := path.Clean(filepath.ToSlash(pattern)), path.Clean(filepath.ToSlash(rel))
	found, err := glob(root.FS(), rel)
	for i := range found {
		found[i] = strings.TrimSuffix(typed, rel) + found[i]
	}
	return found, err
}

// Path is the real path of a file or folder below the folder.
func (u Under) Path(name string) (string, error) {
	root, rel, err := u.open(name)
	if err != nil {
		return "", err
	}
	defer root.Close()
	if _, err := root.Stat(rel); err != nil {
		return "", u.fault(name, err)
	}
	return filepath.Join(root.Name(), rel), nil
}

// open opens the folder in which a name may be read, and gives the name from there.
func (u Under) open(name string) (*os.Root, string, error) {
	dir, rel, err := u.locate(name, "read", slices.Concat(u.Read, u.Write))
	if err != nil {
		return nil, "", err
	}
	root, err := os.OpenRoot(dir)
	return root, rel, fault.File(dir, err)
}

// locate finds the folder that a name is below, among Dir and those granted.
func (u Under) locate(name, to string, granted []string) (dir, rel string, err error) {
	rel = filepath.FromSlash(name)
	if filepath.IsLocal(rel) {
		return u.Dir, rel, nil
	}
	if !filepath.IsAbs(rel) {
		rel = filepath.Join(u.Dir, rel)
	}
	for _, dir := range granted {
		if below, err := filepath.Rel(dir, rel); err == nil && filepath.IsLocal(below) {
			return dir, below, nil
		}
	}
	return "", "", u.outside(name, to)
}

func (u Under) outside(name, to string) error {
	if rel, err := filepath.Rel(u.Dir, name); err == nil && filepath.IsAbs(name) && filepath.IsLocal(rel) {
		return fault.New(fault.Denied, name, "a script cannot use absolute paths").WithHint("write it as %s", filepath.ToSlash(rel))
	}
	return fault.New(fault.Denied, name, "outside the project folder %s", u.Dir).
		WithHint("a script reads and writes below its project folder only; more is granted by policy run --allow-%s DIR", to)
}

// fault tells a link that leads out from an ordinary failure: os.Root has no
// error value for it, but all others come from the system and are its numbers.
func (u Under) fault(name string, err error) error {
	if _, system := errors.AsType[syscall.Errno](err); err == nil || system {
		return fault.File(name, err)
	}
	return u.outside(name, "read")
}

// mayWrite fails with Denied for a name that files only let be read.
func mayWrite(files Files, name string) error {
	if w, ok := files.(interface{ MayWrite(string) error }); ok {
		return w.MayWrite(name)
	}
	return nil
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
