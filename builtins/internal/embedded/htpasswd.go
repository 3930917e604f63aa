package embedded

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/policyhost/policy/runtime/fault"
)

// Htpasswd returns a guard that lets those pass whom an htpasswd file knows, by
// Basic authentication. Only bcrypt is taken (htpasswd -B). The file is read
// again when it changes; while it cannot be read nobody passes. It fails at
// once with NotFound, Denied or Invalid when the file cannot be used.
func Htpasswd(file string) (func(http.Handler) http.Handler, error) {
	g := &guard{file: file, key: []byte(rand.Text()), trying: make(chan struct{}, runtime.GOMAXPROCS(0))}
	if _, err := g.load(); err != nil {
		return nil, err
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := g.check(r); err != nil {
				w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
				if asProblem(err).status == http.StatusUnauthorized {
					w.Header().Set("WWW-Authenticate", `Basic realm="policy", charset="UTF-8"`)
				}
				fail(w, r, err)
				return
			}
			next.ServeHTTP(w, r)
		})
	}, nil
}

// guard knows the users of one file.
type guard struct {
	file   string
	key    []byte        // of the hashes in users.right, which never leave the process
	trying chan struct{} // as many passwords are tried at once as there are cores

	mu    sync.Mutex
	users *users // nil until the file has been read
}

// users is one version of the file.
type users struct {
	changed time.Time
	size    int64
	hashes  map[string][]byte // bcrypt's, by user
	dummy   []byte            // one of them

	mu    sync.Mutex
	right map[string][]byte // passwords that were right, hashed: trying one takes 60 ms on purpose
}

func (g *guard) check(r *http.Request) error {
	u, err := g.load()
	if err != nil {
		return &problem{http.StatusServiceUnavailable, "UNAVAILABLE", "the users of this registry cannot be read"}
	}
	user, password, ok := r.BasicAuth()
	if !ok {
		return &problem{http.StatusUnauthorized, "UNAUTHORIZED", "a user and a password are needed"}
	}
	mac := hmac.New(sha256.New, g.key)
	mac.Write([]byte(password))
	tried := mac.Sum(nil)
	u.mu.Lock()
	right := u.right[user]
	u.mu.Unlock()
	if hmac.Equal(right, tried) {
		return nil
	}
	select {
	case g.trying <- struct{}{}:
		defer func() { <-g.trying }()
	case <-r.Context().Done():
		return r.Context().Err()
	}
	hash, known := u.hashes[user]
	if !known {
		hash = u.dummy // so that a wrong user takes as long as a wrong password
	}
	if err := bcrypt.CompareHashAndPassword(hash, []byte(password)); err != nil || !known {
		return &problem{http.StatusUnauthorized, "UNAUTHORIZED", "the user or the password is wrong"}
	}
	u.mu.Lock()
	u.right[user] = tried
	u.mu.Unlock()
	return nil
}

// load returns the users as the file has them now.
func (g *guard) load() (*users, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	info, err := os.Stat(g.file)
	if err != nil {
		return nil, g.unreadable(err)
	}
	if u := g.users; u != nil && u.changed.Equal(info.ModTime()) && u.size == info.Size() {
		return u, nil
	}
	data, err := os.ReadFile(g.file)
	if err != nil {
		return nil, g.unreadable(err)
	}
	u, err := parseUsers(string(data))
	if err != nil {
		return nil, fault.New(fault.Invalid, "", "reading %s: %w", g.file, err).
			WithHint("htpasswd -B %s USER writes such a line", g.file)
	}
	u.changed, u.size = info.ModTime(), info.Size()
	g.users = u
	return u, nil
}

func (g *guard) unreadable(err error) error {
	kind := fault.Unavailable
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = fault.NotFound
	case errors.Is(err, fs.ErrPermission):
		kind = fault.Denied
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	return fault.New(kind, "", "reading %s: %w", g.file, err).WithHint("htpasswd -B -c %s USER makes it", g.file)
}

// parseUsers reads lines of user:hash. Messages never repeat the hash.
func parseUsers(text string) (*users, error) {
	u := &users{hashes: map[string][]byte{}, right: map[string][]byte{}}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		user, hash, ok := strings.Cut(line, ":")
		if !ok || user == "" {
			return nil, fmt.Errorf("line %d: want USER:HASH", n)
		}
		if _, err := bcrypt.Cost([]byte(hash)); err != nil {
			return nil, fmt.Errorf("line %d: the hash of %q is not bcrypt's", n, user)
		}
		u.hashes[user] = []byte(hash)
		u.dummy = u.hashes[user]
	}
	return u, nil
}
