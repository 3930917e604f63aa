package creds

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// homeVariable names the user's folder.
const homeVariable = "USERPROFILE"

// errSharing is what the system says of a file that is open elsewhere
// (ERROR_SHARING_VIOLATION).
const errSharing = syscall.Errno(32)

// readableByOthers is always false: the mode says nothing here, access is by
// lists that a user's folder passes on to what is made in it.
func readableByOthers(fs.FileMode) bool { return false }

// tryLock takes the lock or fails at once with errLocked: a file that is opened
// without sharing can be open once.
func tryLock(path string) (unlock func(), err error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_WRITE, 0, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	switch {
	case errors.Is(err, errSharing):
		return nil, errLocked
	case err != nil:
		return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
	}
	return func() { syscall.CloseHandle(h) }, nil //nolint:errcheck // the end of the process closes it too
}

// rename replaces to by from. A reader, or a virus scanner, holds the old file
// for moments only.
func rename(from, to string) error {
	var err error
	for wait := time.Millisecond; wait < time.Second; wait *= 2 {
		if err = os.Rename(from, to); err == nil || !errors.Is(err, fs.ErrPermission) && !errors.Is(err, errSharing) {
			return err
		}
		time.Sleep(wait)
	}
	return err
}

// syncFolder does nothing: a folder cannot be synced here.
func syncFolder(string) error { return nil }
