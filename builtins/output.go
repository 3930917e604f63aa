package builtins

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// Output is a file being written. Nothing stands under its name before Commit.
// A device or a pipe is written as it is, and stays what it is.
type Output struct {
	name, path string
	temp       *os.File
	size       int64
	out        store.WriteOut
	device     bool
	done       bool
	keep       func(temp string) error // takes the finished file instead, in a rehearsal
	mode       fs.FileMode             // 0 is 0644
}

func create(name, path string) (*Output, error) {
	// Renaming over a link would put a file in its place: /dev/stdout is one.
	if info, err := os.Stat(path); err == nil {
		switch {
		case info.IsDir():
			return nil, fault.New(fault.Usage, name, "is a folder, not a file").WithHint("name a file in it")
		case !info.Mode().IsRegular():
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			return &Output{name: name, path: path, temp: f, device: true}, fault.File(name, err)
		}
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return nil, fault.File(name, err)
		}
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, fault.File(name, err)
	}
	return &Output{name: name, path: path, temp: temp}, nil
}

// Permit says which permissions the file gets; without it, 0644. A device or a
// pipe keeps its own.
func (o *Output) Permit(mode fs.FileMode) { o.mode = mode.Perm() }

// Write adds to the file.
func (o *Output) Write(p []byte) (int, error) {
	n, err := o.temp.Write(p)
	o.size += int64(n)
	if !o.device {
		o.out.UpTo(o.temp, o.size)
	}
	return n, fault.File(o.name, err)
}

// Commit puts the file under its name, replacing what was there.
func (o *Output) Commit() error {
	o.done = true
	if o.device {
		return fault.File(o.name, o.temp.Close())
	}
	if o.keep != nil {
		return fault.File(o.name, errors.Join(o.temp.Close(), o.keep(o.temp.Name())))
	}
	err := errors.Join(o.temp.Chmod(cmp.Or(o.mode, 0o644)), o.temp.Sync(), o.temp.Close())
	if err == nil {
		err = os.Rename(o.temp.Name(), o.path)
	}
	if err != nil {
		_ = os.Remove(o.temp.Name())
	}
	return fault.File(o.name, err)
}

// Close drops the file unless it was committed.
func (o *Output) Close() error {
	if o.done {
		return nil
	}
	o.done = true
	if o.device {
		return o.temp.Close()
	}
	return errors.Join(o.temp.Close(), os.Remove(o.temp.Name()))
}
