package fault_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/policyhost/policy/runtime/fault"
)

func TestFile(t *testing.T) {
	t.Parallel()
	if err := fault.File("f", nil); err != nil {
		t.Errorf("nothing gives %v", err)
	}
	own := fault.New(fault.Limit, "other", "too long")
	if err := fault.File("f", own); err != own { //nolint:errorlint // untouched
		t.Errorf("a fault became %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	_, missing := os.Open(file)
	rename := os.Rename(file, file+"2")
	for _, tt := range []struct {
		err  error
		want string
	}{
		{missing, "not_found: f: no such file or folder"},
		{rename, "not_found: f: no such file or folder"},
		{&fs.PathError{Op: "open", Path: "/x", Err: syscall.ENOTDIR}, "not_found: f: no such file or folder"},
		{&fs.PathError{Op: "open", Path: "/x", Err: syscall.EACCES}, "denied: f: " + syscall.EACCES.Error()},
		{&os.LinkError{Op: "rename", Old: "/x", New: "/y", Err: syscall.EROFS}, "denied: f: " + syscall.EROFS.Error()},
		{&fs.PathError{Op: "read", Path: "/x", Err: syscall.EISDIR}, "invalid: f: " + syscall.EISDIR.Error()},
		{fmt.Errorf("w: %w", &fs.PathError{Op: "read", Path: "/x", Err: syscall.EIO}), "unavailable: f: " + syscall.EIO.Error()},
		{errors.ErrUnsupported, "unavailable: f: unsupported operation"},
	} {
		f := fault.Of(fault.File("f", tt.err))
		if got := f.Kind.String() + ": " + f.Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	if !errors.Is(fault.File("f", missing), fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
}
