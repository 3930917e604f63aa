//go:build !windows

package store_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// TestNoRoomHints leads each lack of room to what mends it: prune makes room on
// a full disk, and helps against no other limit.
func TestNoRoomHints(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err   error
		hint  string
		prune bool
	}{
		{syscall.ENOSPC, "make room", true},
		{syscall.EFBIG, "ulimit -f", false},
		{syscall.EDQUOT, "quota", false},
	} {
		dir := filepath.Join(t.TempDir(), "root")
		mustBuild(t, store.New(dir, store.Options{}), "x/old:1", "old")
		seen := false
		for k := 1; !seen && k < 100; k++ {
			s := store.New(dir, store.Options{FS: &faultFS{at: k, err: tt.err, short: true}})
			_, err := build(t.Context(), s, "x/new:1", []byte("new"))
			if err == nil {
				continue
			}
			f := fault.Of(err)
			seen = strings.Contains(f.Hint, tt.hint)
			if !seen || strings.Contains(f.Hint, "prune") != tt.prune {
				t.Errorf("%v: the hint is %q", tt.err, f.Hint)
				break
			}
		}
		if !seen {
			t.Errorf("%v never failed", tt.err)
		}
	}
}
