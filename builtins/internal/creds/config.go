package creds

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/policyhost/policy/runtime/fault"
)

// maxConfig is more than any credential file needs, in bytes.
const maxConfig = 16 << 20

// tokenUser is the user name under which Docker and its helpers keep an
// identity token.
const tokenUser = "<token>"

// config is one credential file as it was read. A missing file is an empty one.
type config struct {
	source
	data []byte
	top  object
}

// read loads a source. Only our own file must be readable: one of another tool
// that is not is passed over with a warning, since it was often made by sudo.
func (k *Keyring) read(from source) (*config, error) {
	data := []byte(from.text)
	if from.path != "" {
		var err error
		switch data, err = k.load(from); {
		case errors.Is(err, fs.ErrNotExist):
			data = nil
		case !from.ours && errors.Is(err, fs.ErrPermission):
			k.warn(fmt.Sprintf("%s may not be read, and is left out", from.path))
			data = nil
		case err != nil:
			return nil, fileFault("reading", from.path, err)
		}
	}
	c, err := parse(from, data)
	if err != nil {
		return nil, err
	}
	if m, ok := c.top.find("credStore"); ok && text(m.raw) != "" {
		k.warn(fmt.Sprintf(`%s: "credStore" works, the usual spelling is "credsStore"`, from.name))
	}
	return c, nil
}

// load reads a file, and warns when ours is open to other users.
func (k *Keyring) load(from source) ([]byte, error) {
	f, err := os.Open(from.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if from.ours && readableByOthers(info.Mode()) {
		k.warn(fmt.Sprintf("%s can be read by other users: chmod 600 %s", from.path, from.path))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxConfig {
		return nil, fault.New(fault.Invalid, "", "larger than %d MiB, not a credential file", maxConfig>>20)
	}
	return data, nil
}

// parse takes a file apart, and fails with Invalid at the line that is wrong.
func parse(from source, data []byte) (*config, error) {
	c := &config{source: from, data: trimBOM(data)}
	if len(strings.TrimSpace(string(c.data))) == 0 {
		return c, nil
	}
	if err := checkSyntax(c.data); err != nil {
		return nil, c.invalid(err)
	}
	var err error
	if c.top, err = decodeObject(c.data, 0); err != nil {
		return nil, c.invalid(err)
	}
	return c, nil
}

// invalid is err as a fault that names the file and the line.
func (c *config) invalid(err error) error {
	where := ""
	if at, ok := errors.AsType[*positioned](err); ok {
		where = fmt.Sprintf("line %d: ", lineOf(c.data, at.at))
	}
	f := fault.New(fault.Invalid, "", "reading %s: %s%w", c.name, where, err)
	if c.path == "" {
		return f.WithHint("%s holds the text of a config.json, as docker login writes it", c.name)
	}
	return f.WithHint("correct %s, or move it away and log in again", c.path)
}

// section is a member of the file that is an object, for example "auths".
func (c *config) section(name string) (object, error) {
	m, ok := c.top.find(name)
	if !ok {
		return nil, nil
	}
	o, err := decodeObject(m.raw, m.at)
	if err != nil {
		return nil, c.invalid(fmt.Errorf("%q: %w", name, err))
	}
	return o, nil
}

// lookup is what "auths" holds for s: of the entries with a secret that cover
// it the longest, and of several spellings Docker's own.
func (c *config) lookup(s server) (Credential, error) {
	auths, err := c.section("auths")
	if err != nil {
		return Credential{}, err
	}
	var best Credential
	bestLen, bestExact := -1, false
	for _, m := range auths {
		have := readKey(m.key)
		if !have.covers(s) || len(have.path) < bestLen {
			continue
		}
		exact := m.key == have.key()
		if len(have.path) == bestLen && bestExact && !exact {
			continue
		}
		found, err := m.credential()
		if err != nil {
			return Credential{}, c.invalid(fmt.Errorf("%q: %w", m.key, err))
		}
		if found != (Credential{}) {
			best, bestLen, bestExact = found, len(have.path), exact
		}
	}
	return best, nil
}

// credential reads one entry of "auths". An empty entry is the mark of a login
// that a helper keeps, and gives the zero Credential.
func (m member) credential() (Credential, error) {
	o, err := decodeObject(m.raw, m.at)
	if err != nil {
		return Credential{}, err
	}
	get := func(name string) string {
		f, _ := o.find(name)
		return text(f.raw)
	}
	c := Credential{
		Username:      get("username"),
		Password:      get("password"),
		IdentityToken: get("identitytoken"),
		RegistryToken: get("registrytoken"),
	}
	if auth, ok := o.find("auth"); ok && text(auth.raw) != "" {
		if c.Username, c.Password, ok = readAuth(text(auth.raw)); !ok {
			return Credential{}, &positioned{auth.at, errors.New(`"auth" is not the base64 of user:password`)}
		}
	}
	return c.normal(), nil
}

// normal moves an identity token to its own field, and gives the zero
// Credential when there is no secret at all.
func (c Credential) normal() Credential {
	if c.Username == tokenUser {
		c.IdentityToken, c.Username, c.Password = c.Password, "", ""
	}
	if c.Password == "" && c.IdentityToken == "" && c.RegistryToken == "" {
		return Credential{}
	}
	return c
}

// readAuth understands the base64 that tools really write: wrapped, padded or
// not, in either alphabet, and with the NULs that old Dockers added.
func readAuth(auth string) (user, password string, ok bool) {
	auth = strings.Map(func(r rune) rune {
		switch r {
		case '\n', '\r', '\t', ' ', '=':
			return -1
		case '-':
			return '+'
		case '_':
			return '/'
		}
		return r
	}, auth)
	raw, err := base64.RawStdEncoding.DecodeString(auth)
	if err != nil {
		return "", "", false
	}
	user, password, ok = strings.Cut(string(raw), ":")
	return user, strings.Trim(password, "\x00"), ok && user != ""
}

// text is the string in raw, or "" when it is none.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}
