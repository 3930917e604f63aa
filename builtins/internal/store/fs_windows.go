package store

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

const errorSharingViolation = syscall.Errno(32)

// rename retries for two seconds: a reader or a virus scanner that has the file
// open makes Windows refuse.
func rename(from, to string) error {
	for delay := time.Millisecond; ; delay *= 2 {
		err := os.Rename(from, to)
		if err == nil || delay > time.Second ||
			!errors.Is(err, fs.ErrPermission) && !errors.Is(err, errorSharingViolation) {
			return err
		}
		_ = os.Chmod(to, 0o644) // a read-only target is refused, too
		time.Sleep(delay)
	}
}

// syncDir does nothing: Windows has no way to sync a folder and keeps renames
// in its journal.
func syncDir(string) error { return nil }

// lockName is the file that is locked while part is written: one beside it,
// because Windows refuses to write or rename what another handle has locked.
func lockName(part string) string { return part + ".lock" }
