package embedded

import (
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/policyhost/policy/runtime/fault"
)

// TestFullDisk holds that clients do not try again against a full disk, and are
// not told where on it the registry lives.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	full := &fs.PathError{Op: "write", Path: "/srv/secret", Err: syscall.ENOSPC}
	if p := asProblem(fault.New(fault.Unavailable, "/srv/secret", "storing a blob: %w", full)); p.status != 507 || strings.Contains(p.message, "secret") {
		t.Errorf("got %d, %s", p.status, p.message)
	}
	if p := asProblem(fault.New(fault.Unavailable, "", "busy")); p.status != 503 {
		t.Errorf("got %d, %s", p.status, p.message)
	}
}
