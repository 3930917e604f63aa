//go:build unix

package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestWatch changes a file that policy test --watch looks at, then interrupts it:
// that is how it ends, with 0, and nothing of its tests is left.
// Spec C8.8.
func TestWatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	temp := filepath.Join(dir, "tmp")
	file := filepath.Join(dir, "tests", "a_test.star")
	for _, folder := range []string{temp, filepath.Dir(file)} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write := func(body string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("def test_a(t):\n    "+body+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("t.eq(1, 1)")
	cmd := exec.CommandContext(t.Context(), "policy", "test", "--watch", "tests")
	cmd.Dir, cmd.Env = dir, append(cleanEnv(t), "TMPDIR="+temp)
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	until := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("it never said %q", want)
	}
	until("PASS: 1/1")
	until("waiting for a change")
	write("t.eq('longer', 2)")
	until("FAIL: 1/1")
	until("waiting for a change")
	write("while True: pass")
	until("a file changed")
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	if err := cmd.Wait(); err != nil {
		t.Errorf("Ctrl-C ended it with %v", err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("it left %v %v", left, err)
	}
}
