//go:build !windows

package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// A stopped process holds the lock: who waits is told its pid, can give up, and
// goes on at once when it is killed.
func TestStoppedHolder(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	img := mustBuild(t, s, "x/y:1", "layer")
	holder, _ := start(t, "index", s.Dir())
	if err := holder.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	pid := fmt.Sprintf("pid %d (%s)", holder.Process.Pid, filepath.Base(os.Args[0]))
	tag := func(ctx context.Context, o store.Options, name string) error {
		tx, err := store.New(s.Dir(), o).Begin(ctx)
		if err != nil {
			return err
		}
		defer tx.Close()
		return tx.Tag(ctx, store.Entry{Name: name, Descriptor: img.manifest})
	}

	begin := time.Now()
	err := tag(t.Context(), store.Options{LockTimeout: 200 * time.Millisecond}, "x/y:2")
	wantKind(t, err, fault.Conflict)
	if took := time.Since(begin); took < 200*time.Millisecond {
		t.Errorf("gave up after %v", took)
	}
	if !strings.Contains(err.Error(), pid) || !strings.Contains(fault.Of(err).Hint, "--lock-timeout") {
		t.Errorf("does not say %q: %v", pid, err)
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	because := errors.New("Ctrl-C")
	cancel(because)
	if err := tag(ctx, store.Options{}, "x/y:3"); !errors.Is(err, because) {
		t.Errorf("got %v", err)
	}

	told := make(chan string, 2)
	done := make(chan error)
	go func() {
		done <- tag(t.Context(), store.Options{Waiting: func(holder string) { told <- holder }}, "x/y:4")
	}()
	if got := <-told; got != pid {
		t.Errorf("waiting for %q, want %q", got, pid)
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(told) > 0 {
		t.Error("told twice")
	}
	wantNames(t, s, "x/y:1", "x/y:4")
	wantSound(t, s)
}

// Prune waits for a writer of another process, Remove does not.
func TestPruneWaitsForWriters(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	mustBuild(t, s, "x/y:1", "layer")
	writer, in := start(t, "begin", s.Dir())
	_, err := store.New(s.Dir(), store.Options{LockTimeout: 50 * time.Millisecond}).Prune(t.Context(), 0)
	wantKind(t, err, fault.Conflict)
	if !strings.Contains(err.Error(), fmt.Sprintf("pid %d ", writer.Process.Pid)) {
		t.Errorf("does not say who: %v", err)
	}
	if got, err := s.Remove(t.Context(), "x/y:1"); err != nil || got.BytesFreed != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Prune(t.Context(), -time.Hour); err != nil || got.Blobs != 3 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// osChildren are children that only this kind of system can have.
var osChildren = map[string]func(context.Context, *store.Store, []string) error{"few": childFew}

// childFew builds with a limit on the size of files, and with so many file
// descriptors left.
func childFew(ctx context.Context, s *store.Store, args []string) error {
	size, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	left, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: size}); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 20, Max: 20}); err != nil {
		return err
	}
	// The runtime cannot do without the descriptors of its poller.
	r, w, err := os.Pipe()
	if err := errors.Join(err, r.Close(), w.Close()); err != nil {
		return err
	}
	var open []int
	for {
		fd, err := syscall.Open(os.DevNull, syscall.O_RDONLY, 0)
		if err != nil {
			break
		}
		open = append(open, fd)
	}
	for _, fd := range open[:min(left, len(open))] {
		if err := syscall.Close(fd); err != nil {
			return err
		}
	}
	return childOnce(ctx, s, args)
}

func TestResourceLimits(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	mustBuild(t, s, "x/old:1", "old")
	for _, c := range []struct{ size, descriptors string }{
		{"0", "9"}, {"10", "9"}, {"300", "9"}, {"5000", "9"},
		{"1000000", "0"}, {"1000000", "1"}, {"1000000", "2"}, {"1000000", "3"}, {"1000000", "9"},
	} {
		out, err := child(t.Context(), "few", s.Dir(), "x/new:1", c.size, c.descriptors).CombinedOutput()
		want := []string{"x/old:1"}
		switch {
		case err == nil:
			want = append(want, "x/new:1")
		case strings.Contains(string(out), "goroutine ") || !strings.HasPrefix(string(out), "unavailable: "):
			t.Errorf("%v: %v: %s", c, err, out)
		}
		if enough := c.size == "1000000" && c.descriptors == "9"; enough != (err == nil) && (enough || c.descriptors < "3") {
			t.Errorf("%v: the limit does not bite: %v", c, err)
		}
		wantNames(t, s, want...)
		wantSound(t, s)
		if err == nil {
			if _, err := s.Remove(t.Context(), "x/new:1"); err != nil {
				t.Error(err)
			}
		}
	}
}

