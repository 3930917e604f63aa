package embedded

import (
	"encoding/json"
	"errors"
	"net/http"
	"syscall"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// problem is an answer that is not the one asked for: a status, a code of the
// distribution specification, and a line for people.
type problem struct {
	status  int
	code    string
	message string
}

func (p *problem) Error() string { return p.message }

// asProblem is the one place where the store's faults become answers. Damage in
// the store is the server's, not the caller's.
func asProblem(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if errors.Is(err, syscall.ENOSPC) {
		// Not 503, which clients take for a reason to try again.
		return &problem{http.StatusInsufficientStorage, "UNAVAILABLE", "no space left on the registry's disk"}
	}
	switch fault.Of(err).Kind {
	case fault.NotFound:
		return &problem{http.StatusNotFound, "BLOB_UNKNOWN", err.Error()}
	case fault.Denied:
		return &problem{http.StatusForbidden, "DENIED", err.Error()}
	case fault.Usage:
		return &problem{http.StatusBadRequest, "UNSUPPORTED", err.Error()}
	case fault.Limit:
		return &problem{http.StatusRequestEntityTooLarge, "SIZE_INVALID", err.Error()}
	case fault.Unavailable, fault.Conflict, fault.Canceled:
		return &problem{http.StatusServiceUnavailable, "UNAVAILABLE", err.Error()}
	}
	return &problem{http.StatusInternalServerError, "UNKNOWN", err.Error()}
}

// fail answers with an error, in the form of the specification.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	p := asProblem(err)
	type line struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	body, err := json.Marshal(map[string][]line{"errors": {{p.code, p.message}}})
	if err != nil {
		body = []byte(`{"errors":[]}`)
	}
	for _, name := range []string{"Content-Length", "ETag", "Docker-Content-Digest"} {
		w.Header().Del(name) // of the answer that was not given
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.status)
	if r.Method != http.MethodHead {
		w.Write(body) //nolint:errcheck // the client has gone
	}
}

// writeJSON answers 200 with v.
func writeJSON(w http.ResponseWriter, mediaType string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", mediaType)
	w.Write(body) //nolint:errcheck // the client has gone
	return nil
}

// parseDigest reads a digest in a request. It fails with DIGEST_INVALID.
func parseDigest(s string) (artifact.Digest, error) {
	d := artifact.Digest(s)
	if err := d.Validate(); err != nil {
		return "", &problem{http.StatusBadRequest, "DIGEST_INVALID", "not a digest: " + err.Error()}
	}
	return d, nil
}
