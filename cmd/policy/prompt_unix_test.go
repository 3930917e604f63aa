//go:build unix

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	creack "github.com/creack/pty"
)

// seat is a command at a pseudo-terminal, with a person who waits for what it
// shows before typing. Standard output is a pipe, as in $(policy …).
type seat struct {
	*testing.T
	cmd    *exec.Cmd
	tty    *os.File
	stdout bytes.Buffer
	screen string
	shown  chan string
}

func (w *workshop) sit(t *testing.T, args ...string) *seat {
	t.Helper()
	return w.sitIn(t, "", args...)
}

// sitIn is sit with another working folder.
func (w *workshop) sitIn(t *testing.T, dir string, args ...string) *seat {
	t.Helper()
	s := &seat{T: t, cmd: exec.CommandContext(t.Context(), "policy", args...), shown: make(chan string)}
	s.cmd.Env, s.cmd.Stdout, s.cmd.Dir = w.env, &s.stdout, dir
	tty, err := creack.StartWithSize(s.cmd, &creack.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	s.tty = tty
	t.Cleanup(func() { _ = tty.Close() })
	go func() {
		defer close(s.shown)
		b := make([]byte, 4<<10)
		for {
			n, err := tty.Read(b)
			select {
			case s.shown <- string(b[:n]):
			case <-t.Context().Done():
				return
			}
			if err != nil { // the other side is closed
				return
			}
		}
	}()
	return s
}

// sees waits until the screen has shown text.
func (s *seat) sees(text string) {
	s.Helper()
	tooLong := time.After(20 * time.Second)
	for !strings.Contains(s.screen, text) {
		select {
		case more, open := <-s.shown:
			if !open {
				s.Fatalf("it never shows %q:\n%s", text, s.screen)
			}
			s.screen += more
		case <-tooLong:
			s.Fatalf("after 20 s there is no %q:\n%s", text, s.screen)
		}
	}
}

func (s *seat) types(text string) {
	s.Helper()
	if _, err := s.tty.WriteString(text); err != nil {
		s.Fatal(err)
	}
}

// leaves waits for the command's end and gives its exit code.
func (s *seat) leaves() int {
	s.Helper()
	for open, tooLong := true, time.After(20*time.Second); open; {
		var more string
		select {
		case more, open = <-s.shown:
			s.screen += more
		case <-tooLong:
			s.Fatalf("after 20 s it is still there:\n%s", s.screen)
		}
	}
	err := s.cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		s.Fatal(err)
	} else if ok {
		return exit.ExitCode()
	}
	return 0
}

// answers are what a person may do at a prompt instead of answering it.
var answers = map[string]func(*seat){
	"an empty line": func(s *seat) { s.types("\r") },
	"closing":       func(s *seat) { s.types("\x04") },
	"Ctrl-C":        func(s *seat) { s.types("\x03") },
	"SIGTERM":       func(s *seat) { _ = s.cmd.Process.Signal(syscall.SIGTERM) },
	"SIGINT":        func(s *seat) { _ = s.cmd.Process.Signal(syscall.SIGINT) },
}

// TestPrompts holds that every prompt ends, with the safe answer, whatever is
// done at it: spec C4.3 and C4.4.
func TestPrompts(t *testing.T) {
	t.Parallel()
	host := openRegistry(t)
	images := newWorkshop(t) // none of the prompts about it changes anything
	images.must(t, "build", images.sources, "-t", "door:1", "-t", host+"/acme/door:1")
	images.must(t, "push", host+"/acme/door:1")
	t.Run("each", func(t *testing.T) { eachPrompt(t, host, images) })
	if got := string(images.must(t, "images", "--output", "json")); strings.Count(got, `"ref"`) != 2 {
		t.Errorf("images are gone: %s", got)
	}
	if got := string(images.must(t, "tags", host+"/acme/door")); got != "1\n" {
		t.Errorf("the registry has the tags %q", got)
	}
}

