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

// TestReplTerminal holds what the shell does for a person: prompts, completion,
// history, and Ctrl-C that ends a query and not the shell.
func TestReplTerminal(t *testing.T) {
	t.Parallel()
	folder, root := t.TempDir(), t.TempDir()
	env := append(cleanEnv(t), "POLICY_FILE_STORE_ROOT="+root)
	if err := os.WriteFile(filepath.Join(folder, "talk.rego"), []byte(talkative), 0o600); err != nil {
		t.Fatal(err)
	}
	p := onTerminal(t, env, "repl", folder)
	p.sees("help says what can be typed")
	p.sees("> ")
	p.keys("data.ta\t\tus\t\r")
	p.sees("data.talk")
	p.sees("[\r\n  \"eve\",\r\n  \"jo\"\r\n]")
	p.sees("> ")
	p.keys("data.talk.endless\r")
	p.sees("it has begun")
	interrupted := time.Now()
	p.keys("\x03")
	p.sees("policy: interrupted")
	if took := time.Since(interrupted); took > time.Second {
		t.Errorf("Ctrl-C took %s", took)
	}
	p.sees("> ")
	p.keys("half a line\x03")
	p.sees("^C")
	p.sees("> ")
	p.keys("both if {\r")
	p.sees("| ")
	p.keys("1 > 0\r}\r")
	p.sees("both is a rule of data.repl")
	p.sees("> ")
	p.keys("data.talk.user\r")
	p.sees("undefined")
	p.sees("did you mean data.talk.users?")
	p.sees("> ")
	p.keys("data.talk.users[i]\r")
	p.sees("i   data.talk.users[i]\r\n0   \"eve\"\r\n1   \"jo\"")
	p.sees("> ")
	p.keys("\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\r") // five lines up
	p.sees("both if {")
	p.sees("| ")
	p.keys("\x04")
	p.sees("unexpected eof token")
	p.sees("> ")
	p.keys("\x04")
	if code := p.ends(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	history, err := os.ReadFile(filepath.Join(root, "repl_history"))
	if want := "data.talk.users\ndata.talk.endless\nboth if {\n"; err != nil || !strings.HasPrefix(string(history), want) {
		t.Errorf("the history is %q, %v", history, err)
	}

	again := onTerminal(t, env, "repl", folder)
	again.sees("> ")
	again.keys("\x1b[A\x1b[A\x1b[A\r") // past both if {, of this shell or the other
	again.sees("data.talk.user")
	again.sees("> ")
	if err := again.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := again.ends(); code != 143 {
		t.Errorf("SIGTERM ended it with %d", code)
	}
}
