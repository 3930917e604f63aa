package builtins

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestScrub(t *testing.T) {
	t.Parallel()
	var s Secrets
	s.Add("hunter2", "hunter2hunter3", "abc", "", `pass"word`, "line\nline", "hunter2")
	for text, want := range map[string]string{
		"it is hunter2.":            "it is ***.",
		"hunter2hunter3":            "***", // the longest first: nothing of it is left
		"hunter2 hunter2":           "*** ***",
		"abc":                       "abc", // too short: it would blank ordinary words
		`pass"word`:                 "***",
		`{"password":"pass\"word"}`: `{"password":"***"}`, // as JSON spells it
		`"line\nline"`:              `"***"`,
		"nothing":                   "nothing",
	} {
		if got := s.Scrub(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := new(Secrets).Scrub("hunter2"); got != "hunter2" {
		t.Errorf("without secrets: %q", got)
	}
}

func TestSecretIsNotShown(t *testing.T) {
	t.Parallel()
	secret := NewSecret("hunter2")
	if secret.Reveal() != "hunter2" {
		t.Error("it is not kept")
	}
	in := struct{ Password Secret }{secret}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%10s"} {
		for _, v := range []any{secret, &secret, in, []Secret{secret}} {
			if text := fmt.Sprintf(format, v); strings.Contains(text, "hunter2") || strings.Contains(text, "68756e74657232") {
				t.Errorf("%s of %T shows %s", format, v, text)
			}
		}
	}
	if text, err := json.Marshal(in); err == nil {
		t.Errorf("in JSON: %s", text)
	}
}
