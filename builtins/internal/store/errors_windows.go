package store

import (
	"errors"
	"syscall"
)

const (
	errorInvalidFunction  = syscall.Errno(1)
	errorHandleDiskFull   = syscall.Errno(39)
	errorNotSupported     = syscall.Errno(50)
	errorDiskFull         = syscall.Errno(112)
	errorFileTooLarge     = syscall.Errno(223)
	errorTooManyLinks     = syscall.Errno(1142)
	errorDiskQuotaReached = syscall.Errno(1295)
)

func diskFull(err error) bool {
	return errors.Is(err, errorDiskFull) || errors.Is(err, errorHandleDiskFull)
}

func overQuota(err error) bool { return errors.Is(err, errorDiskQuotaReached) }

// tooLarge reports a limit of the file system on one file.
func tooLarge(err error) bool { return errors.Is(err, errorFileTooLarge) }

func noLocks(err error) bool {
	return errors.Is(err, errorNotSupported) || errors.Is(err, errorInvalidFunction)
}

// noLinks reports that the file system has no hard links, or no more of them.
func noLinks(err error) bool {
	return errors.Is(err, errorNotSupported) || errors.Is(err, errorInvalidFunction) || errors.Is(err, errorTooManyLinks)
}
