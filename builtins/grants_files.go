package builtins

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/policyhost/policy/runtime/fault"
)

// gatedFiles are the files for a recipe: those of its own package as ":NAME", and
// what was granted of the project. What a link points at has to be granted, too.
type gatedFiles struct {
	Files
	p *pass
}

// inPackage is the name of a file of the recipe's package, and whether name is one.
func (f gatedFiles) inPackage(name string) (string, bool) {
	rest, own := strings.CutPrefix(name, ":")
	return path.Clean(filepath.ToSlash(rest)), own
}

// Open opens a file of the package, or one that was granted.
func (f gatedFiles) Open(name string) (fs.File, error) {
	if own, ok := f.inPackage(name); ok {
		if !fs.ValidPath(own) {
			return nil, outsidePackage(name)
		}
		file, err := f.p.Package.Open(own)
		return file, fault.File(name, err)
	}
	if err := f.may(name, false); err != nil {
		return nil, err
	}
	return f.Files.Open(lexical(name))
}

// Create starts a file where writing was granted.
func (f gatedFiles) Create(name string) (*Output, error) {
	if err := f.MayWrite(name); err != nil {
		return nil, err
	}
	return f.Files.Create(lexical(name))
}

// MayWrite fails with Denied for a name where writing was not granted.
func (f gatedFiles) MayWrite(name string) error {
	if _, own := f.inPackage(name); own {
		return fault.New(fault.Denied, name, "nothing is written into the package of a recipe")
	}
	if err := f.may(name, true); err != nil {
		return err
	}
	return mayWrite(f.Files, name)
}

// Glob lists the files of the package that match, or those granted.
func (f gatedFiles) Glob(pattern string) ([]string, error) {
	if own, ok := f.inPackage(pattern); ok {
		found, err := glob(f.p.Package, own)
		for i := range found {
			found[i] = ":" + found[i]
		}
		return found, err
	}
	found, err := f.Files.Glob(pattern)
	var some []string
	for _, name := range found {
		if f.may(name, false) == nil {
			some = append(some, name)
		}
	}
	if base, _ := fixedPart(filepath.ToSlash(pattern)); len(some) == 0 && err == nil {
		err = f.may(base, false) // an empty list could mean that there is nothing
	}
	return some, err
}

// Path is where something granted really is. What is in the package is written to
// disk first.
func (f gatedFiles) Path(name string) (string, error) {
	if own, ok := f.inPackage(name); ok {
		return f.p.own.path(own)
	}
	if err := f.may(name, false); err != nil {
		return "", err
	}
	return f.Files.Path(lexical(name))
}

func (f gatedFiles) really(name string) (string, error) {
	if err := f.may(name, false); err != nil {
		return "", err
	}
	return really(f.Files, lexical(name))
}

func (f gatedFiles) layout(name string, write bool) (string, error) {
	if own, ok := f.inPackage(name); ok && !write {
		return f.p.own.path(own)
	}
	if err := f.may(name, write); err != nil {
		return "", err
	}
	return layoutIn(f.Files, lexical(name), write)
}

// lexical is the name that may asks for, and so the one to use: where a link is
// before a "..", the system means another file.
func lexical(name string) string { return path.Clean(filepath.ToSlash(name)) }

// may asks for a name of the project, as it is written and where it really is.
func (f gatedFiles) may(name string, write bool) error {
	clean := lexical(name)
	if !filepath.IsLocal(filepath.FromSlash(clean)) {
		return f.p.denied("files", name)
	}
	if err := f.mayPath(clean, write); err != nil {
		return err
	}
	root, err := really(f.Files, ".")
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	if err != nil {
		return fault.File(name, err)
	}
	rest := ""
	for at := clean; ; rest, at = path.Join(path.Base(at), rest), path.Dir(at) {
		real, err := really(f.Files, at)
		if err == nil {
			real, err = filepath.EvalSymlinks(real)
		}
		if err == nil {
			rel, err := filepath.Rel(root, real)
			if err != nil {
				return f.p.denied("files", name)
			}
			return f.mayPath(path.Join(filepath.ToSlash(rel), rest), write)
		}
		if at == "." || !errors.Is(err, fault.NotFound) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
}

func (f gatedFiles) mayPath(clean string, write bool) error {
	if write {
		clean += ":rw"
	}
	return f.p.may("files", clean)
}

func outsidePackage(name string) error {
	return fault.New(fault.Denied, name, "outside of the recipe's package")
}

// packageDir is the files of a recipe's package on disk, for what reads trees
// itself. They are written when somebody asks.
type packageDir struct {
	files fs.FS

	mu  sync.Mutex
	dir string
}

func (d *packageDir) path(name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", outsidePackage(":" + name)
	}
	if _, err := fs.Stat(d.files, name); err != nil {
		return "", fault.File(":"+name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dir == "" {
		dir, err := os.MkdirTemp("", "policy-recipe-")
		if err != nil {
			return "", fault.File(os.TempDir(), err)
		}
		if err := os.CopyFS(dir, d.files); err != nil {
			return "", errors.Join(fault.File(dir, err), os.RemoveAll(dir))
		}
		d.dir = dir
	}
	return filepath.Join(d.dir, filepath.FromSlash(name)), nil
}

// Close removes the files.
func (d *packageDir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dir == "" {
		return nil
	}
	return os.RemoveAll(d.dir)
}
