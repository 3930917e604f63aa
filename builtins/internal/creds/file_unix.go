//go:build !windows

package creds

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// homeVariable names the user's folder.
const homeVariable = "HOME"

// readableByOthers reports whether a file is open to more than its owner.
func readableByOthers(mode fs.FileMode) bool { return mode.Perm()&0o077 != 0 }

// tryLock takes the lock or fails at once with errLocked.
func tryLock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, &fs.PathError{Op: "flock", Path: path, Err: err}
	}
	return func() { f.Close() }, nil
}

// rename replaces to by from in one step.
func rename(from, to string) error { return os.Rename(from, to) }

// syncFolder makes a rename survive a loss of power.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
