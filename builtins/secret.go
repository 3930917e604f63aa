package builtins

import "fmt"

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
