package templates

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/policyhost/policy/runtime/fault"
)

// Existing are the files that stand where files would be written, as a person
// would type them from where dir is typed. It fails with Conflict when something
// other than a file is in the way, which no overwriting cures, and with Denied
// when a link leads out of dir.
func Existing(dir string, names []string) ([]string, error) {
	if info, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err == nil && !info.IsDir() {
		return nil, fault.New(fault.Usage, dir, "is a file, not a folder").WithHint("name a folder with -o DIR")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fault.File(dir, err)
	}
	defer root.Close()
	var existing []string
	for _, name := range names {
		there, err := exists(root, name)
		if err != nil {
			return nil, about(dir, name, err)
		}
		if there {
			existing = append(existing, typed(dir, name))
		}
	}
	return existing, nil
}

// exists reports whether a file or link has the name. A folder in its place, or a
// file in that of a folder, is an error.
func exists(root *os.Root, name string) (bool, error) {
	for i, r := range name {
		if r != '/' {
			continue
		}
		info, err := root.Stat(name[:i])
		if errors.Is(err, fs.ErrNotExist) {
			if _, err := root.Lstat(name[:i]); err == nil {
				return false, fault.New(fault.Conflict, typed(root.Name(), name[:i]), "a link to nothing is where a folder must be")
			}
			return false, nil
		}
		if err == nil && !info.IsDir() {
			err = fault.New(fault.Conflict, typed(root.Name(), name[:i]), "is a file where a folder must be")
		}
		if err != nil {
			return false, err
		}
	}
	info, err := root.Lstat(name)
	if err == nil && info.IsDir() {
		err = fault.New(fault.Conflict, typed(root.Name(), name), "is a folder where a file must be")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Write puts the files below dir, which it makes if need be, and gives their
// names as [Existing] does. Each file appears whole; until all of them are on the
// disk none appears, and when that fails nothing is left behind.
func Write(ctx context.Context, dir string, files []File) (written []string, err error) {
	w := &writer{dir: dir}
	defer func() { err = w.close(err) }()
	if err := w.open(); err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := w.stage(f); err != nil {
			return nil, about(dir, f.Name, err)
		}
	}
	for i, f := range files {
		if err := w.root.Rename(w.staged[i], f.Name); err != nil {
			return written, about(dir, f.Name, err)
		}
		written = append(written, typed(dir, f.Name))
	}
	return written, nil
}

// writer is a folder that files are written to, and what to undo.
type writer struct {
	dir    string
	root   *os.Root
	above  []string // folders made for the root itself, outermost first
	made   []string // folders made below it
	staged []string // files under names that nobody looks for, in the order of the files
}

func (w *writer) open() error {
	var missing []string
	for at := filepath.Clean(w.dir); ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			break
		}
		missing = append([]string{at}, missing...)
	}
	for _, folder := range missing {
		if err := os.Mkdir(folder, 0o777); err != nil {
			return fault.File(folder, err)
		}
		w.above = append(w.above, folder)
	}
	root, err := os.OpenRoot(w.dir)
	w.root = root
	return fault.File(w.dir, err)
}

// stage writes a file beside where it will stand.
func (w *writer) stage(f File) error {
	folder := path.Dir(f.Name)
	for i, r := range folder + "/" {
		if r != '/' {
			continue
		}
		if err := w.root.Mkdir(folder[:i], 0o777); err == nil {
			w.made = append(w.made, folder[:i])
		} else if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	name := path.Join(folder, "."+path.Base(f.Name)+"."+rand.Text())
	file, err := w.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	w.staged = append(w.staged, name)
	_, err = file.WriteString(f.Content)
	return errors.Join(err, file.Sync(), file.Close())
}

// close gives the folder back; after a failure, as it was.
func (w *writer) close(failed error) error {
	if w.root != nil {
		if failed != nil {
			for _, name := range slices.Concat(w.staged, backwards(w.made)) {
				_ = w.root.Remove(name) // it has its own name already, or holds what has
			}
		}
		failed = fault.Join(failed, fault.File(w.dir, w.root.Close()))
	}
	if failed != nil {
		for _, folder := range backwards(w.above) {
			_ = os.Remove(folder)
		}
	}
	return failed
}

// backwards are folders, inner ones first.
func backwards(folders []string) []string {
	return slices.SortedFunc(slices.Values(folders), func(a, b string) int { return len(b) - len(a) })
}

// typed is a file's name as a person would type it.
func typed(dir, name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }

// about turns an error about a file into a fault. That a link leads out of the
// folder has no error value; all others come from the system and are its numbers.
func about(dir, name string, err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if _, system := errors.AsType[syscall.Errno](err); !system {
		return fault.New(fault.Denied, typed(dir, name), "a link on the way leads out of %s", dir).
			WithHint("remove the link, or name its target with -o DIR")
	}
	return fault.File(typed(dir, name), err)
}
