//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// asAnother builds the sources as a user without a name, and gives the digest;
// nothing when this user may not become another.
func asAnother(t *testing.T, sources string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Log("not root: the digest of another user's build was not compared")
		return ""
	}
	const nobody = 65534
	// The folders of t.TempDir are closed to others.
	open, err := os.MkdirTemp("", "policy-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(open) })
	if err := os.CopyFS(filepath.Join(open, "sources"), os.DirFS(sources)); err != nil {
		t.Fatal(err)
	}
	command := commandIn(t, open)
	home := filepath.Join(open, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(open, func(path string, _ os.DirEntry, err error) error {
		if err != nil || path == command {
			return err // a link to the test's own binary
		}
		return os.Chown(path, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), command, "build", "sources", "-t", "door")
	cmd.Dir = open
	cmd.Env = []string{"HOME=" + home, "PATH=/nowhere"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("as another user: %v\n%s", err, stderr.String())
	}
	return digest.FindString(string(out))
}
