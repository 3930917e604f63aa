package registry

import (
	"cmp"
	"fmt"
	"net/http"
	"time"
)

// The errors of the transport. They pass through net/http and regclient, which
// wrap them, and are turned into faults in fault.go.

// answer is a registry's refusal: a final status outside 2xx.
type answer struct {
	host    string // as in a reference
	method  string
	status  int
	code    string        // of the registry's error body: MANIFEST_UNKNOWN
	message string        // likewise, one line, without our secrets
	asked   time.Duration // Retry-After, 0 if none
	user    string        // who the credentials were for; "" when none were sent
	sent    bool          // credentials were sent
	upload  bool          // of an upload's body: only the whole upload can be tried again
	token   string        // the token server that answered, "" if the registry did
	foreign bool          // somebody the registry sent us to answered
	api     string        // the vendor's API that answered, "" if the registry did
	vendor  vendor        // of the registry; zero: by its name
	quota   quota         // what it said about how often it may be asked
}

// Error speaks of the registry as "it": the fault around it names the host.
func (e *answer) Error() string {
	if who := cmp.Or(e.token, e.api); who != "" {
		return who + " answered " + e.said()
	}
	return "it answered " + e.said()
}

// said is the answer itself: "401 Unauthorized: authentication required (UNAUTHORIZED)".
func (e *answer) said() string {
	s := fmt.Sprintf("%d %s", e.status, http.StatusText(e.status))
	switch {
	case e.message != "" && e.code != "":
		s += fmt.Sprintf(": %s (%s)", e.message, e.code)
	case e.message != "" || e.code != "":
		s += ": " + e.message + e.code
	}
	return s
}

// row is the vendor of the registry that answered.
func (e *answer) row() vendor {
	if e.vendor.name == "" {
		return vendorOf(e.host)
	}
	return e.vendor
}

// rejection is an answer in a sentence that says already who gave it.
type rejection struct{ *answer }

func (e rejection) Error() string {
	if e.token != "" || e.api != "" {
		return e.answer.Error()
	}
	return e.said()
}

func (e rejection) Unwrap() error { return e.answer }

// renewed is a refusal of a whole blob, after which a new token was found: how
// much of the blob the registry has kept is unknown, so its upload starts over.
type renewed struct{ refused error }

func (e *renewed) Error() string { return e.refused.Error() }
func (e *renewed) Unwrap() error { return e.refused }

// broken is a request that got no whole answer.
type broken struct {
	host   string
	err    error
	upload bool
}

func (e *broken) Error() string { return e.host + ": " + e.err.Error() }
func (e *broken) Unwrap() error { return e.err }

// proxied is a proxy that does not connect us to a registry.
type proxied struct{ status int }

func (e *proxied) Error() string { return fmt.Sprintf("%d %s", e.status, http.StatusText(e.status)) }

// stalled is a wait that was ended.
type stalled struct {
	doing string // "no answer", "receiving", "sending"
	after time.Duration
}

func (e *stalled) Error() string {
	if e.doing == noAnswer {
		return fmt.Sprintf("no answer within %v", e.after)
	}
	return fmt.Sprintf("%s: next to nothing moved for %v", e.doing, e.after)
}

// Timeout makes a stalled a net.Error's timeout.
func (e *stalled) Timeout() bool { return true }

// refusal is something a registry asked for and we do not do.
type refusal struct {
	host   string // the registry that asked
	reason string
	hint   string // how to permit it, "" when nothing does
}

func (e *refusal) Error() string { return e.reason }

// oversize is an answer that is longer than it may be.
type oversize struct {
	what  string
	limit int64
}

func (e *oversize) Error() string {
	return fmt.Sprintf("%s is larger than %d bytes", e.what, e.limit)
}

// mismatch is content that is not what was asked for.
type mismatch struct{ reason string }

func (e *mismatch) Error() string { return e.reason }
