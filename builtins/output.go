package builtins

import (
	"errors"
	"os"
	"path/filepath"
)

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
