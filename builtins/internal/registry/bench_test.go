package registry_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/registry"
	"github.com/policyhost/policy/runtime/fault"
)

// benchSize is a layer of 256 MiB: large enough that setting up does not count.
const benchSize = 256 << 20

// files is a Source and a Sink on disk, as the local store is.
type files struct{ dir string }

func (f files) path(d artifact.Digest) string { return filepath.Join(f.dir, d.Encoded()) }

func (f files) Open(_ context.Context, d artifact.Descriptor) (io.ReadSeekCloser, error) {
	return os.Open(f.path(d.Digest))
}

func (f files) Has(context.Context, artifact.Descriptor) bool { return false }

func (f files) Create(_ context.Context, d artifact.Descriptor) (registry.Writer, error) {
	w, err := os.Create(f.path(d.Digest) + ".tmp")
	return fileWriter{w}, err
}

type fileWriter struct{ *os.File }

func (fileWriter) Partial() (io.ReaderAt, int64) { return nil, 0 }
func (fileWriter) Commit(context.Context) error  { return nil }

// thrifty is a registry that costs next to nothing: it serves files and forgets
// uploads.
func thrifty(f files, m []byte, d artifact.Descriptor) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			w.Header().Set("Location", r.URL.Path+"session")
			w.WriteHeader(http.StatusAccepted)
		case r.Method == http.MethodPut:
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusCreated)
		case r.Method == http.MethodHead:
			w.WriteHeader(http.StatusNotFound)
		case strings.Contains(r.URL.Path, "/manifests/"):
			w.Header().Set("Content-Type", d.MediaType)
			_, _ = w.Write(m)
		default:
			http.ServeFile(w, r, f.path(artifact.Digest(r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:])))
		}
	})
}

func benchImage(b *testing.B) (files, []byte, artifact.Descriptor) {
	b.Helper()
	f := files{b.TempDir()}
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest}
	m.SchemaVersion = 2
	put := func(size int64, r io.Reader) v1.Descriptor {
		tmp, err := os.Create(filepath.Join(f.dir, "tmp"))
		if err != nil {
			b.Fatal(err)
		}
		h := digest.SHA256.Digester()
		if _, err := io.CopyN(io.MultiWriter(tmp, h.Hash()), r, size); err != nil {
			b.Fatal(err)
		}
		_ = tmp.Close()
		if err := os.Rename(tmp.Name(), f.path(h.Digest())); err != nil {
			b.Fatal(err)
		}
		return v1.Descriptor{MediaType: v1.MediaTypeImageLayerGzip, Digest: h.Digest(), Size: size}
	}
	m.Config = put(2, strings.NewReader("{}"))
	m.Layers = []v1.Descriptor{put(benchSize, zeros{})}
	raw, err := json.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	return f, raw, artifact.Descriptor{MediaType: m.MediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func BenchmarkPush(b *testing.B) {
	f, m, d := benchImage(b)
	n := name(b, serve(b, thrifty(f, m, d))+"/a/b:1")
	c := client(b, registry.Options{})
	b.SetBytes(benchSize)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Push(b.Context(), n, m, d, f); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPull(b *testing.B) {
	f, m, d := benchImage(b)
	n := name(b, serve(b, thrifty(f, m, d))+"/a/b:1")
	c := client(b, registry.Options{})
	b.Run("Writer", func(b *testing.B) {
		b.SetBytes(benchSize)
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := c.Pull(b.Context(), n, files{b.TempDir()}, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Verifier", func(b *testing.B) {
		b.SetBytes(benchSize)
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := c.Pull(b.Context(), n, verifying{files{b.TempDir()}}, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// verifying is files with the hash in its Writers, as the local store has it.
type verifying struct{ files }

func (v verifying) Create(ctx context.Context, d artifact.Descriptor) (registry.Writer, error) {
	w, err := v.files.Create(ctx, d)
	return &hashing{w, d.Digest, sha256.New()}, err
}

type hashing struct {
	registry.Writer
	want artifact.Digest
	hash.Hash
}

func (h *hashing) Verifies() {}

func (h *hashing) Write(p []byte) (int, error) {
	h.Hash.Write(p)
	return h.Writer.Write(p)
}

func (h *hashing) Commit(ctx context.Context) error {
	if digest.NewDigest(digest.SHA256, h.Hash) != h.want {
		return fault.New(fault.Invalid, string(h.want), "wrong content")
	}
	return h.Writer.Commit(ctx)
}

// BenchmarkFloor is what the machine can do: the same bytes through net/http
// into a file, without a hash, as curl would.
func BenchmarkFloor(b *testing.B) {
	f, m, d := benchImage(b)
	var image v1.Manifest
	if err := json.Unmarshal(m, &image); err != nil {
		b.Fatal(err)
	}
	url := "http://" + serve(b, thrifty(f, m, d)) + "/v2/a/b/blobs/" + image.Layers[0].Digest.String()
	b.SetBytes(benchSize)
	for b.Loop() {
		resp, err := http.Get(url)
		if err != nil {
			b.Fatal(err)
		}
		w, err := os.Create(filepath.Join(b.TempDir(), "x"))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(w, resp.Body); err != nil {
			b.Fatal(err)
		}
		_ = w.Close()
		_ = resp.Body.Close()
	}
}
