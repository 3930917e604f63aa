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

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// plannedFile is a file that a rehearsal would have written.
type plannedFile struct {
	temp   string // where its content is
	before artifact.Digest
	after  artifact.Digest
	size   int64
}

// rehearsedFiles reads what the run would have written, then the files beneath,
// and writes none of them.
type rehearsedFiles struct {
	Files
	r *Rehearsal
}

// Open opens the planned file of that name, else the real one.
func (f rehearsedFiles) Open(name string) (fs.File, error) {
	real, err := f.target(name)
	if err != nil {
		return f.Files.Open(name) // which says why
	}
	if temp := f.r.planned(real); temp != "" {
		file, err := os.Open(temp)
		return file, fault.File(name, err)
	}
	return f.Files.Open(name)
}

// Create starts a planned file.
func (f rehearsedFiles) Create(name string) (*Output, error) {
	if err := f.MayWrite(name); err != nil {
		return nil, err
	}
	real, err := f.target(name)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(filepath.Dir(real))
	if err == nil && !info.IsDir() {
		return nil, fault.New(fault.Usage, name, "is below a file, not in a folder")
	}
	if err != nil {
		return nil, fault.File(name, err)
	}
	if info, err := os.Stat(real); err == nil && info.IsDir() {
		return nil, fault.New(fault.Usage, name, "is a folder, not a file").WithHint("name a file in it")
	}
	return f.r.create(name, real)
}

// MayWrite fails for a name that may not be written.
func (f rehearsedFiles) MayWrite(name string) error { return mayWrite(f.Files, name) }

// Path is where a file can be read that may only be planned. A folder with
// planned files is copied with them.
func (f rehearsedFiles) Path(name string) (string, error) {
	real, err := f.target(name)
	if err != nil {
		return f.Files.Path(name) // which says why
	}
	if temp := f.r.planned(real); temp != "" {
		return temp, nil
	}
	if f.r.plannedBelow(real) {
		return f.r.tree(real)
	}
	return f.Files.Path(name)
}

// layout is the folder of an OCI layout that is there, or is planned, or shall be
// written.
func (f rehearsedFiles) layout(name string, write bool) (string, error) {
	real, err := f.target(name)
	if err == nil && (write || f.r.known(real) != nil) {
		return real, nil
	}
	return f.Files.Path(name)
}

// Glob lists the real files and the planned ones.
func (f rehearsedFiles) Glob(pattern string) ([]string, error) {
	found, err := f.Files.Glob(pattern)
	if err != nil {
		return found, err
	}
	root, err := f.target(".")
	if err != nil {
		return found, nil // no folder, no files in it
	}
	parts := strings.Split(path.Clean(filepath.ToSlash(pattern)), "/")
	f.r.mu.Lock()
	defer f.r.mu.Unlock()
	for _, real := range f.r.order {
		rel, err := filepath.Rel(root, real)
		if rel = filepath.ToSlash(rel); err == nil && matchParts(parts, strings.Split(rel, "/")) && !slices.Contains(found, rel) {
			found = append(found, rel)
		}
	}
	slices.Sort(found)
	return found, nil
}

// really is where a file or folder is in the world, whatever is planned in it.
func really(files Files, name string) (string, error) {
	if f, ok := files.(interface{ really(string) (string, error) }); ok {
		return f.really(name)
	}
	return files.Path(name)
}

func (f rehearsedFiles) really(name string) (string, error) { return f.target(name) }

// target is the absolute path that a name stands for, whether it is there or not.
// It fails where the caller may not go.
func (f rehearsedFiles) target(name string) (string, error) {
	real, err := f.Files.Path(name)
	if errors.Is(err, fault.NotFound) {
		if real, err = f.target(path.Dir(filepath.ToSlash(name))); err == nil {
			real = filepath.Join(real, filepath.Base(name))
		}
	}
	if err != nil {
		return "", err
	}
	if real, err = filepath.Abs(real); err != nil {
		return "", fault.File(name, err)
	}
	if followed, err := filepath.EvalSymlinks(real); err == nil {
		return followed, nil
	}
	if folder, err := filepath.EvalSymlinks(filepath.Dir(real)); err == nil {
		return filepath.Join(folder, filepath.Base(real)), nil
	}
	return real, nil
}

// create starts the planned file at an absolute path.
func (r *Rehearsal) create(name, real string) (*Output, error) {
	dir, err := r.folder()
	if err != nil {
		return nil, err
	}
	temp, err := os.Create(filepath.Join(dir, filepath.Base(real))) // its ending says what it is
	if err != nil {
		return nil, fault.File(name, err)
	}
	return &Output{name: name, path: real, temp: temp, keep: func(temp string) error { return r.wrote(real, temp) }}, nil
}

// wrote remembers a file, and what the world had in its place.
func (r *Rehearsal) wrote(real, temp string) error {
	after, size, err := fileDigest(temp)
	if err != nil {
		return err
	}
	before, _, err := fileDigest(real)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.files[real]; old == nil {
		r.order = append(r.order, real)
	} else {
		before = old.before
	}
	r.files[real] = &plannedFile{temp, before, after, size}
	return nil
}

// planned is where the content of a planned file is, "" for any other.
func (r *Rehearsal) planned(real string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.files[real]; p != nil {
		return p.temp
	}
	return ""
}

func (r *Rehearsal) plannedBelow(folder string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.order, func(real string) bool {
		return strings.HasPrefix(real, folder+string(filepath.Separator))
	})
}

// tree is a copy of a folder with the planned files in it. What git keeps for
// itself stays out.
func (r *Rehearsal) tree(folder string) (string, error) {
	dir, err := r.folder()
	if err != nil {
		return "", err
	}
	copied := filepath.Join(dir, filepath.Base(folder))
	err = filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // all of it is planned
		}
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || name == r.dir) {
			return fs.SkipDir
		}
		rel, err := filepath.Rel(folder, name)
		if err != nil {
			return err
		}
		return copyEntry(name, filepath.Join(copied, rel), d)
	})
	if err != nil {
		return "", fault.File(folder, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for real, p := range r.files {
		rel, below := strings.CutPrefix(real, folder+string(filepath.Separator))
		if !below {
			continue
		}
		to := filepath.Join(copied, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return "", fault.File(real, err)
		}
		if err := copyFile(p.temp, to); err != nil {
			return "", fault.File(real, err)
		}
	}
	return copied, nil
}

func copyEntry(from, to string, d fs.DirEntry) error {
	switch {
	case d.IsDir():
		return os.MkdirAll(to, 0o700)
	case d.Type()&fs.ModeSymlink != 0:
		link, err := os.Readlink(from)
		if err == nil {
			err = os.Symlink(link, to)
		}
		return err
	case !d.Type().IsRegular():
		return nil
	}
	return copyFile(from, to)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	_ = os.Remove(to) // a link is replaced, not followed
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// unpack plans one entry of a bundle below a folder.
func (r *Rehearsal) unpack(files Files, folder string, h artifact.Header, content io.Reader) error {
	if h.Dir {
		return nil
	}
	real, err := really(files, folder)
	if err != nil {
		return err
	}
	out, err := r.create(path.Join(folder, h.Name), filepath.Join(real, filepath.FromSlash(h.Name)))
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, content); err != nil {
		return err
	}
	return out.Commit()
}

// fileChanges are the files that would differ.
func (r *Rehearsal) fileChanges() []Change {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Change
	for _, real := range r.order {
		p := r.files[real]
		if c, changed := (Change{Where: InFile, Ref: real, Size: p.size}).between(p.before, p.after); changed {
			all = append(all, c)
		}
	}
	return all
}
