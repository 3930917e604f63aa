//go:build unix

package main

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// drops types Ctrl-C, and waits for the prompt: a second at most.
func (s *seat) drops() {
	s.Helper()
	typed := time.Now()
	s.types("\x03")
	s.then("> ")
	if took := time.Since(typed); took > time.Second {
		s.Errorf("after Ctrl-C it took %s to the prompt", took)
	}
}

// silent is a registry that takes connections and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// TestShellTerminal holds what the shell does for a person: Ctrl-C ends what runs
// or is typed and keeps the shell with all that it knows, blocks end with an empty
// line, and Ctrl-D leaves.
func TestShellTerminal(t *testing.T) {
	t.Parallel()
	folder, host := t.TempDir(), silent(t)
	file := filepath.Join(folder, "count.star")
	if err := os.WriteFile(file, []byte("def main(n: int = 41):\n    print('main runs')\n    return n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, term := range []string{"xterm", "dumb"} {
		t.Run(term, func(t *testing.T) {
			t.Parallel()
			w := &workshop{env: append(cleanEnv(t), "POLICY_FILE_STORE_ROOT="+t.TempDir(), "TERM="+term, "NO_COLOR=1")}
			s := w.sit(t, "run", "-i", file)
			s.then("main runs")
			s.then("count.star has main; help says what can be typed, Ctrl-D leaves")
			s.then("> ")
			s.types("kept = main() + 1\r")
			s.then("> ")
			s.types("print('at', 'work') or [x for x in range(100000000) if x < 0]\r")
			s.then("at work")
			s.drops()
			s.types("for word in ['and']:\r    print('round', word)\r    while True: pass\r\r")
			s.then("round and")
			s.drops()
			s.types("print('on the', 'way') or pull('" + host + "/acme/door:1')\r")
			s.then("on the way")
			s.drops()
			s.types("half = [\r")
			s.then("| ")
			s.drops()
			s.types("def twice():\r    return kept * 2\r\r")
			s.then("> ")
			s.types("twice()\r")
			s.then("> ")
			s.types("twice(1)\r")
			s.then("policy: shell:")
			s.then("> ")
			s.types("kept\r")
			s.then("> ")
			s.types("def unfinished():\r")
			s.then("| ")
			s.types("\x04")
			if code := s.leaves(); code != 0 {
				t.Errorf("it ended with %d", code)
			}
			if got := s.stdout.String(); got != "41\n84\n42\n" {
				t.Errorf("the answers are %q", got)
			}
		})
	}
}
