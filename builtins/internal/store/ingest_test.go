package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

var (
	body     = []byte(strings.Repeat("0123456789abcdef", 20_000))
	bodyDesc = artifact.Descriptor{MediaType: artifact.MediaTypeLayer, Digest: digest.FromBytes(body), Size: int64(len(body))}
)

func begin(t *testing.T, s *store.Store) *store.Tx {
	t.Helper()
	tx, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Close() })
	return tx
}

func create(t *testing.T, tx *store.Tx, d artifact.Descriptor) *store.Ingest {
	t.Helper()
	in, err := tx.Create(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	return in
}

// leave is an earlier try that ended after b.
func leave(t *testing.T, tx *store.Tx, b []byte) {
	t.Helper()
	in := create(t, tx, bodyDesc)
	if _, err := in.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
}

func ingestLeft(t *testing.T, s *store.Store) []string {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(s.Dir(), "ingest"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range files {
		out = append(out, f.Name())
	}
	return out
}

func TestIngestResumes(t *testing.T) {
	t.Parallel()
	half := len(body) / 2
	wrong := bytes.Clone(body[:half])
	wrong[half/2] ^= 1
	for _, c := range []struct {
		name   string
		left   []byte
		offset int
		body   []byte // what is written now
		kind   error
	}{
		{"the rest", body[:half], half, body, nil},
		{"one byte", body[:1], 1, body, nil},
		{"all of it", body, len(body), body, nil},
		{"nothing", nil, 0, body, nil},
		{"wrong bytes are given up", wrong, half, body, nil},
		{"more than announced", nil, 0, append(bytes.Clone(body), 'x'), fault.Invalid},
		{"another body", body[:half], half, bytes.Repeat([]byte("x"), len(body)), fault.Invalid},
		{"too short", body[:half], half, body[:half+10], fault.Invalid},
		{"shorter than before", body[:half], half, body[:10], fault.Invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			tx := begin(t, s)
			if c.left != nil {
				leave(t, tx, c.left)
			}
			in := create(t, tx, bodyDesc)
			if in.Offset() != int64(c.offset) {
				t.Fatalf("offset %d, want %d", in.Offset(), c.offset)
			}
			partial, err := io.ReadAll(io.NewSectionReader(in.Partial(), 0, in.Offset()))
			if err != nil || !bytes.Equal(partial, c.left) {
				t.Fatalf("partial of %d bytes, %v", len(partial), err)
			}
			_, err = io.Copy(onlyWriter{in}, bytes.NewReader(c.body))
			if err == nil {
				_, err = in.Commit(t.Context())
			}
			if !errors.Is(err, c.kind) {
				t.Fatalf("got %v, want %v", err, c.kind)
			}
			if err := in.Close(); err != nil {
				t.Fatal(err)
			}
			if got := s.Has(t.Context(), bodyDesc); got != (c.kind == nil) {
				t.Errorf("has it: %v", got)
			}
			if c.kind == nil {
				if err := s.Verify(t.Context(), bodyDesc); err != nil {
					t.Error(err)
				}
			}
			kept := strings.Contains(c.name, "short")
			if left := ingestLeft(t, s); (len(left) > 0) != kept {
				t.Errorf("left %v", left)
			}
			if kept { // and then it works
				in := create(t, tx, bodyDesc)
				if int(in.Offset()) < half {
					t.Errorf("the longer try was lost: %d", in.Offset())
				}
				if _, err := in.Write(body); err != nil {
					t.Fatal(err)
				}
				if _, err := in.Commit(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			wantSound(t, s)
		})
	}
}

// onlyWriter hides ReadFrom and the like.
type onlyWriter struct{ io.Writer }

// A leftover that is larger than the blob can be is not offered.
func TestIngestTooLargeLeftover(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	tx := begin(t, s)
	leave(t, tx, body[:100])
	name := filepath.Join(s.Dir(), "ingest", ingestLeft(t, s)[0])
	if err := os.WriteFile(name, append(bytes.Clone(body), "more"...), 0o644); err != nil {
		t.Fatal(err)
	}
	if in := create(t, tx, bodyDesc); in.Offset() != 0 {
		t.Errorf("offset %d", in.Offset())
	}
}

// Two writers of one digest do not wait for each other, nor mix.
func TestIngestTwice(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	tx := begin(t, s)
	first := create(t, tx, bodyDesc)
	if _, err := first.Write(body[:1000]); err != nil {
		t.Fatal(err)
	}
	second := create(t, begin(t, s), bodyDesc)
	if second.Offset() != 0 {
		t.Fatalf("it took the other's %d bytes", second.Offset())
	}
	for _, in := range []*store.Ingest{second, first} {
		if _, err := in.Write(body[in.Size():]); err != nil {
			t.Fatal(err)
		}
		if d, err := in.Commit(t.Context()); err != nil || d.Digest != bodyDesc.Digest || d.Size != bodyDesc.Size || d.MediaType != bodyDesc.MediaType {
			t.Fatalf("got %+v, %v", d, err)
		}
	}
	if left := ingestLeft(t, s); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	wantSound(t, s)
}

func TestIngestUnknownDigest(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	tx := begin(t, s)
	in := create(t, tx, artifact.Descriptor{MediaType: "a/b"})
	for part := range bytes.SplitSeq(body, []byte("0")) {
		if _, err := in.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	want := digest.FromBytes(bytes.ReplaceAll(body, []byte("0"), nil))
	if in.Digest() != want {
		t.Errorf("digest %s", in.Digest())
	}
	d, err := in.Commit(t.Context())
	if err != nil || d.Digest != want || d.Size != in.Size() {
		t.Errorf("got %+v, %v", d, err)
	}
	if _, err := in.Commit(t.Context()); !errors.Is(err, fault.Internal) {
		t.Errorf("a second commit: %v", err)
	}
	given := create(t, tx, artifact.Descriptor{})
	if _, err := given.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := given.Close(); err != nil {
		t.Fatal(err)
	}
	if left := ingestLeft(t, s); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// Digests of another algorithm have a folder of their own.
func TestIngestSHA512(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	tx := begin(t, s)
	d := artifact.Descriptor{Digest: digest.SHA512.FromBytes(body), Size: bodyDesc.Size}
	in := create(t, tx, d)
	if _, err := in.Write(body); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), d); err != nil {
		t.Error(err)
	}
	wantSound(t, s)
}

func TestIngestCanceled(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	tx := begin(t, s)
	in := create(t, tx, bodyDesc)
	if _, err := in.Write(body); err != nil {
		t.Fatal(err)
	}
	cancel()
	_, err := in.Commit(ctx)
	if !errors.Is(err, context.Canceled) || fault.Of(err).Kind != fault.Canceled {
		t.Errorf("got %v", err)
	}
	_, err = tx.Create(ctx, bodyDesc)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if in := create(t, tx, bodyDesc); in.Offset() != bodyDesc.Size {
		t.Errorf("the bytes are lost: offset %d", in.Offset())
	}
}

// Many goroutines put the same and other blobs in one transaction.
func TestPutConcurrently(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	tx := begin(t, s)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for k := range 20 {
				if _, err := putImage(t.Context(), tx, []byte(strings.Repeat("x", k*(1+i%2)))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if left := ingestLeft(t, s); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	wantSound(t, s)
}

// A blob that was cut is replaced by the next who stores it.
func TestPutHeals(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	img := mustBuild(t, s, "x/y:1", "the layer")
	for _, damage := range []func(path string) error{
		func(path string) error { return os.Truncate(path, 3) },
		func(path string) error { return os.WriteFile(path, make([]byte, img.manifest.Size), 0o644) },
	} {
		path := filepath.Join(s.Dir(), "blobs", "sha256", img.manifest.Digest.Encoded())
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := damage(path); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Read(t.Context(), img.manifest, 1<<20); !errors.Is(err, fault.Invalid) {
			t.Fatalf("damage is not seen: %v", err)
		}
		mustBuild(t, s, "x/y:1", "the layer")
		wantSound(t, s)
	}
}

// Who finds a blob again keeps it from prune for another while.
func TestHasKeepsYoung(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := store.New(filepath.Join(t.TempDir(), "root"), store.Options{Now: func() time.Time { return now }})
	tx := begin(t, s)
	var blobs []artifact.Descriptor
	for _, text := range []string{"found again", "put again", "streamed again", "forgotten"} {
		d, err := tx.Put(t.Context(), "", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		blobs = append(blobs, d)
	}
	now = now.Add(30 * time.Hour)
	if !tx.Has(t.Context(), blobs[0]) {
		t.Error("not found")
	}
	if _, err := tx.Put(t.Context(), "", []byte("put again")); err != nil {
		t.Fatal(err)
	}
	in := create(t, tx, blobs[2])
	if _, err := in.Write([]byte("streamed again")); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := tx.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := s.Prune(t.Context(), 24*time.Hour)
	if err != nil || got.Blobs != 1 || s.Has(t.Context(), blobs[3]) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestWrongBytesDoNotStay keeps nothing of a blob that has its length and not
// its digest, whoever noticed it first.
func TestWrongBytesDoNotStay(t *testing.T) {
	t.Parallel()
	s := store.New(t.TempDir(), store.Options{})
	tx := begin(t, s)
	wrong := bytes.Clone(body)
	wrong[1000] ^= 1
	leave(t, tx, wrong)
	if left := ingestLeft(t, s); len(left) != 0 {
		t.Errorf("%v stay", left)
	}
	leave(t, tx, wrong[:len(wrong)-1])
	if left := ingestLeft(t, s); len(left) != 1 {
		t.Errorf("%v stay of what can be resumed", left)
	}
}
