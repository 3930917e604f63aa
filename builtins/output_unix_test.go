//go:build unix

package builtins

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestCreateWritesToPipes(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		f, err := os.Open(pipe)
		if err != nil {
			got <- err.Error()
			return
		}
		defer f.Close()
		text, _ := io.ReadAll(f)
		got <- string(text)
	}()
	if err := write(Anywhere{}, pipe); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != "new" {
		t.Errorf("got %q", text)
	}
	if info, err := os.Lstat(pipe); err != nil || info.Mode().Type() != os.ModeNamedPipe {
		t.Errorf("the pipe became %v, %v", info, err)
	}
}
