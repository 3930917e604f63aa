package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/regclient/regclient/types/errs"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// toFault turns whatever an operation on n failed with into a fault, by type.
// Facts that regclient and net/http add in words are left out: they name URLs,
// which may carry signatures, and say what the subject says already.
func toFault(ctx context.Context, n artifact.Name, err error) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil {
		return fault.In("", n.String(), cause) // interrupted, or the user's own --timeout
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return fault.In("", n.String(), f) // of a Sink, a Source, the gate or the credentials
	}
	f := classifyError(n, err)
	f.Subject = n.String()
	return f
}

func classifyError(n artifact.Name, err error) *fault.Error {
	host := n.Registry
	if a, ok := errors.AsType[*answer](err); ok {
		return answerFault(n, a)
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		f := fault.New(fault.Denied, "", "%s asked for something unsafe: %w", host, r)
		f.Hint = r.hint
		return f
	}
	if o, ok := errors.AsType[*oversize](err); ok {
		return fault.New(fault.Limit, "", "%s: %w", host, o)
	}
	if m, ok := errors.AsType[*mismatch](err); ok {
		return fault.New(fault.Invalid, "", "%s: %w", host, m)
	}
	if b, ok := errors.AsType[*broken](err); ok {
		return brokenFault(n, b)
	}
	return contentFault(host, err)
}

// contentFault is for errors after a registry has answered: what regclient says
// of the content, and what a Sink or Source of plain errors says.
func contentFault(host string, err error) *fault.Error {
	switch {
	case errors.Is(err, errs.ErrDigestMismatch):
		return fault.New(fault.Invalid, "", "%s sent content that does not have the digest asked for: %w", host, errs.ErrDigestMismatch)
	case errors.Is(err, errs.ErrSizeLimitExceeded):
		return fault.New(fault.Limit, "", "%s sent more than the content should have: %w", host, errs.ErrSizeLimitExceeded)
	case errors.Is(err, errs.ErrShortRead):
		return fault.New(fault.Unavailable, "", "%s sent less than the content should have: %w", host, errs.ErrShortRead)
	case errors.Is(err, errs.ErrUnsupportedMediaType):
		return fault.New(fault.Invalid, "", "%s sent a manifest of an unknown type", host).
			WithHint("policy images are OCI image manifests")
	case errors.Is(err, errs.ErrMissingLocation), errors.Is(err, errs.ErrMismatch), errors.Is(err, errs.ErrInvalidChallenge):
		return fault.New(fault.Invalid, "", "%s does not speak the OCI distribution protocol: %w", host, err)
	case errors.Is(err, errs.ErrEmptyChallenge), errors.Is(err, errs.ErrHTTPUnauthorized):
		return deniedFault(host, &answer{host: host, status: http.StatusUnauthorized})
	case errors.Is(err, errs.ErrNotFound):
		return fault.New(fault.NotFound, "", "not found at %s", host)
	case errors.Is(err, errs.ErrHTTPRateLimit), errors.Is(err, errs.ErrBackoffLimit), errors.Is(err, errs.ErrRetryLimitExceeded), errors.Is(err, errs.ErrAllRequestsFailed):
		return fault.New(fault.Unavailable, "", "%s: %w", host, err)
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fault.New(fault.Invalid, "", "%s sent a manifest that is not JSON: %w", host, err)
	}
	if f := localFault(err); f != nil {
		return f
	}
	return fault.New(fault.Invalid, "", "%s answered with something unexpected: %w", host, withoutURL(err))
}

// localFault recognizes errors of our own disk.
func localFault(err error) *fault.Error {
	var kind fault.Kind
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EIO), errors.Is(err, syscall.EMFILE):
		kind = fault.Unavailable
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		kind = fault.Denied
	case errors.Is(err, fs.ErrNotExist):
		kind = fault.NotFound
	default:
		if _, ok := errors.AsType[*fs.PathError](err); !ok {
			return nil
		}
		kind = fault.Unavailable
	}
	return fault.New(kind, "", "%w", err)
}

// fileFault is for a file of the configuration that cannot be used.
func fileFault(host, doing string, err error) error {
	kind := fault.Invalid
	if f := localFault(err); f != nil {
		kind = f.Kind
	}
	return fault.New(kind, host, "%s: %w", doing, err)
}

// withoutURL removes what net/http says about the URL.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// answerFault is what a registry's status means.
func answerFault(n artifact.Name, a *answer) *fault.Error {
	host, v := a.host, a.row()
	switch {
	case a.foreign:
		kind := fault.Unavailable
		if a.status == http.StatusNotFound {
			kind = fault.NotFound
		}
		return fault.New(kind, "", "where %s keeps the content: %w", host, a)
	case a.exhausted():
		return exhaustedFault(a)
	case a.token != "" && a.status >= 400 && a.status < 500 && a.status != http.StatusTooManyRequests && a.status != http.StatusRequestTimeout,
		a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return deniedFault(host, a)
	case a.status == http.StatusNotFound && a.method != http.MethodGet && a.method != http.MethodHead && a.method != http.MethodDelete && v.missing != "":
		return fault.New(fault.NotFound, "", "%w", a).WithHint("%s", about(v.missing, n))
	case a.status == http.StatusNotFound:
		f := fault.New(fault.NotFound, "", "%w", a)
		switch {
		case a.method != http.MethodGet && a.method != http.MethodHead && a.method != http.MethodDelete:
			f.Hint = "create the repository there first, or see which there are: policy images --remote " + n.Registry
		case n.Repository != "" && n.Tag+n.Digest.String() != "" && a.code != "NAME_UNKNOWN": // a repository that is not there has no tags
			f.Hint = "see what is there: policy tags " + n.Familiar()
		case n.Repository != "":
			f.Hint = "see what is there: policy images --remote " + n.Registry
			if org, _, below := strings.Cut(n.Repository, "/"); v.unlisted && below {
				f.Hint += "/" + org
			}
		}
		return f
	case a.status == http.StatusRequestEntityTooLarge:
		return fault.New(fault.Limit, "", "%w", a).
			WithHint("the limit is set at %s, or at a proxy before it", host)
	case a.status == http.StatusMethodNotAllowed, a.status == http.StatusNotImplemented:
		return fault.New(fault.Denied, "", "it does not allow this: %w", rejection{a}).
			WithHint("copy to a registry that does: policy copy IMAGE HOST/NAME:TAG")
	case a.status >= 500, a.status == http.StatusRequestTimeout:
		return fault.New(fault.Unavailable, "", "%w", a).
			WithHint("try again; to see what %s was asked and what it answered, add -vvv", host)
	}
	return fault.New(fault.Invalid, "", "%w", a).
		WithHint("to see what %s was asked and what it answered, add -vvv", host)
}

