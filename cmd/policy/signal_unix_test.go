//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSignals holds that a signal ends what would not end by itself, whatever it
// waits for.
func TestSignals(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	for name, tt := range map[string]struct {
		args   []string
		says   string // on standard error, once it can be interrupted
		signal syscall.Signal
		want   int
	}{
		"serve, Ctrl-C":  {[]string{"serve", "--addr", "127.0.0.1:0"}, "serving", syscall.SIGINT, 130},
		"serve, SIGTERM": {[]string{"serve", "--addr", "127.0.0.1:0"}, "serving", syscall.SIGTERM, 143},
		"run -":          {[]string{"run", "-"}, "", syscall.SIGINT, 130},
		"eval -I":        {[]string{"eval", w.sources, "data.door.open", "-I"}, "", syscall.SIGTERM, 143},
		"login":          {[]string{"login", "-s", "127.0.0.1:1", "-u", "me", "--password-stdin"}, "", syscall.SIGINT, 130},
		"loop":           {[]string{"run", "-e", "print('round')\nwhile True: pass"}, "round", syscall.SIGTERM, 143},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), "policy", tt.args...)
			cmd.Env = w.env
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if tt.says == "" {
				// More than a pipe holds: once it is written, it is being read.
				_, err = io.WriteString(stdin, strings.Repeat(" ", 256<<10))
			} else {
				_, err = io.ReadFull(stderr, make([]byte, len(tt.says)))
			}
			if err != nil {
				t.Error(err)
			}
			_ = cmd.Process.Signal(tt.signal)
			var said bytes.Buffer
			_, _ = io.Copy(&said, stderr)
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != tt.want || !strings.Contains(said.String(), "interrupted") {
				t.Errorf("%d, want %d\n%s", got, tt.want, said.String())
			}
		})
	}
}

// TestInterruptible holds that reading ends with the context, though nothing
// comes, and gives all that came before.
func TestInterruptible(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	in := newInterruptible(ctx, read)
	if _, err := write.WriteString("some"); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(10*time.Millisecond, func() { cancel(cause) })
	text, err := io.ReadAll(in)
	if string(text) != "some" || !errors.Is(err, cause) {
		t.Errorf("got %q, %v", text, err)
	}
	if n, err := in.Read(make([]byte, 1)); n != 0 || !errors.Is(err, cause) {
		t.Errorf("and then %d, %v", n, err)
	}
	whole := strings.Repeat("0123456789", 100_000)
	if text, err := io.ReadAll(newInterruptible(t.Context(), strings.NewReader(whole))); string(text) != whole || err != nil {
		t.Errorf("%d bytes became %d: %v", len(whole), len(text), err)
	}
}
