package creds

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/policyhost/policy/runtime/fault"
)

// lockTimeout is how long a login waits for another to write its file.
const lockTimeout = 10 * time.Second

// edit changes "auths" in our file, as it is now and alone. All else in the file
// keeps its place and its value.
func (k *Keyring) edit(ctx context.Context, change func(auths object) object) error {
	from := k.ours()
	if err := os.MkdirAll(k.o.Root, 0o700); err != nil {
		return fileFault("making", k.o.Root, err)
	}
	unlock, err := lock(ctx, from.path+".lock", lockTimeout)
	if err != nil {
		return err
	}
	defer unlock()
	file, err := k.read(from)
	if err != nil {
		return err
	}
	auths, err := file.section("auths")
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, file.top.with("auths", change(auths).encode()).encode(), "", "\t"); err != nil {
		return fmt.Errorf("writing %s: %w", from.path, err)
	}
	b.WriteByte('\n')
	if info, err := os.Stat(from.path); err == nil && bytes.Equal(b.Bytes(), file.data) && !readableByOthers(info.Mode()) {
		return nil // a file that is right need not be writable
	}
	if err := replaceFile(from.path, b.Bytes()); err != nil {
		return fileFault("writing", from.path, err)
	}
	return nil
}

// lock waits until this process alone writes the file that path belongs to. The
// system lets go of it when the process ends, however that happens.
func lock(ctx context.Context, path string, wait time.Duration) (unlock func(), err error) {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		unlock, err := tryLock(path)
		switch {
		case err == nil:
			return unlock, nil
		case !errors.Is(err, errLocked):
			return nil, fileFault("locking", path, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for %s: %w", path, ctx.Err())
		case <-deadline.C:
			return nil, fault.New(fault.Conflict, "", "%s is held by another login", path).
				WithHint("end the other policy login or logout, and try again")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// errLocked says that another process, or another call, holds the lock.
var errLocked = errors.New("locked")

// replaceFile puts data in the place of path in one step, readable by the user
// alone. The caller holds the lock, so one name for the new file is enough, and
// what a killed process left there is written over.
func replaceFile(path string, data []byte) (err error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // kept with other settings elsewhere
	}
	temp := path + ".tmp"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(temp)
		}
	}()
	if err := f.Chmod(0o600); err != nil && !errors.Is(err, errors.ErrUnsupported) { // whatever the umask
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := rename(temp, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// fileFault sorts what the system says about a file: who has to act.
func fileFault(doing, path string, err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return fmt.Errorf("%s %s: %w", doing, path, err)
	}
	cause := err
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		cause = p.Err // the path stands before it
	}
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fault.New(fault.Denied, "", "%s %s: %w", doing, path, cause).
			WithHint("see who owns it: ls -l %s", path)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, fs.ErrExist):
		return fault.New(fault.Invalid, "", "%s %s: %w", doing, path, cause)
	}
	return fault.New(fault.Unavailable, "", "%s %s: %w", doing, path, cause)
}