// deniedFault says whether credentials are missing or do not suffice.
func deniedFault(host string, a *answer) *fault.Error {
	var f *fault.Error
	switch {
	case !a.sent:
		f = fault.New(fault.Denied, "", "it wants credentials and there are none: %w", rejection{a})
	case a.user != "":
		f = fault.New(fault.Denied, "", "it refuses the credentials of %q: %w", a.user, rejection{a})
	default:
		f = fault.New(fault.Denied, "", "it refuses the credentials: %w", rejection{a})
	}
	f.Hint = "policy login -s " + host + " -u USER"
	v, n := a.row(), artifact.Name{Registry: host}
	switch {
	case a.api != "" && v.apiDenied != "" && a.sent:
		f.Hint = about(v.apiDenied, n)
	case v.denied != "" && (a.status == http.StatusForbidden || !a.sent && v.keyless()):
		f.Hint = about(v.denied, n)
	}
	return f
}

// brokenFault is what it means to get no answer.
func brokenFault(n artifact.Name, b *broken) *fault.Error {
	host := b.host
	if op, ok := errors.AsType[*net.OpError](b.err); ok && op.Op == "proxyconnect" {
		return fault.New(fault.Unavailable, "", "the proxy for %s cannot be reached: %w", host, op.Err)
	}
	if p, ok := errors.AsType[*proxied](b.err); ok {
		return proxyFault(host, p)
	}
	if d, ok := errors.AsType[*net.DNSError](b.err); ok {
		if d.IsNotFound {
			return fault.New(fault.Unavailable, "", "there is no host %q", d.Name).
				WithHint("check the spelling of the registry in %s", n.Familiar())
		}
		return fault.New(fault.Unavailable, "", "looking up %q: %w", d.Name, d)
	}
	switch {
	case errors.Is(b.err, syscall.ECONNREFUSED):
		f := fault.New(fault.Unavailable, "", "nobody listens at %s: %w", host, syscall.ECONNREFUSED)
		if isLoopback(host) {
			f.Hint = "start a registry there: policy serve --addr " + host
		}
		return f
	case isPlain(b.err):
		return fault.New(fault.Unavailable, "", "%s does not speak TLS", host).
			WithHint("if it is meant to: --plaintext, or registries: {%q: {plain_http: true}} in config.yaml", host)
	case isCertificate(b.err):
		return fault.New(fault.Denied, "", "the certificate of %s is not trusted: %w", host, withoutURL(b.err)).
			WithHint("name its authority: registries: {%q: {ca: FILE.pem}} in config.yaml; or -k to trust anybody", host)
	}
	if refusesUs(alertOf(b.err)) {
		return fault.New(fault.Denied, "", "it wants a client certificate that it trusts: %w", withoutURL(b.err)).
			WithHint("show it one: registries: {%q: {client_cert: FILE.pem, client_key: FILE.pem}} in config.yaml", host)
	}
	if s, ok := errors.AsType[*stalled](b.err); ok {
		return fault.New(fault.Unavailable, "", "%s: %w", host, s)
	}
	if t, ok := errors.AsType[net.Error](b.err); ok && t.Timeout() {
		return fault.New(fault.Unavailable, "", "%s: %w", host, errTimeout)
	}
	if f := localFault(b.err); f != nil {
		return f
	}
	return fault.New(fault.Unavailable, "", "the connection to %s broke: %w", host, withoutURL(b.err))
}

// proxyFault is what it means that a proxy does not connect us.
func proxyFault(host string, p *proxied) *fault.Error {
	switch {
	case p.status == http.StatusProxyAuthRequired:
		return fault.New(fault.Denied, "", "the proxy for %s wants credentials: %w", host, p).
			WithHint("put them into its URL: HTTPS_PROXY=http://USER:PASSWORD@PROXY:PORT")
	case p.status >= 500:
		return fault.New(fault.Unavailable, "", "the proxy does not reach %s: %w", host, p)
	}
	return fault.New(fault.Denied, "", "the proxy does not connect to %s: %w", host, p).
		WithHint("go without it: NO_PROXY=%s", host)
}

var errTimeout = fmt.Errorf("no connection in time")

// judge decides whether a tag that could not be deleted by name may be deleted
// the other way. 400 and 404 are what registries say that know no such request;
// everything else is a decision.
func (d *deletion) judge(err error) {
	a, ok := errors.AsType[*answer](err)
	if ok && (a.status == http.StatusBadRequest || a.status == http.StatusNotFound) {
		return
	}
	d.refused = err
}
