package registry_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/olareg/olareg"
	"github.com/olareg/olareg/config"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/registry"
	"github.com/policyhost/policy/runtime/fault"
)

// olaregHandler is an independent registry in memory.
func olaregHandler(t testing.TB) http.Handler {
	t.Helper()
	on := true
	s := olareg.New(config.Config{
		Storage: config.ConfigStorage{StoreType: config.StoreMem},
		API:     config.ConfigAPI{DeleteEnabled: &on, Blob: config.ConfigAPIBlob{DeleteEnabled: &on}},
	})
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// serve answers on a loopback port and returns its host:port.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func client(t testing.TB, o registry.Options) *registry.Client {
	t.Helper()
	c := registry.New(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// image is a policy image in memory: a Source and a Sink.
type image struct {
	manifest []byte
	desc     artifact.Descriptor
	layer    artifact.Descriptor

	mu      sync.Mutex
	blobs   map[artifact.Digest][]byte
	partial map[artifact.Digest][]byte
	creates int

	verifies bool // its Writers find wrong content themselves
}

func empty() *image {
	return &image{blobs: map[artifact.Digest][]byte{}, partial: map[artifact.Digest][]byte{}}
}

// newImage has a layer of size random bytes.
func newImage(t testing.TB, size int) *image {
	t.Helper()
	img := empty()
	layer := make([]byte, size)
	_, _ = rand.Read(layer)
	config := []byte("{}")
	add := func(b []byte, mediaType string) artifact.Descriptor {
		d := artifact.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}
		img.blobs[d.Digest] = b
		return d
	}
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Config: add(config, v1.MediaTypeImageConfig)}
	m.SchemaVersion = 2
	img.layer = add(layer, v1.MediaTypeImageLayerGzip)
	m.Layers = []v1.Descriptor{img.layer}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	img.manifest = b
	img.desc = artifact.Descriptor{MediaType: m.MediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}
	return img
}

type blobReader struct{ *bytes.Reader }

func (blobReader) Close() error { return nil }

func (i *image) Open(_ context.Context, d artifact.Descriptor) (io.ReadSeekCloser, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	b, ok := i.blobs[d.Digest]
	if !ok {
		return nil, fault.New(fault.NotFound, d.Digest.String(), "no such blob")
	}
	return blobReader{bytes.NewReader(b)}, nil
}

func (i *image) Has(_ context.Context, d artifact.Descriptor) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	_, ok := i.blobs[d.Digest]
	return ok
}

func (i *image) Create(_ context.Context, d artifact.Descriptor) (registry.Writer, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.creates++
	w := &writer{i: i, d: d, partial: i.partial[d.Digest]}
	if i.verifies {
		return verifier{w}, nil
	}
	return w, nil
}

// verifier is a registry.Verifier: writer's Commit checks the digest anyway.
type verifier struct{ *writer }

func (verifier) Verifies() {}

type writer struct {
	i         *image
	d         artifact.Descriptor
	partial   []byte
	b         []byte
	committed bool
}

func (w *writer) Write(p []byte) (int, error) { w.b = append(w.b, p...); return len(p), nil }

func (w *writer) Partial() (io.ReaderAt, int64) {
	return bytes.NewReader(w.partial), int64(len(w.partial))
}

func (w *writer) Commit(context.Context) error {
	if digest.FromBytes(w.b) != w.d.Digest {
		if !w.i.verifies {
			return errors.New("committed wrong content")
		}
		return fault.New(fault.Invalid, "", "wrong content")
	}
	w.i.mu.Lock()
	defer w.i.mu.Unlock()
	w.i.blobs[w.d.Digest] = w.b
	w.committed = true
	return nil
}

func (w *writer) Close() error {
	w.i.mu.Lock()
	defer w.i.mu.Unlock()
	if !w.committed && len(w.b) > len(w.partial) {
		w.i.partial[w.d.Digest] = w.b
	}
	return nil
}

// TestMain fails if a goroutine of the package outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if code != 0 {
		os.Exit(code)
	}
	stacks := make([]byte, 1<<20)
	var last string
	for range 100 {
		all := string(stacks[:runtime.Stack(stacks, true)])
		left := slices.DeleteFunc(strings.Split(all, "\n\n"), func(s string) bool {
			return !strings.Contains(s, "builtins/internal/registry.") || strings.Contains(s, "registry_test.TestMain")
		})
		if len(left) == 0 {
			return
		}
		<-time.After(20 * time.Millisecond) // they may be on their way out
		last = strings.Join(left, "\n\n")
	}
	fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", last)
	os.Exit(1)
}

func name(t testing.TB, s string) artifact.Name {
	t.Helper()
	n, err := artifact.ParseName(s, artifact.DefaultDomain)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func push(t testing.TB, c *registry.Client, ref string, img *image) {
	t.Helper()
	if _, err := c.Push(t.Context(), name(t, ref), img.manifest, img.desc, img); err != nil {
		t.Fatalf("push %s: %v", ref, err)
	}
}

// sameImage fails unless got has all blobs of want.
func sameImage(t testing.TB, got, want *image) {
	t.Helper()
	for d, b := range want.blobs {
		if !bytes.Equal(got.blobs[d], b) {
			t.Errorf("blob %s: got %d bytes, want %d", d, len(got.blobs[d]), len(b))
		}
	}
}

func TestPushPull(t *testing.T) {
	t.Parallel()
	embedded := olaregHandler(t)
	for _, tt := range []struct {
		name, host string
		size       int
	}{
		{"small over a socket", serve(t, olaregHandler(t)), 100},
		{"large over a socket", serve(t, olaregHandler(t)), 5<<20 + 7},
		{"small in process", "registry.localhost", 100},
		{"large in process", "registry.localhost", 5<<20 + 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := client(t, registry.Options{Embedded: map[string]http.Handler{"registry.localhost": embedded}})
			ref := fmt.Sprintf("%s/acme/authz-%d:1.0", tt.host, tt.size)
			img := newImage(t, tt.size)
			if d, err := c.Resolve(t.Context(), name(t, ref)); !errors.Is(err, fault.NotFound) {
				t.Fatalf("resolve before push: %v, %v", d, err)
			}
			unchanged, err := c.Push(t.Context(), name(t, ref), img.manifest, img.desc, img)
			if err != nil || unchanged {
				t.Fatalf("push: unchanged %v, %v", unchanged, err)
			}
			unchanged, err = c.Push(t.Context(), name(t, ref), img.manifest, img.desc, img)
			if err != nil || !unchanged {
				t.Fatalf("push again: unchanged %v, %v", unchanged, err)
			}
			d, err := c.Resolve(t.Context(), name(t, ref))
			if err != nil || d.Digest != img.desc.Digest || d.Size != img.desc.Size || d.MediaType != img.desc.MediaType {
				t.Fatalf("resolve: %v, %v", d, err)
			}
			got := empty()
			d, b, err := c.Pull(t.Context(), name(t, ref+"@"+img.desc.Digest.String()), got, nil)
			if err != nil || d.Digest != img.desc.Digest || !bytes.Equal(b, img.manifest) {
				t.Fatalf("pull: %v, %v", d, err)
			}
			sameImage(t, got, img)
		})
	}
}
