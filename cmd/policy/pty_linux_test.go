package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pty is a person at a terminal.
type pty struct {
	t    *testing.T
	side *os.File // the person's
	cmd  *exec.Cmd
	seen strings.Builder // all that was shown
	at   int             // how far it was read
}

// onTerminal starts policy on a terminal of its own.
func onTerminal(t *testing.T, env []string, args ...string) *pty {
	t.Helper()
	side, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("there is no terminal to test on: %v", err)
	}
	t.Cleanup(func() { side.Close() })
	if err := unix.IoctlSetPointerInt(int(side.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(side.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(side.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	cmd := exec.CommandContext(t.Context(), "policy", args...)
	cmd.Env = append(env, "TERM=xterm")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &pty{t: t, side: side, cmd: cmd}
}

// keys types.
func (p *pty) keys(text string) {
	p.t.Helper()
	if _, err := p.side.WriteString(text); err != nil {
		p.t.Fatal(err)
	}
}

// sees waits until text was shown, after what was seen before.
func (p *pty) sees(text string) {
	p.t.Helper()
	watch := time.AfterFunc(20*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer watch.Stop()
	buffer := make([]byte, 4096)
	for {
		if i := strings.Index(p.seen.String()[p.at:], text); i >= 0 {
			p.at += i + len(text)
			return
		}
		n, err := p.side.Read(buffer)
		p.seen.Write(buffer[:n])
		if err != nil {
			p.t.Fatalf("%q was never shown, but\n%q", text, p.seen.String()[p.at:])
		}
	}
}

// ends waits for the end and gives the exit code.
func (p *pty) ends() int {
	p.t.Helper()
	buffer := make([]byte, 4096)
	for {
		n, err := p.side.Read(buffer)
		p.seen.Write(buffer[:n])
		if err != nil {
			break
		}
	}
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}
