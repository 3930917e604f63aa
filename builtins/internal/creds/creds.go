// Package creds finds, keeps and forgets the credentials of registries, in
// files of Docker's format and in Docker's credential helpers.
//
// A [Keyring] reads several files and writes one:
//
//  1. config.json in the store root: the one that login and logout change
//  2. the file named by $REGISTRY_AUTH_FILE
//  3. the JSON text in $DOCKER_AUTH_CONFIG
//  4. config.json in $DOCKER_CONFIG, or else ~/.docker/config.json
//
// The first that knows a host answers for it. Within a file the order is
// Docker's: the helper named for the host in "credHelpers", else the one in
// "credsStore", then "auths". A key of "auths" may name a part of a registry
// ("quay.io/team"); the longest that fits wins. All spellings of Docker Hub are
// one host, docker.io.
//
// No error, message or format verb of this package shows a secret.
package creds

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/policyhost/policy/runtime/fault"
)

// Credential is what a registry is shown. The zero Credential means none: the
// registry is asked as nobody in particular.
type Credential struct {
	Username      string // for Basic, and with Password for a token
	Password      string
	IdentityToken string // an OAuth2 refresh token, in place of Password
	RegistryToken string // a bearer token, sent as it is
}

// redacted stands for a credential wherever one would be printed.
const redacted = "***"

// String is "***": a credential is never printed.
func (Credential) String() string { return redacted }

// GoString is "***", so that %#v shows nothing either.
func (Credential) GoString() string { return redacted }

// Format writes "***" for every verb.
func (Credential) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) } //nolint:errcheck // a formatter has nobody to tell

// MarshalText gives "***", so that no encoder shows a secret.
func (Credential) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue gives "***" to structured logs.
func (Credential) LogValue() slog.Value { return slog.StringValue(redacted) }

// Options say where a Keyring looks. The zero Options look at the environment
// of the process only.
type Options struct {
	Root          string                   // folder of the config.json that is ours, the store root; "" keeps nothing
	Getenv        func(name string) string // nil: os.Getenv. Its PATH is where helpers are looked for
	Home          string                   // the user's folder; "": $HOME, on Windows $USERPROFILE
	HelperTimeout time.Duration            // the longest a helper may take to answer; 0: 10 s
	NoHelpers     bool                     // ask no helper, which might ask a person: Get fails for what one keeps, List does not know its users
	Warn          func(message string)     // told once of each thing that is odd but works; nil: nobody is
}

// Keyring answers for registries from files and helpers. It is safe for
// concurrent use, by several processes too.
type Keyring struct {
	o Options

	mu      sync.Mutex
	warned  map[string]bool
	answers map[question]*answer
}

// New returns a Keyring. It reads nothing until it is asked.
func New(o Options) *Keyring {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Home == "" {
		o.Home = o.Getenv(homeVariable)
	}
	if o.HelperTimeout == 0 {
		o.HelperTimeout = 10 * time.Second
	}
	return &Keyring{o: o, warned: map[string]bool{}, answers: map[question]*answer{}}
}

// Get returns what is known for a repository at host: the zero Credential when
// nothing is. It fails with Invalid for a file that cannot be understood, and
// with Denied or Unavailable for a helper that cannot answer. A file it cannot
// use is never passed over for the next: that would be somebody else's name.
func (k *Keyring) Get(ctx context.Context, host, repository string) (Credential, error) {
	s, err := parseServer(host)
	if err != nil {
		return Credential{}, err
	}
	s.path = strings.Trim(s.path+"/"+repository, "/")
	for _, from := range k.sources() {
		c, err := k.read(from)
		if err != nil {
			return Credential{}, err
		}
		found, err := k.find(ctx, from, c, s)
		if err != nil || found != (Credential{}) {
			return found, err
		}
	}
	if file := k.legacyFor(s); file != "" {
		k.warn(fmt.Sprintf("opcr policy v0.1 left a login for %s in %s, which is not read: policy logins --migrate takes it over", s.host, file))
	}
	return Credential{}, nil
}

