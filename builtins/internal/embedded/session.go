package embedded

import (
	"context"
	"crypto/rand"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/policyhost/policy/builtins/internal/store"
)

// maxUploads bounds the uploads that rest at once: each may hold two files open.
const maxUploads = 1000

// session is one upload between its requests. It is used by who took it.
type session struct {
	id, repository string
	busy           chan struct{} // holds one token while somebody uses it
	idle           *time.Timer
	closed         bool

	tx *store.Tx
	in *store.Ingest // nil until the first byte
}

// size is how many bytes have come.
func (u *session) size() int64 {
	if u.in == nil {
		return 0
	}
	return u.in.Size()
}

// close ends the upload. What was not committed is gone.
func (u *session) close() {
	if u.closed {
		return
	}
	u.closed = true
	if u.in != nil {
		u.in.Close() // a temporary file; prune removes what is left
		u.tx.Close() // the lock ends with the process at the latest
	}
}

// describe tells the client where to go on.
func (u *session) describe(header http.Header) {
	header.Set("Location", "/v2/"+u.repository+"/blobs/uploads/"+u.id)
	header.Set("Docker-Upload-UUID", u.id)
	header.Set("Range", "0-"+strconv.FormatInt(max(u.size()-1, 0), 10))
}

// uploads are the sessions of one handler. They live in the process that began
// them, since their bytes are locked by it.
type uploads struct {
	ttl time.Duration
	mu  sync.Mutex
	all map[string]*session
}

func newUploads(ttl time.Duration) *uploads {
	return &uploads{ttl: ttl, all: map[string]*session{}}
}

// begin returns a new upload, taken.
func (l *uploads) begin(repository string) (*session, error) {
	u := &session{id: rand.Text(), repository: repository, busy: make(chan struct{}, 1)}
	u.busy <- struct{}{}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) >= maxUploads {
		return nil, &problem{http.StatusTooManyRequests, "TOOMANYREQUESTS", "too many uploads at once"}
	}
	l.all[u.id] = u
	u.idle = time.AfterFunc(l.ttl, func() { l.expire(u) })
	return u, nil
}

// take returns the upload a path names, once nobody else uses it.
func (l *uploads) take(ctx context.Context, at route) (*session, error) {
	unknown := &problem{http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "no such upload; it may have ended or expired"}
	l.mu.Lock()
	u := l.all[at.ref]
	l.mu.Unlock()
	if u == nil || u.repository != at.repository {
		return nil, unknown
	}
	select {
	case u.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if u.closed {
		<-u.busy
		return nil, unknown
	}
	u.idle.Stop()
	return u, nil
}

// give puts an upload back, or forgets it when it was closed.
func (l *uploads) give(u *session) {
	if u.closed {
		l.forget(u)
	} else {
		u.idle.Reset(l.ttl)
	}
	<-u.busy
}

// expire closes an upload that nobody has used for long.
func (l *uploads) expire(u *session) {
	select {
	case u.busy <- struct{}{}:
	default:
		return // in use just now: give starts the clock again
	}
	u.close()
	l.forget(u)
	<-u.busy
}

func (l *uploads) forget(u *session) {
	u.idle.Stop()
	l.mu.Lock()
	delete(l.all, u.id)
	l.mu.Unlock()
}
