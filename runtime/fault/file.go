package fault

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// File turns an error of the file system about name, as it was typed, into a
// fault: NotFound, Denied, Invalid for what is of another sort than it must be,
// and Unavailable for all else. A fault stays as it is; it is nil for nil.
func File(name string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	f := &Error{Kind: Unavailable, Subject: name, Err: err}
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		f.Err = inner.Err // the subject names the path already
	} else if inner, ok := errors.AsType[*os.LinkError](err); ok {
		f.Err = inner.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		f.Kind, f.Err = NotFound, noSuchFile{}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		f.Kind = Denied
	case errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENAMETOOLONG):
		f.Kind = Invalid
	}
	return f
}

// noSuchFile is fs.ErrNotExist in the words of a person.
type noSuchFile struct{}

func (noSuchFile) Error() string        { return "no such file or folder" }
func (noSuchFile) Is(target error) bool { return target == fs.ErrNotExist }