// find asks one file, and the helper it names, in Docker's order. A helper that
// another tool's file names and this machine does not have is passed over, so
// that what needs no credentials works all the same.
func (k *Keyring) find(ctx context.Context, from source, c *config, s server) (Credential, error) {
	h, err := c.helper(s)
	if err != nil {
		return Credential{}, err
	}
	if h.name != "" && !from.ours {
		if _, err := k.lookPath(h.program()); err != nil {
			k.warn(fmt.Sprintf("%s, named by %q in %s, is not on PATH: going on without it", h.program(), h.key, h.where))
			h.name = ""
		}
	}
	if h.name != "" {
		found, err := k.get(ctx, h, s)
		if err != nil || found != (Credential{}) {
			return found, err
		}
	}
	return c.lookup(s)
}

// source is a place that may hold credentials.
type source struct {
	name string // as messages call it: its path, or the variable
	path string // "": text is the content
	text string
	ours bool
}

// sources are the places in the order they are asked.
func (k *Keyring) sources() []source {
	var all []source
	if k.o.Root != "" {
		all = append(all, k.ours())
	}
	if path := k.o.Getenv("REGISTRY_AUTH_FILE"); path != "" {
		all = append(all, source{name: path, path: path})
	}
	if text := k.o.Getenv("DOCKER_AUTH_CONFIG"); text != "" {
		all = append(all, source{name: "$DOCKER_AUTH_CONFIG", text: text})
	}
	dir := k.o.Getenv("DOCKER_CONFIG")
	if dir == "" && k.o.Home != "" {
		dir = filepath.Join(k.o.Home, ".docker")
	}
	if dir != "" {
		path := filepath.Join(dir, "config.json")
		all = append(all, source{name: path, path: path})
	}
	return all
}

// ours is the one file that login and logout change.
func (k *Keyring) ours() source {
	path := filepath.Join(k.o.Root, "config.json")
	return source{name: path, path: path, ours: true}
}

// warn tells message once in the life of the Keyring.
func (k *Keyring) warn(message string) {
	if k.o.Warn == nil {
		return
	}
	k.mu.Lock()
	told := k.warned[message]
	k.warned[message] = true
	k.mu.Unlock()
	if !told {
		k.o.Warn(message)
	}
}

// server is a key of a credential file, taken apart: a host in lower case and
// the part of it that is meant, usually "".
type server struct{ host, path string }

// hub is the host of Docker Hub, and hubKey the key that its credentials have
// been kept under since before registries had a version 2.
const (
	hub    = "docker.io"
	hubKey = "https://index.docker.io/v1/"
)

// readKey understands any spelling of a key: with a scheme, a trailing slash or
// the /v1/ of old, and every name of Docker Hub.
func readKey(key string) server {
	_, rest, ok := strings.Cut(key, "://")
	if !ok {
		rest = key
	}
	host, path, _ := strings.Cut(rest, "/")
	s := server{strings.ToLower(host), strings.Trim(path, "/")}
	if s.path == "v1" || s.path == "v2" {
		s.path = ""
	}
	switch s.host {
	case "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com":
		s.host = hub
	}
	return s
}

// parseServer is readKey for what a user typed: it fails with Usage when that
// cannot be a registry.
func parseServer(typed string) (server, error) {
	s := readKey(typed)
	if s.host == "" || strings.ContainsFunc(typed, func(r rune) bool { return r <= ' ' || r == 0x7f }) || strings.ContainsAny(s.host, "@?#\\\"") {
		return server{}, fault.New(fault.Usage, strconv.Quote(typed), "not the name of a registry").
			WithHint("a registry looks like ghcr.io or registry.example.com:5000")
	}
	return s, nil
}

// key is how a server is written to files and said to helpers, as Docker does.
func (s server) key() string {
	if s == (server{host: hub}) {
		return hubKey
	}
	return s.String()
}

// String is how people write the server: "docker.io", "quay.io/team".
func (s server) String() string {
	if s.path == "" {
		return s.host
	}
	return s.host + "/" + s.path
}

// covers reports whether what is known for s holds for asked.
func (s server) covers(asked server) bool {
	if s.host != asked.host {
		return false
	}
	rest, ok := strings.CutPrefix(asked.path, s.path)
	return ok && (s.path == "" || rest == "" || rest[0] == '/')
}
