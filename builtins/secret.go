package builtins

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/policyhost/policy/runtime/fault"
)

// Secret is a text that must not be shown: it prints as ***, has no JSON, and
// only [Secret.Reveal] gives it away.
type Secret struct{ text string }

// NewSecret keeps text from view.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal gives the text to whoever has to send it.
func (s Secret) Reveal() string { return s.text }

// Secret marks the type for the script host as one that only parameters of the
// same type accept.
func (s Secret) Secret() string { return s.text }

// UnmarshalText takes the text literally: spellings such as env:NAME belong to
// the doors.
func (s *Secret) UnmarshalText(text []byte) error {
	s.text = string(text)
	return nil
}

// MarshalJSON refuses: a secret has no JSON.
func (s Secret) MarshalJSON() ([]byte, error) {
	return nil, fmt.Errorf("a secret has no JSON")
}

// Format prints *** for every verb and flag of fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("***")) }

// maxSecret bounds a secret, in bytes.
const maxSecret = 1 << 20

// SecretAt reads a secret from where it is: env:NAME is an environment variable,
// file:PATH a file, - standard input; a line end behind it is not part of it. It
// fails with Usage for anything else, which it does not repeat: somebody may have
// typed the secret itself.
func (e *Env) SecretAt(where string) (Secret, error) {
	kind, name, _ := strings.Cut(where, ":")
	var text []byte
	var err error
	switch {
	case where == "-" && e.In == nil:
		return Secret{}, fault.New(fault.Usage, "", "there is no standard input here").WithHint("type env:NAME or file:PATH")
	case where == "-":
		if text, err = io.ReadAll(io.LimitReader(e.In, maxSecret)); err != nil {
			return Secret{}, fault.File("standard input", err)
		}
	case kind == "env" && name != "":
		return e.secret(name)
	case kind == "file" && name != "":
		if text, err = readAll(e.Files, name, maxSecret); err != nil {
			return Secret{}, err
		}
	default:
		return Secret{}, fault.New(fault.Usage, "", "does not say where the secret is").WithHint("type env:NAME, file:PATH or - for standard input")
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if secret == "" {
		return Secret{}, fault.New(fault.NotFound, where, "holds no secret")
	}
	e.Secrets.Add(secret)
	return NewSecret(secret), nil
}

// Secrets are the texts a run has read that must not be printed. The zero value
// is empty and safe for concurrent use.
type Secrets struct {
	mu    sync.Mutex
	texts []string
}

// The lengths in bytes below which scrubbing would blank ordinary words: of a
// secret, and of a line of one that has several.
const (
	shortestSecret = 4
	shortestLine   = 8
)

// Add remembers texts to scrub, in the spellings they may be printed in: as they
// are, as in JSON, and line by line, since whatever is printed may be indented.
func (s *Secrets) Add(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range texts {
		if len(t) < shortestSecret || slices.Contains(s.texts, t) {
			continue
		}
		s.texts = append(s.texts, t)
		for line := range strings.Lines(t) {
			if line = strings.TrimSpace(line); len(line) >= shortestLine && line != t {
				s.texts = append(s.texts, line)
			}
		}
		if quoted, err := json.Marshal(t); err == nil {
			if inner := string(quoted[1 : len(quoted)-1]); inner != t {
				s.texts = append(s.texts, inner)
			}
		}
	}
	slices.SortFunc(s.texts, func(a, b string) int { return len(b) - len(a) })
}

// Scrub replaces every remembered text by ***.
func (s *Secrets) Scrub(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.texts {
		text = strings.ReplaceAll(text, t, "***")
	}
	return text
}
