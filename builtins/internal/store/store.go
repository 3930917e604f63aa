package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/policyhost/policy/runtime/fault"
)

// The names inside a store's folder.
const (
	layoutFile   = "oci-layout"
	indexFile    = "index.json"
	previousFile = "index.json.previous" // the index as it was one transaction ago
	damagedFile  = "index.json.damaged"  // what Repair found and replaced
	blobsDir     = "blobs"
	ingestDir    = "ingest"
	indexLock    = ".lock"
	gcLock       = ".gc.lock"
)

// Options are what a store needs from outside; the zero value is usable.
type Options struct {
	// FS is the file system, nil for the real one. Locks are always taken on the
	// real files of the same paths.
	FS FS
	// LockTimeout ends waiting for a lock with Conflict; 0 waits as long as the
	// context allows.
	LockTimeout time.Duration
	// Waiting is told once per wait, after a second, who holds the lock, for
	// example "pid 4711 (policy push)". It may be nil.
	Waiting func(holder string)
	// Now is the clock for ages and for the stored annotation, nil for time.Now.
	Now func() time.Time
}

// Store is one image layout on disk. Its methods may be called from several
// goroutines, and any number of processes may use the same folder.
type Store struct {
	dir  string
	fs   FS
	o    Options
	last *atomic.Pointer[remembered]
	turn chan struct{} // holds one while somebody here changes the index
	may  Permission    // nil: everything
}

// New returns the store in dir. It touches nothing on disk: the first write
// makes the layout, and a store that is not there reads as empty.
func New(dir string, o Options) *Store {
	if o.FS == nil {
		o.FS = osFS{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Waiting == nil {
		o.Waiting = func(string) {}
	}
	return &Store{dir: dir, fs: o.FS, o: o, last: new(atomic.Pointer[remembered]), turn: make(chan struct{}, 1)}
}

// Dir is the folder of the layout, as given to New.
func (s *Store) Dir() string { return s.dir }

func (s *Store) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// Get returns the entry with exactly this name. It fails with NotFound, or with
// Invalid when the index cannot be understood.
func (s *Store) Get(ctx context.Context, name string) (Entry, error) {
	if err := s.permits(Reading, name); err != nil {
		return Entry{}, err
	}
	ix, err := s.readIndex(ctx)
	if err != nil {
		return Entry{}, err
	}
	i := -1
	if name != "" {
		if i, err = ix.find(name); err != nil {
			return Entry{}, s.invalidIndex(err)
		}
	}
	if i < 0 {
		return Entry{}, notStored(name)
	}
	e, err := ix.entry(i)
	if err != nil {
		return Entry{}, s.invalidIndex(err)
	}
	return e, nil
}

// Entries returns what stands in the index, nameless entries and names written
// twice too.
func (s *Store) Entries(ctx context.Context) ([]Entry, error) {
	ix, err := s.readIndex(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Entry, len(ix.entries))
	for i := range ix.entries {
		if all[i], err = ix.entry(i); err != nil {
			return nil, s.invalidIndex(err)
		}
	}
	return all, nil
}

// List returns the named entries in the order of the index. Where another tool
// wrote one name twice, the later entry counts.
func (s *Store) List(ctx context.Context) ([]Entry, error) {
	ix, err := s.readIndex(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.named(ix)
	return s.readable(all), err
}

func (s *Store) named(ix *index) ([]Entry, error) {
	list := make([]Entry, 0, len(ix.entries))
	at := make(map[string]int, len(ix.entries))
	for i := range ix.entries {
		e, err := ix.entry(i)
		if err != nil {
			return nil, s.invalidIndex(err)
		}
		if e.Name == "" {
			continue
		}
		if k, twice := at[e.Name]; twice {
			list[k] = e
			continue
		}
		at[e.Name] = len(list)
		list = append(list, e)
	}
	return list, nil
}

// FindDigest returns the entries, nameless ones too, whose digest starts with
// prefix: hex digits with or without "sha256:". Several entries may have one
// digest. No match gives an empty list; an empty prefix is Usage.
func (s *Store) FindDigest(ctx context.Context, prefix string) ([]Entry, error) {
	if strings.TrimPrefix(prefix, "sha256:") == "" {
		return nil, fault.New(fault.Usage, fmt.Sprintf("%q", prefix), "a digest prefix needs hex digits")
	}
	algorithm, hex, full := strings.Cut(strings.ToLower(prefix), ":")
	if !full {
		algorithm, hex = "sha256", algorithm
	}
	want := algorithm + ":" + hex
	ix, err := s.readIndex(ctx)
	if err != nil {
		return nil, err
	}
	var found []Entry
	for i := range ix.entries {
		if !ix.mayContain(i, want) {
			continue
		}
		e, err := ix.entry(i)
		if err != nil {
			return nil, s.invalidIndex(err)
		}
		if strings.HasPrefix(e.Digest.String(), want) {
			found = append(found, e)
		}
	}
	return s.readable(found), nil
}

// exists reports whether the folder of the store is there at all.
func (s *Store) exists() (bool, error) {
	_, err := s.fs.Stat(s.dir)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	default:
		return false, diskFault("opening the store", err)
	}
}

func notStored(name string) error {
	return fault.New(fault.NotFound, name, "not in the local store").
		WithHint("policy images shows what is there; policy pull fetches it from its registry")
}
