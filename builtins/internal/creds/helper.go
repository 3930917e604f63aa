package creds

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"

	"github.com/policyhost/policy/runtime/fault"
)

// maxAnswer is more than a helper has to say, in bytes.
const maxAnswer = 1 << 20

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
	r := &run{k: k, ctx: ctx, h: h}
	users, err := client.List(r.program)
	return users, r.fault(err)
}

// run is one call of a helper, as the helpers' library wants to make it: with
// an end in time and in size, and with a reason that may be shown.
type run struct {
	k       *Keyring
	ctx     context.Context //nolint:containedctx // the library's interface has no room for it
	h       helper
	secrets []string

	action string
	in     io.Reader
	out    limited
	failed error
}

func (r *run) program(args ...string) client.Program {
	r.action = args[0]
	return r
}

// Input sets what the helper reads.
func (r *run) Input(in io.Reader) { r.in = in }

// Output runs the helper and returns what it wrote to its standard output.
func (r *run) Output() ([]byte, error) {
	path, err := r.k.lookPath(r.h.program())
	if err != nil {
		r.failed = fault.New(fault.Denied, "", "%s, named by %q in %s, is not on PATH", r.h.program(), r.h.key, r.h.where).
			WithHint("install %s, or take %q out of %s", r.h.program(), r.h.key, r.h.where)
		return nil, r.failed
	}
	ctx, cancel := context.WithTimeout(r.ctx, r.k.o.HelperTimeout)
	defer cancel()
	var stderr limited
	r.out.full, stderr.full = cancel, cancel // a flood is not worth waiting for
	cmd := exec.CommandContext(ctx, path, r.action)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r.in, &r.out, &stderr
	cmd.WaitDelay = 500 * time.Millisecond // a child of the helper may hold the pipes
	err = cmd.Run()
	who := r.h.program() + " " + r.action
	switch {
	case r.out.over || stderr.over:
		r.failed = fault.New(fault.Invalid, "", "%s: more than %d KiB of output", who, maxAnswer>>10)
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // the latter: a good end, and a child left behind
	case r.ctx.Err() != nil:
		r.failed = fmt.Errorf("%s: %w", who, r.ctx.Err())
	case ctx.Err() != nil:
		r.failed = fault.New(fault.Unavailable, "", "%s: no answer after %s", who, r.k.o.HelperTimeout).
			WithHint("try it by hand: echo HOST | %s get", r.h.program())
	default:
		r.failed = fault.New(fault.Denied, "", "%s: %w%s", who, exitStatus(err), r.reason(stderr.data)).
			WithHint("try it by hand: echo HOST | %s get", r.h.program())
	}
	return r.out.data, r.failed
}

// fault is the reason the library's call failed. The library's own errors carry
// the helper's output, and with it perhaps a secret: they stop here.
func (r *run) fault(err error) error {
	switch {
	case err == nil:
		return nil
	case r.failed != nil:
		return r.failed
	}
	return fault.New(fault.Invalid, "", "%s %s: its answer is not what a credential helper says", r.h.program(), r.action)
}

// exitStatus keeps of an error only what says nothing about the answer.
func exitStatus(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return errors.New(exit.ProcessState.String())
	}
	return err
}

// reason is what the helper said for itself, in one line without secrets.
// Helpers write it to either stream.
func (r *run) reason(stderr []byte) string {
	said := strings.TrimSpace(string(r.out.data) + "\n" + string(stderr))
	if r.action == credentials.ActionGet && strings.Contains(said, "Secret") {
		said = "" // the answer itself: which part of it is secret only the helper knows
	}
	for _, s := range r.secrets {
		said = scrub(said, s)
	}
	said = strings.Join(strings.FieldsFunc(said, func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) }), " ")
	if runes := []rune(said); len(runes) > 300 {
		said = string(runes[:300]) + "…"
	}
	if said == "" {
		return ""
	}
	return ": " + said
}

// scrub takes a secret out of text: as it is, line by line, and as JSON, URLs
// and base64 spell it.
func scrub(said, secret string) string {
	if secret == "" {
		return said
	}
	spellings := []string{secret, strings.Trim(string(quote(secret)), `"`), url.QueryEscape(secret), url.PathEscape(secret)}
	if quoted, err := json.Marshal(secret); err == nil {
		spellings = append(spellings, strings.Trim(string(quoted), `"`))
	}
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		spellings = append(spellings, e.EncodeToString([]byte(secret)))
	}
	for line := range strings.Lines(secret) {
		if line = strings.TrimSpace(line); len(line) >= 8 { // shorter lines, as "{", would take everything
			spellings = append(spellings, line)
		}
	}
	for _, s := range spellings {
		said = strings.ReplaceAll(said, s, redacted)
	}
	return said
}

// lookPath finds a program in the Keyring's PATH, never in the current folder.
func (k *Keyring) lookPath(program string) (string, error) {
	for _, dir := range filepath.SplitList(k.o.Getenv("PATH")) {
		if !filepath.IsAbs(dir) {
			continue
		}
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}

// limited keeps the first maxAnswer bytes and calls full at the next.
type limited struct {
	data []byte
	over bool
	full func()
}

// Write never fails, so that the helper's end is told by its exit.
func (l *limited) Write(p []byte) (int, error) {
	keep := min(len(p), maxAnswer-len(l.data))
	l.data = append(l.data, p[:keep]...)
	if keep < len(p) && !l.over {
		l.over = true
		l.full()
	}
	return len(p), nil
}
