//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const talkative = `package talk

users := ["eve", "jo"]

endless if {
	print("it has begun")
	count([1 | some a in numbers.range(1, 100000); some b in numbers.range(1, 100000); a == b]) < 0
}
`

// then waits for text, and forgets the screen up to it.
func (s *seat) then(text string) {
	s.Helper()
	s.sees(text)
	_, s.screen, _ = strings.Cut(s.screen, text)
}

// TestReplTerminal holds what the shell does for a person: prompts, completion,
// history, and Ctrl-C that ends a query and not the shell.
func TestReplTerminal(t *testing.T) {
	t.Parallel()
	folder, root := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "talk.rego"), []byte(talkative), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &workshop{env: append(cleanEnv(t), "POLICY_FILE_STORE_ROOT="+root, "TERM=xterm")}
	s := w.sit(t, "repl", folder)
	s.then("help says what can be typed")
	s.then("> ")
	s.types("data.ta\t\tus\t\r")
	s.then("> ")
	s.types("data.talk.endless\r")
	s.then("it has begun")
	interrupted := time.Now()
	s.types("\x03")
	s.then("policy: interrupted")
	if took := time.Since(interrupted); took > time.Second {
		t.Errorf("Ctrl-C took %s", took)
	}
	s.then("> ")
	s.types("half a line\x03")
	s.then("^C")
	s.then("> ")
	s.types("both if {\r")
	s.then("| ")
	s.types("1 > 0\r}\r")
	s.then("both is a rule of data.repl")
	s.then("> ")
	s.types("data.talk.user\r")
	s.then("did you mean data.talk.users?")
	s.then("> ")
	s.types("data.talk.users[i]\r")
	s.then("> ")
	s.types("\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\r") // five lines up
	s.then("both if {")
	s.then("| ")
	s.types("\x04") // and what is unfinished is not wanted
	if code := s.leaves(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	const answers = "[\n  \"eve\",\n  \"jo\"\n]\nundefined\ni   data.talk.users[i]\n0   \"eve\"\n1   \"jo\"\n"
	if got := s.stdout.String(); got != answers {
		t.Errorf("the answers are %q", got)
	}
	history, err := os.ReadFile(filepath.Join(root, "repl_history"))
	if want := "data.talk.users\ndata.talk.endless\nboth if {\n"; err != nil || !strings.HasPrefix(string(history), want) {
		t.Errorf("the history is %q, %v", history, err)
	}
	again := w.sit(t, "repl", folder)
	again.then("> ")
	again.types("\x1b[A\x1b[A\x1b[A\r") // before both if { and the query with a variable
	again.then("did you mean data.talk.users?")
	again.then("> ")
	if err := again.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := again.leaves(); code != 143 {
		t.Errorf("SIGTERM ended it with %d", code)
	}
}
