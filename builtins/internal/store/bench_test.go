package store_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
)

var sizes = []int{10, 1000, 10_000}

// filled is a store with n images that look like ours.
func filled(b *testing.B, n int) (*store.Store, store.Entry) {
	b.Helper()
	s := store.New(filepath.Join(b.TempDir(), "policies-root"), store.Options{})
	img := mustBuild(b, s, "registry.localhost/acme/policy:first", "layer")
	tx, err := s.Begin(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer tx.Close()
	batch := make([]store.Entry, n)
	for i := range batch {
		batch[i] = store.Entry{Name: fmt.Sprintf("ghcr.io/acme/policy-%d:1.%d.0", i%100, i), Descriptor: img.manifest}
		batch[i].Annotations = map[string]string{artifact.AnnotationBundleSize: "12345"}
	}
	if err := tx.Tag(b.Context(), batch...); err != nil {
		b.Fatal(err)
	}
	return s, batch[n/2]
}

func BenchmarkTag(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, e := filled(b, n)
			i := 0
			for b.Loop() {
				i++
				tx, err := s.Begin(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				e.Name = fmt.Sprintf("ghcr.io/acme/new:%d", i%2)
				e.Annotations = map[string]string{"try": fmt.Sprint(i)}
				if err := tx.Tag(b.Context(), e); err != nil {
					b.Fatal(err)
				}
				if err := tx.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, e := filled(b, n)
			for b.Loop() {
				if _, err := s.Get(b.Context(), e.Name); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkList(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, _ := filled(b, n)
			for b.Loop() {
				if list, err := s.List(b.Context()); err != nil || len(list) != n+1 {
					b.Fatal(len(list), err)
				}
			}
		})
	}
}

// BenchmarkPut is the price of one small durable blob.
func BenchmarkPut(b *testing.B) {
	s := store.New(b.TempDir(), store.Options{})
	tx, err := s.Begin(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer tx.Close()
	i := 0
	for b.Loop() {
		i++
		if _, err := tx.Put(b.Context(), artifact.MediaTypeConfig, fmt.Append(nil, i)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIngest is the rate of a large durable blob of known digest.
func BenchmarkIngest(b *testing.B) {
	const size = 256 << 20
	part := bytes.Repeat([]byte("0123456789abcdef"), 16<<10)
	h := digest.Canonical.Digester()
	for range size / len(part) {
		h.Hash().Write(part)
	}
	d := artifact.Descriptor{Digest: h.Digest(), Size: size}
	b.SetBytes(size)
	for b.Loop() {
		s := store.New(b.TempDir(), store.Options{})
		tx, err := s.Begin(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		in, err := tx.Create(b.Context(), d)
		if err != nil {
			b.Fatal(err)
		}
		for range size / len(part) {
			if _, err := in.Write(part); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := in.Commit(b.Context()); err != nil {
			b.Fatal(err)
		}
		tx.Close()
	}
}

// BenchmarkRemove frees the blobs of one image of n, which asks all others
// whether they need them.
func BenchmarkRemove(b *testing.B) {
	for _, n := range sizes[:2] {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := store.New(b.TempDir(), store.Options{})
			for i := range n {
				mustBuild(b, s, fmt.Sprintf("x/y:%d", i), fmt.Sprint(i))
			}
			for b.Loop() {
				b.StopTimer()
				mustBuild(b, s, "x/y:gone", "gone")
				b.StartTimer()
				if got, err := s.Remove(b.Context(), "x/y:gone"); err != nil || got.BytesFreed == 0 {
					b.Fatal(got, err)
				}
			}
		})
	}
}
