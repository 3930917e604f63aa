package creds

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"

	"github.com/policyhost/policy/runtime/fault"
)

// answerAge is how long a helper's answer is believed: shorter than any token
// lives, longer than a listing of a registry takes.
const answerAge = 5 * time.Minute

// helper is a program named docker-credential-NAME, and the setting that names
// it. The zero helper means that there is none.
type helper struct {
	name  string
	key   string // "credHelpers", "credsStore" or "credStore"
	where string // the file
}

func (h helper) program() string { return "docker-credential-" + h.name }

// helper returns the one that keeps s. A host that "credHelpers" gives the
// empty name has none, as for Docker.
func (c *config) helper(s server) (helper, error) {
	hosts, err := c.section("credHelpers")
	if err != nil {
		return helper{}, err
	}
	best, bestLen := member{}, -1
	for _, m := range hosts {
		if have := readKey(m.key); have.covers(s) && len(have.path) >= bestLen {
			best, bestLen = m, len(have.path)
		}
	}
	if bestLen >= 0 {
		return c.named("credHelpers", best)
	}
	for _, key := range []string{"credsStore", "credStore"} {
		if m, ok := c.top.find(key); ok {
			if h, err := c.named(key, m); err != nil || h.name != "" {
				return h, err
			}
		}
	}
	return helper{}, nil
}

// named reads the name of a helper. It becomes the name of a program to run, so
// it must not be able to say where that is.
func (c *config) named(key string, m member) (helper, error) {
	var name string
	if err := json.Unmarshal(m.raw, &name); err != nil || strings.ContainsFunc(name, notInName) || strings.HasPrefix(name, ".") {
		return helper{}, c.invalid(&positioned{m.at, fmt.Errorf("%q: not the name of a helper: letters, digits, _ . - only", key)})
	}
	return helper{name: name, key: key, where: c.name}, nil
}

func notInName(r rune) bool {
	return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_.-", r)
}

// question is what a helper was asked, answer what it said and when.
type question struct{ helper, server string }

type answer struct {
	sync.Mutex // held while the helper runs: it is asked once, however many wait
	at         time.Time
	credential Credential
}

// get asks h for s, and remembers what it said. An empty user and secret is how
// some helpers say that they know nothing (Debian's pass).
func (k *Keyring) get(ctx context.Context, h helper, s server) (Credential, error) {
	if k.o.NoHelpers {
		return Credential{}, h.unasked()
	}
	host := server{host: s.host}
	k.mu.Lock()
	a := k.answers[question{h.name, host.key()}]
	if a == nil {
		a = &answer{}
		k.answers[question{h.name, host.key()}] = a
	}
	k.mu.Unlock()
	a.Lock()
	defer a.Unlock()
	if !a.at.IsZero() && time.Since(a.at) < answerAge {
		return a.credential, nil
	}
	c, err := k.ask(ctx, h, host.key())
	if err == nil && c == (Credential{}) && host.host == hub {
		c, err = k.ask(ctx, h, hub) // podman's name for it
	}
	if err != nil {
		return Credential{}, err
	}
	a.at, a.credential = time.Now(), c
	return c, nil
}

// unasked says why a helper that may not be asked does not answer.
func (h helper) unasked() error {
	return fault.New(fault.Denied, "", "%s, named by %q in %s, is not asked here", h.program(), h.key, h.where)
}

// forget drops what helpers said, since a login or a logout has changed it.
func (k *Keyring) forget() {
	k.mu.Lock()
	clear(k.answers)
	k.mu.Unlock()
}

func (k *Keyring) ask(ctx context.Context, h helper, key string) (Credential, error) {
	r := &run{k: k, ctx: ctx, h: h}
	got, err := client.Get(r.program, key)
	switch {
	case credentials.IsErrCredentialsNotFound(err):
		return Credential{}, nil
	case err != nil:
		return Credential{}, r.fault(err)
	}
	return Credential{Username: got.Username, Password: got.Secret}.normal(), nil
}

// put has h keep c. A helper keeps one user and one secret.
func (k *Keyring) put(ctx context.Context, h helper, s server, c Credential) error {
	keep := &credentials.Credentials{ServerURL: s.key(), Username: c.Username, Secret: c.Password}
	if c.IdentityToken != "" {
		keep.Username, keep.Secret = tokenUser, c.IdentityToken
	}
	r := &run{k: k, ctx: ctx, h: h, secrets: []string{c.Password, c.IdentityToken}}
	return r.fault(client.Store(r.program, keep))
}

// erase has h forget key; that it never knew it is no failure.
func (k *Keyring) erase(ctx context.Context, h helper, key string) error {
	r := &run{k: k, ctx: ctx, h: h}
	err := client.Erase(r.program, key)
	if err != nil && credentials.IsErrCredentialsNotFoundMessage(string(r.out.data)) {
		return nil
	}
	return r.fault(err)
}

// list is what h keeps: a user name for each server.
func (k *Keyring) list(ctx context.Context, h helper) (map[string]string, error) {
	if k.o.NoHelpers {
		return nil, h.unasked()
	}
	r := &run{k: k, ctx: ctx, h: h}
	users, err := client.List(r.program)
	return users, r.fault(err)
}