func eachPrompt(t *testing.T, host string, images *workshop) {
	for name, tt := range map[string]struct {
		args    []string
		before  func(*seat) // to get to the prompt
		prompt  string
		garbage string
		want    int  // when it is not answered
		stored  bool // the login is, by then
	}{
		"user":     {[]string{"login", "-s", host}, nil, "User name at " + host + ": ", "\x1b[A\r", 130, false},
		"password": {[]string{"login", "-s", host, "-u", "jo"}, nil, "Password for jo at " + host + ": ", "\x1b[A\r", 130, false},
		"both": {[]string{"login", "-s", host}, func(s *seat) { s.sees("User name"); s.types("jo\r") },
			"Password for jo at " + host + ": ", "\x1b[A\r", 130, false},
		"default": {[]string{"login", "-s", host, "-u", "jo", "-p", "secret-word"}, nil,
			"the registry of references that name none? [y/N] ", "perhaps\r", 0, true},
		"migration": {[]string{"login", "-s", host, "-u", "jo", "-p", "secret-word", "-d"}, nil,
			"where logins are kept now? [y/N] ", "perhaps\r", 0, true},
		"rm":      {[]string{"rm", "door:1"}, nil, "? [y/N] ", "perhaps\r", 130, false},
		"rm -r":   {[]string{"rm", "-r", host + "/acme/door:1"}, nil, "? [y/N] ", "perhaps\r", 130, false},
		"rm -a":   {[]string{"rm", "-a", "door:1"}, nil, "? [y/N] ", "yesterday\r", 130, false},
		"rm, two": {[]string{"rm", "door:1", host + "/acme/door:1"}, nil, "? [y/N] ", "ye\x1bs\r", 130, false},
	} {
		reply := map[string]func(*seat){"garbage": func(s *seat) { s.types(tt.garbage) }}
		for how, do := range answers {
			reply[how] = do
		}
		for how, do := range reply {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				w := images
				if tt.args[0] == "login" {
					w = newWorkshop(t)
				}
				const older = "quay.io:\n  username: old\n  password: older-word\n"
				if name == "migration" {
					w.leave(t, "policy-registries.yaml", older)
				}
				s := w.sit(t, tt.args...)
				if tt.before != nil {
					tt.before(s)
				}
				s.sees(tt.prompt)
				began := time.Now()
				do(s)
				want := tt.want
				switch how {
				case "SIGTERM":
					want = 143
				case "SIGINT", "Ctrl-C":
					want = 130
				}
				if got := s.leaves(); got != want {
					t.Errorf("exit code %d, want %d\n%s", got, want, s.screen)
				}
				if took := time.Since(began); took > 5*time.Second { // a second, and a busy machine
					t.Errorf("it took %v to end", took)
				}
				if stored := strings.Contains(w.read(t, "config.json"), host); stored != tt.stored {
					t.Errorf("the login is stored: %v, want %v", stored, tt.stored)
				}
				if name == "default" && w.read(t, "default-domain.cfg") != "" {
					t.Error("the default domain was changed")
				}
				if name == "migration" && w.read(t, "policy-registries.yaml") != older {
					t.Error("the old logins are gone")
				}
				if strings.Count(s.screen, tt.prompt) != 1 {
					t.Errorf("it did not ask once:\n%s", s.screen)
				}
			})
		}
	}
}

