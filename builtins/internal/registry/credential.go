package registry

import (
	"fmt"
	"io"
	"log/slog"
)

// Credential is what a registry asks for. The zero value is anonymous. However
// it is printed, logged or encoded, it reads "***".
type Credential struct {
	Username      string
	Password      string
	IdentityToken string // an OAuth2 refresh token, exchanged for access tokens
	RegistryToken string // a bearer token, sent as it is
}

// IsZero reports whether there is nothing to authenticate with.
func (c Credential) IsZero() bool { return c == Credential{} }

// String hides everything.
func (c Credential) String() string { return "***" }

// GoString hides everything from %#v.
func (c Credential) GoString() string { return "***" }

// Format hides everything from every other verb.
func (c Credential) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "***") }

// MarshalJSON hides everything from encoders.
func (c Credential) MarshalJSON() ([]byte, error) { return []byte(`"***"`), nil }

// LogValue hides everything from loggers.
func (c Credential) LogValue() slog.Value { return slog.StringValue("***") }

// secrets lists what must not reappear in an error that a registry words.
func (c Credential) secrets() []string {
	return []string{c.Password, c.IdentityToken, c.RegistryToken}
}
