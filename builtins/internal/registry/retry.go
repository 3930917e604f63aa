package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/policyhost/policy/runtime/fault"
)

// maxBackoff is the longest pause of our own choosing.
const maxBackoff = 5 * time.Second

// retrier paces the tries of one thing.
type retrier struct {
	c      *Client
	host   string
	left   int           // tries
	budget time.Duration // of waits the registry may still ask for
	pause  time.Duration
	try    int
}

func (c *Client) retrier(host string, attempts int) *retrier {
	t := c.o.Timeouts
	if c.o.Embedded[host] != nil { // it is never busy: what it cannot do now it cannot do in a second
		attempts = 1
	}
	return &retrier{c: c, host: host, left: attempts, budget: t.RetryAfter, pause: t.Backoff}
}

// wait pauses before the next try. It returns the error to give up with: err
// itself, when no try is left, or the context's.
func (r *retrier) wait(ctx context.Context, err error) error {
	r.left--
	r.try++
	if r.left <= 0 {
		return err
	}
	delay := r.pause + rand.N(r.pause/4+1)
	r.pause = min(2*r.pause, maxBackoff)
	if a, ok := errors.AsType[*answer](err); ok && (a.wait() > 0 || a.quota.spent) {
		if r.budget <= 0 || a.quota.known() && a.wait() > r.budget {
			return err
		}
		delay = min(max(a.wait(), delay), r.budget)
		r.budget -= delay
	}
	r.c.o.Retry(Retry{Host: r.host, Reason: err.Error(), Delay: delay, Try: r.try})
	return sleep(ctx, delay)
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// transient reports whether trying again may help: a busy or restarting
// server, a connection that broke. A host that cannot be reached at all, is
// not trusted, or has kept us waiting for as long as we are willing to is not
// asked again.
func transient(err error) bool {
	if a, ok := errors.AsType[*answer](err); ok {
		if a.exhausted() {
			return true
		}
		switch a.status {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	b, ok := errors.AsType[*broken](err)
	if !ok || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	return !unreached(b.err) && !permanent(b.err)
}

// unreached reports whether no connection came about.
func unreached(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op == "dial" || op.Op == "proxyconnect"
	}
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout() // of the TLS handshake
}

// permanent reports whether err says no by its type.
func permanent(err error) bool {
	if _, ok := errors.AsType[*stalled](err); ok {
		return true
	}
	if _, ok := errors.AsType[*refusal](err); ok {
		return true
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return true
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return true
	}
	if p, ok := errors.AsType[*proxied](err); ok && p.status < 500 {
		return true
	}
	return isCertificate(err) || isPlain(err) || alertOf(err) != 0
}

// isCertificate reports whether err is about whom TLS trusts.
func isCertificate(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	_, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok
}

// alertOf is the TLS alert (RFC 8446, 6) with which a server ended a connection,
// 0 for none. crypto/tls has no exported type for it, but a number behind an error
// of its own.
func alertOf(err error) uint64 {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "remote error" {
		return 0
	}
	if v := reflect.ValueOf(op.Err); v.Kind() == reflect.Uint8 {
		return v.Uint()
	}
	return 0
}

// refusesUs reports whether a TLS alert is about who we are: from handshake_failure
// to access_denied, and certificate_required.
func refusesUs(alert uint64) bool { return alert >= 40 && alert <= 49 || alert == 116 }

// isPlain reports whether a server answered a TLS handshake with something else.
func isPlain(err error) bool {
	_, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok || errors.Is(err, http.ErrSchemeMismatch)
}

// retryAfter reads a Retry-After header, in seconds or as a date; 0 if there is none.
func retryAfter(s string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