// TestAnswers holds what the answers to the prompts of login and rm do.
func TestAnswers(t *testing.T) {
	t.Parallel()
	host := openRegistry(t)
	w := newWorkshop(t)
	old := w.leave(t, "policy-registries.yaml", "quay.io:\n  username: old\n  password: older-word\n  default: true\n")
	s := w.sit(t, "login", "-s", host)
	s.sees("User name at " + host + ": ")
	s.types("jo\r")
	s.sees("Password for jo at " + host + ": ")
	s.types("canary-4711\r")
	s.sees("Logged in. Make " + host + " the registry of references that name none? [y/N] ")
	s.types("y\r")
	s.sees("policy-registries.yaml has the logins for quay.io in clear text. Move them to where logins are kept now? [y/N] ")
	s.types("yes\r")
	if code := s.leaves(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if strings.Contains(s.screen+s.stdout.String(), "canary") {
		t.Errorf("the password is on the screen:\n%s", s.screen)
	}
	if got, want := s.stdout.String(), "server: "+host+"\nusername: jo\nstore: file\ndefault: true\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := w.read(t, "default-domain.cfg"); got != host {
		t.Errorf("the default domain is %q", got)
	}
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old logins are still there: %v", err)
	}
	if got := string(w.must(t, "logins")); !strings.Contains(got, "quay.io\told\tfile") || !strings.Contains(got, host+"\tjo\tfile\ttrue") {
		t.Errorf("logins: %s", got)
	}

	w.must(t, "build", w.sources, "-t", "door:1")
	s = w.sit(t, "rm", "door:1")
	s.sees("? [y/N] ")
	s.types(" Y \r")
	if code := s.leaves(); code != 0 {
		t.Errorf("rm: exit code %d\n%s", code, s.screen)
	}
	if got := string(w.must(t, "images", "--output", "json")); got != "[]\n" {
		t.Errorf("images: %s", got)
	}

	// Who is in a hurry types ahead: one line is one answer.
	s = w.sit(t, "login", "-s", host)
	s.sees("User name")
	s.types("ann\r")
	s.sees("Password for ann")
	s.types("canary-4711\rn\r")
	if code := s.leaves(); code != 0 || !strings.Contains(s.stdout.String(), "username: ann") {
		t.Errorf("typed ahead: exit code %d\n%s%s", code, s.screen, s.stdout.String())
	}
}

// TestNobodyThere holds that nothing is asked, and nothing done, where standard
// input is no terminal: spec C4.1.
func TestNobodyThere(t *testing.T) {
	t.Parallel()
	host := openRegistry(t)
	w := newWorkshop(t)
	w.must(t, "build", w.sources, "-t", "door:1")
	old := w.leave(t, "policy-registries.yaml", "quay.io:\n  username: old\n  password: older-word\n")
	ended, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	garbage, err := os.Open(filepath.Join(w.sources, "door.rego"))
	if err != nil {
		t.Fatal(err)
	}
	for from, stdin := range map[string]*os.File{"/dev/null": nil, "a closed pipe": ended, "garbage": garbage} {
		for _, tt := range []struct {
			args string
			want int
			hint string
		}{
			{"login -s " + host, 2, "hint: policy login -s " + host + " -u USER --password-stdin"},
			{"login -s " + host + " -u jo", 2, "--password-stdin"},
			{"login -s " + host + " -u jo --password-stdin=false", 2, "--password-stdin"},
			{"rm door:1", 2, "-f"},
			{"login -s " + host + " -u jo -p secret-word", 0, "policy logins --migrate"},
		} {
			cmd := exec.CommandContext(t.Context(), "policy", strings.Fields(tt.args)...)
			var stderr bytes.Buffer
			cmd.Env, cmd.Stderr = w.env, &stderr
			if stdin != nil {
				cmd.Stdin = stdin
			}
			_ = cmd.Run()
			if got := cmd.ProcessState.ExitCode(); got != tt.want || !strings.Contains(stderr.String(), tt.hint) {
				t.Errorf("%s < %s: exit code %d, want %d and a hint at %q\n%s", tt.args, from, got, tt.want, tt.hint, stderr.String())
			}
		}
	}
	if _, err := os.Stat(old); err != nil {
		t.Errorf("the old logins are gone: %v", err)
	}
	if got := string(w.must(t, "images", "--output", "json")); !strings.Contains(got, "door:1") {
		t.Errorf("images: %s", got)
	}
	if got := w.read(t, "default-domain.cfg"); got != "" {
		t.Errorf("the default domain is %q", got)
	}
}
