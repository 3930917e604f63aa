//go:build !windows

package store

import (
	"errors"
	"syscall"
)

func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC)
}

func overQuota(err error) bool { return errors.Is(err, syscall.EDQUOT) }

// tooLarge reports a limit of the process or of the file system on one file.
func tooLarge(err error) bool { return errors.Is(err, syscall.EFBIG) }

func noLocks(err error) bool {
	return errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOLCK) || errors.Is(err, syscall.ENOSYS)
}

// noLinks reports that the file system has no hard links, or no more of them.
func noLinks(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS) ||
		errors.Is(err, syscall.EMLINK) || errors.Is(err, syscall.EXDEV)
}
