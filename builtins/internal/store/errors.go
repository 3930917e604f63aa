package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/policyhost/policy/runtime/fault"
)

// diskFault turns an error of the file system into a fault, by type. A fault or
// the end of a context stays what it is.
func diskFault(doing string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	path, cause := "", err
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		path, cause = e.Path, e.Err
	} else if e, ok := errors.AsType[*os.LinkError](err); ok {
		path, cause = e.New, e.Err
	}
	if path != "" {
		path = fmt.Sprintf("%q", path)
	}
	kind, hint := fault.Unavailable, ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = fault.NotFound
	case readOnly(err):
		kind, hint = fault.Denied, "see who owns the store and may write it; POLICY_FILE_STORE_ROOT names another place"
	case tooLarge(err):
		hint = "files may not be larger here: see ulimit -f, or keep the store elsewhere with POLICY_FILE_STORE_ROOT"
	case overQuota(err):
		hint = "your quota on this disk is used up: make room, or keep the store elsewhere with POLICY_FILE_STORE_ROOT"
	case diskFull(err):
		hint = "make room: policy store prune"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		hint = "raise the limit of open files: ulimit -n 1024"
	case errors.Is(err, syscall.ENOTDIR):
		kind, hint = fault.Invalid, "the store needs a folder; POLICY_FILE_STORE_ROOT names another place"
	case errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENAMETOOLONG):
		kind = fault.Invalid
	case errors.Is(err, fs.ErrClosed):
		kind = fault.Internal
	case errors.Is(err, io.ErrShortWrite):
		hint = "see how much room is left on the disk"
	}
	return fault.New(kind, path, "%s: %w", doing, cause).WithHint("%s", hint)
}

// readOnly reports that we may not write or read here.
func readOnly(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// lockFault is diskFault for a lock: a file system without locks is named.
func lockFault(path string, err error) error {
	if noLocks(err) {
		return fault.New(fault.Unavailable, fmt.Sprintf("%q", path), "this file system has no locks: %w", err).
			WithHint("keep the store on a local disk: POLICY_FILE_STORE_ROOT=DIR")
	}
	return diskFault("locking the store", err)
}

func (s *Store) invalidIndex(err error) error {
	return fault.New(fault.Invalid, fmt.Sprintf("%q", s.path(indexFile)), "not a readable index: %w", err).
		WithHint("policy store repair rebuilds it; nothing was changed")
}

func canceled(ctx context.Context, doing string) error {
	if ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
}
