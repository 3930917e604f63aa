package store

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// FS is what the store asks of a file system. The real one is the default;
// tests put one in its place that fails on purpose. Paths are those of the host.
type FS interface {
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	Stat(name string) (fs.FileInfo, error)
	ReadDir(name string) ([]fs.DirEntry, error)
	Mkdir(name string, perm fs.FileMode) error
	Rename(from, to string) error // replaces to
	Link(from, to string) error   // a hard link
	Remove(name string) error
	Chtimes(name string, at time.Time) error
	SyncDir(name string) error // makes names in the folder durable
}

// File is an open file of an [FS].
type File interface {
	io.Reader
	io.ReaderAt
	io.WriterAt
	io.Seeker
	io.Closer
	Stat() (fs.FileInfo, error)
	Truncate(size int64) error
	Chmod(mode fs.FileMode) error
	Sync() error
}

type osFS struct{}

func (osFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err // not f: a nil *os.File in a File is not nil
	}
	return f, nil
}

func (osFS) Stat(name string) (fs.FileInfo, error)      { return os.Stat(name) }
func (osFS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }
func (osFS) Mkdir(name string, perm fs.FileMode) error  { return os.Mkdir(name, perm) }
func (osFS) Rename(from, to string) error               { return rename(from, to) }
func (osFS) Link(from, to string) error                 { return os.Link(from, to) }
func (osFS) Remove(name string) error                   { return os.Remove(name) }
func (osFS) Chtimes(name string, at time.Time) error    { return os.Chtimes(name, at, at) }
func (osFS) SyncDir(name string) error                  { return syncDir(name) }

// makeDir makes a folder and what is above it, each durable in its parent.
func (s *Store) makeDir(dir string) error {
	switch _, err := s.fs.Stat(dir); {
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := s.makeDir(parent); err != nil {
			return err
		}
	}
	if err := s.fs.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return s.fs.SyncDir(parent)
}

// readFile reads a whole file and says which generation of it that was. It
// fails with errChanged when the file grew or shrank meanwhile.
func (s *Store) readFile(name string) ([]byte, fs.FileInfo, error) {
	f, err := s.fs.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	b := make([]byte, before.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errChanged
		}
		return nil, before, err
	}
	after, err := f.Stat()
	if err != nil {
		return nil, before, err
	}
	if !sameFile(before, after) {
		return nil, before, errChanged
	}
	return b, before, nil
}

var errChanged = errors.New("changed while it was read")

// sameFile tells one generation of a file from another, however it was written.
func sameFile(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// writeFile writes b to temp, makes it durable and gives it its name.
func (s *Store) writeFile(temp, name string, b []byte) error {
	err := s.writeTemp(temp, content(b))
	if err == nil {
		err = s.fs.Rename(temp, name)
	}
	if err != nil {
		_ = s.fs.Remove(temp) // the error that counts is the first
		return err
	}
	return s.fs.SyncDir(filepath.Dir(name))
}

// content writes b and nothing else.
func content(b []byte) func(*bufio.Writer) {
	return func(w *bufio.Writer) { _, _ = w.Write(b) }
}

func (s *Store) writeTemp(temp string, write func(*bufio.Writer)) error {
	f, err := s.fs.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(io.NewOffsetWriter(f, 0), 64<<10)
	write(w)
	if err := w.Flush(); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

func shortWrite(n, want int) error {
	if n < want {
		return io.ErrShortWrite
	}
	return nil
}