// The disk is full at every few KiB of a build: the old image stays, nothing is
// left behind, and it works once there is room.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=400k", "none", dir).CombinedOutput(); err != nil {
		t.Skipf("no tmpfs can be mounted here (%v: %s); TestNoSpaceLeavesNothing simulates it", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.CommandContext(context.Background(), "umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	s := store.New(filepath.Join(dir, "root"), store.Options{})
	mustBuild(t, s, "x/old:1", "old")
	full := 0
	for filler := 400 << 10; filler >= 0; filler -= 4 << 10 {
		path := filepath.Join(dir, "filler")
		_ = os.WriteFile(path, make([]byte, filler), 0o644) // as much as there is room for
		_, err := build(t.Context(), s, "x/new:1", make([]byte, 100<<10))
		if err != nil {
			full++
			wantKind(t, err, fault.Unavailable)
			if !errors.Is(err, syscall.ENOSPC) || fault.Of(err).Hint == "" {
				t.Fatalf("%d: %v", filler, err)
			}
			if left, _ := os.ReadDir(filepath.Join(s.Dir(), "ingest")); len(left) > 0 {
				t.Fatalf("%d: left %v", filler, left)
			}
			wantNames(t, s, "x/old:1")
		}
		wantSound(t, s)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err == nil {
			if _, err := s.Remove(t.Context(), "x/new:1"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Prune(t.Context(), -time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if full < 5 {
		t.Errorf("the disk was full only %d times", full)
	}
	mustBuild(t, s, "x/new:1", strings.Repeat("x", 100<<10))
}

func TestForeignOwner(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can run a child as somebody else; TestUnusableStore covers folders without write permission")
	}
	// The test binary and the store must be reachable for nobody.
	top, err := os.MkdirTemp("", "store")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(top) })
	if err := os.Chmod(top, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(top, "root")
	s := store.New(dir, store.Options{})
	mustBuild(t, s, "x/old:1", "old")
	copied := filepath.Join(top, "store.test")
	b, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, b, 0o755); err != nil {
		t.Fatal(err)
	}
	run := func() string {
		cmd := child(t.Context(), "once", dir, "x/new:1")
		cmd.Path = copied
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if err == nil {
			return ""
		}
		return string(out)
	}
	if out := run(); !strings.HasPrefix(out, "denied: ") {
		t.Errorf("a store of somebody else: %s", out)
	}
	// Everything is nobody's now, but for one file of root.
	if err := filepath.Walk(dir, func(path string, _ os.FileInfo, err error) error {
		return errors.Join(err, os.Chown(path, 65534, 65534))
	}); err != nil {
		t.Fatal(err)
	}
	index := filepath.Join(dir, "index.json")
	if err := errors.Join(os.Chown(index, 0, 0), os.Chmod(index, 0o600)); err != nil {
		t.Fatal(err)
	}
	if out := run(); !strings.HasPrefix(out, "denied: ") {
		t.Errorf("an index of root: %s", out)
	}
	wantNames(t, s, "x/old:1")
	if err := os.Chmod(index, 0o644); err != nil {
		t.Fatal(err)
	}
	if out := run(); out != "" {
		t.Errorf("an index of root that can be read: %s", out)
	}
	wantNames(t, s, "x/old:1", "x/new:1")
	wantSound(t, s)
}

func TestUnusableStore(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	loop := filepath.Join(t.TempDir(), "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below"), filepath.Join(loop, "below")} {
		s := store.New(dir, store.Options{})
		_, err := s.List(t.Context())
		wantKind(t, err, fault.Invalid)
		_, err = s.Begin(t.Context())
		wantKind(t, err, fault.Invalid)
	}
}

// A store on a disk that is read only can be read.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := store.New(filepath.Join(dir, "root"), store.Options{})
	img := mustBuild(t, s, "x/y:1", "layer")
	mount := func(args ...string) error {
		out, err := exec.CommandContext(context.Background(), args[0], args[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	if err := mount("mount", "--bind", dir, dir); err != nil {
		t.Skipf("nothing can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := mount("umount", "-l", dir); err != nil {
			t.Error(err)
		}
	})
	if err := mount("mount", "-o", "remount,bind,ro", dir); err != nil {
		t.Skipf("nothing can be mounted read only here: %v", err)
	}
	for _, locked := range []bool{true, false} {
		hold, err := s.Hold(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wantNames(t, s, "x/y:1")
		if err := errors.Join(s.Verify(t.Context(), img.layer), hold.Close()); err != nil {
			t.Error(err)
		}
		wantSound(t, s)
		_, err = build(t.Context(), s, "x/y:2", []byte("another layer"))
		wantKind(t, err, fault.Denied)
		_, err = s.Remove(t.Context(), "x/y:1")
		wantKind(t, err, fault.Denied)
		if locked { // once more without lock files
			err := errors.Join(mount("mount", "-o", "remount,bind,rw", dir),
				os.Remove(filepath.Join(s.Dir(), ".lock")), os.Remove(filepath.Join(s.Dir(), ".gc.lock")),
				mount("mount", "-o", "remount,bind,ro", dir))
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}
