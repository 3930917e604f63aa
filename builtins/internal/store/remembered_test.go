package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/policyhost/policy/builtins/internal/store"
)

// One generation of the index is read once, and the next one at once.
func TestIndexIsReadOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		age   time.Duration // of the index, when it is read
		reads int
	}{
		{"settled", time.Hour, 1},
		{"could change within the tick of a clock", 0, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "root")
			other := store.New(dir, store.Options{})
			mustBuild(t, other, "x/a:1", "a")
			index := filepath.Join(dir, "index.json")
			written := time.Now().Add(-c.age)
			if err := os.Chtimes(index, written, written); err != nil {
				t.Fatal(err)
			}
			ffs := &faultFS{}
			s := store.New(dir, store.Options{FS: ffs, Now: func() time.Time { return written.Add(c.age) }})
			for range 3 {
				wantNames(t, s, "x/a:1")
				s = s.Guard(func(store.Action, string) error { return nil }) // which is no other store
			}
			if n := strings.Count(strings.Join(ffs.log, "\n"), "open "+index); n != c.reads {
				t.Errorf("the index was opened %d times, want %d", n, c.reads)
			}
			mustBuild(t, other, "x/b:1", "b")
			wantNames(t, s, "x/a:1", "x/b:1")
			mustBuild(t, s, "x/c:1", "c")
			wantNames(t, s, "x/a:1", "x/b:1", "x/c:1")
		})
	}
}

// Who reads is not disturbed by who changes the index it read.
func TestReadersShareAnIndex(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "root")
	s := store.New(dir, store.Options{Now: func() time.Time { return time.Now().Add(time.Hour) }})
	mustBuild(t, s, "x/a:1", "a")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, layer := range []string{"b", "c", "d"} {
			if _, err := build(t.Context(), s, "x/a:1", []byte(layer)); err != nil {
				t.Error(err)
			}
		}
	}()
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		wantNames(t, s, "x/a:1")
	}
	wantSound(t, s)
}
