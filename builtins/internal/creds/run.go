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
	"time"
	"unicode"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"

	"github.com/policyhost/policy/runtime/fault"
)

// maxAnswer is more than a helper has to say, in bytes.
const maxAnswer = 1 << 20

// run is one call of a helper, as the helpers' library wants to make it: with
// an end in time and in size, and with a reason that may be shown.
type run struct {
	k       *Keyring
	ctx     context.Context // here because the library's interface has no room for it
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
		r.failed = fault.New(fault.Invalid, "", "%s: more than %d KiB of output", who, maxAnswer>>10).WithHint("%s", r.tryIt())
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // the latter: a good end, and a child left behind
	case r.ctx.Err() != nil:
		r.failed = fmt.Errorf("%s: %w", who, r.ctx.Err())
	case ctx.Err() != nil:
		r.failed = fault.New(fault.Unavailable, "", "%s: no answer after %s", who, r.k.o.HelperTimeout).
			WithHint("%s", r.tryIt())
	default:
		r.failed = fault.New(fault.Denied, "", "%s: %w%s", who, exitStatus(err), r.reason(stderr.data)).
			WithHint("%s", r.tryIt())
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
	return fault.New(fault.Invalid, "", "%s %s: its answer is not what a credential helper says", r.h.program(), r.action).
		WithHint("%s", r.tryIt())
}

func (r *run) tryIt() string {
	return fmt.Sprintf("try it by hand: echo HOST | %s get", r.h.program())
}

// exitStatus keeps of an error only what says nothing about the answer.
func exitStatus(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return errors.New(exit.String())
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
