//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTemplateQuestions answers what templates apply asks, twice with an empty line:
// spec C4.2 and C9.5.
func TestTemplateQuestions(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	dir := filepath.Join(t.TempDir(), "new")
	s := w.sit(t, "templates", "apply", "github", "-o", dir)
	s.sees("Registry [ghcr.io]: ")
	s.types("\r")
	s.sees("User name [${{ github.actor }}]: ")
	s.types("jo\r")
	s.sees("Name of the secret with the password [GITHUB_TOKEN]: ")
	s.types("\r")
	s.sees("Repository, such as acme/authz: ")
	s.types(" acme/authz \r")
	if code := s.leaves(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, s.screen)
	}
	file := filepath.Join(dir, ".github", "workflows", "policy.yml")
	if got := s.stdout.String(); got != file+"\n" {
		t.Errorf("it answers %q", got)
	}
	text, err := os.ReadFile(file)
	for _, want := range []string{"'ghcr.io/acme/authz'", "POLICY_USERNAME: 'jo'", "secrets.GITHUB_TOKEN"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in the file: %v\n%s", want, err, text)
		}
	}
}

// TestTemplateUnanswered holds that a question that is not answered writes nothing.
func TestTemplateUnanswered(t *testing.T) {
	t.Parallel()
	reply := map[string]func(*seat){"garbage": func(s *seat) { s.types("\x1b[A\r") }, "a wrong answer": func(s *seat) { s.types("no repo\r") }}
	for how, do := range answers {
		reply[how] = do
	}
	exits := map[string]int{"SIGTERM": 143, "a wrong answer": 2}
	for how, do := range reply {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := newWorkshop(t)
			dir := filepath.Join(t.TempDir(), "new")
			s := w.sit(t, "templates", "apply", "gitlab", "-s", "quay.io", "-u", "jo", "--secret", "PAT", "-o", dir)
			s.sees("Repository, such as acme/authz: ")
			do(s)
			want, known := exits[how]
			if !known {
				want = 130
			}
			if code := s.leaves(); code != want {
				t.Errorf("exit code %d, want %d\n%s", code, want, s.screen)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("something was written")
			}
		})
	}
}
