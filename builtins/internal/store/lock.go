package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/policyhost/policy/runtime/fault"
)

// lock takes a lock file of the store, alone or shared. It polls, because a
// blocking flock cannot be given up when the context ends.
func (s *Store) lock(ctx context.Context, name string, alone bool) (*flock.Flock, error) {
	path := s.path(name)
	l := newLock(path)
	try := l.TryRLock
	if alone {
		try = l.TryLock
	}
	start, told := time.Now(), false
	for delay := time.Millisecond; ; delay = min(2*delay, 20*time.Millisecond) {
		if err := canceled(ctx, "waiting for the store"); err != nil {
			return nil, err
		}
		ok, err := try()
		if err != nil {
			return nil, err
		}
		if ok {
			signLock(path)
			return l, nil
		}
		waited := time.Since(start)
		if s.o.LockTimeout > 0 && waited >= s.o.LockTimeout {
			return nil, s.locked(path)
		}
		if !told && waited >= time.Second {
			told = true
			s.o.Waiting(lockHolder(path))
		}
		pause(ctx, delay+rand.N(delay))
	}
}

func (s *Store) locked(path string) error {
	return fault.New(fault.Conflict, fmt.Sprintf("%q", s.dir), "locked by %s", lockHolder(path)).
		WithHint("wait for it or end it; --lock-timeout says how long to wait")
}

// unlock needs no answer: the file is closed at the latest when we end, and the
// kernel frees the lock with it.
func unlock(l *flock.Flock) { _ = l.Unlock() }

func newLock(path string) *flock.Flock { return flock.New(path, flock.SetPermissions(0o644)) }

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// A lock file carries the last process that took it: one padded line from byte
// 1 on, because Windows locks byte 0 against readers, too.
const (
	signatureAt   = 1
	signatureSize = 64
)

// signLock leaves word who holds the lock. It helps people only, so a file that
// cannot be written is no error.
func signLock(path string) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	line := fmt.Sprintf("%-*.*s\n", signatureSize-1, signatureSize-1, holderName(os.Getpid(), os.Args))
	_, _ = f.WriteAt([]byte(line), signatureAt)
}

// signature is the line signLock left, "" when there is none.
func signature(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, signatureSize)
	n, _ := f.ReadAt(b, signatureAt)
	return printable(strings.TrimSpace(string(b[:n])))
}

// holderName reads "pid 4711 (policy push)". Only the program and a verb are
// told: other arguments may be secret.
func holderName(pid int, args []string) string {
	if len(args) == 0 {
		return fmt.Sprintf("pid %d", pid)
	}
	name := strings.TrimSuffix(filepath.Base(args[0]), ".exe")
	if len(args) > 1 && args[1] != "" && strings.Trim(args[1], "abcdefghijklmnopqrstuvwxyz") == "" {
		name += " " + args[1]
	}
	return fmt.Sprintf("pid %d (%s)", pid, printable(name))
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
}

// Hold keeps prune away: what is in the store when it begins does not vanish
// before Close.
type Hold struct{ lock *flock.Flock }

// Hold begins to hold, shared with all readers and writers. Where no lock can be
// made (no store yet, a store we may only read) it still succeeds: nobody can
// prune there either, or only somebody stronger than us.
func (s *Store) Hold(ctx context.Context) (*Hold, error) {
	l, err := s.lock(ctx, gcLock, false)
	switch {
	case err == nil:
		return &Hold{l}, nil
	case errors.Is(err, fs.ErrNotExist), readOnly(err), noLocks(err):
		return &Hold{}, nil
	default:
		return nil, lockFault(s.path(gcLock), err)
	}
}

// Close ends the hold. A second Close does nothing.
func (h *Hold) Close() error {
	if h.lock == nil {
		return nil
	}
	l := h.lock
	h.lock = nil
	if err := l.Unlock(); err != nil {
		return lockFault(l.Path(), err)
	}
	return nil
}

func orUnknown(holder string) string {
	if holder == "" {
		return "another process"
	}
	return holder
}
