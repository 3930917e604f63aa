package registry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/registry"
	"github.com/policyhost/policy/runtime/fault"
)

// TestHostileContent: what a registry may send instead of an image.
func TestHostileContent(t *testing.T) {
	t.Parallel()
	answer := func(mediaType string, body []byte, header ...string) func(*faulty, http.ResponseWriter, *http.Request) {
		return func(_ *faulty, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", mediaType)
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			_, _ = w.Write(body)
		}
	}
	manifest := func(m any) []byte {
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	descriptor := func(b string, size int64) map[string]any {
		return map[string]any{"mediaType": v1.MediaTypeImageLayerGzip, "digest": digest.FromString(b).String(), "size": size, "urls": []string{canaryServer(t).URL + "/x"}}
	}
	oci := v1.MediaTypeImageManifest
	endless := func(_ *faulty, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", oci)
		for r.Context().Err() == nil {
			if _, err := w.Write(bytes.Repeat([]byte(" "), 1<<16)); err != nil {
				return
			}
		}
	}
	for _, tt := range []struct {
		name  string
		match func(*http.Request) bool
		do    func(*faulty, http.ResponseWriter, *http.Request)
		want  error
	}{
		{"wrong digest header", pullsManifest, answer(oci, manifest(map[string]any{"mediaType": oci}), "Docker-Content-Digest", digest.FromString("x").String()), fault.Invalid},
		{"manifest of 64 MiB", pullsManifest, answer(oci, make([]byte, 64<<20)), fault.Limit},
		{"endless manifest", pullsManifest, endless, fault.Limit},
		{"manifest is not JSON", pullsManifest, answer(oci, []byte("<html>")), fault.Invalid},
		{"manifest is empty", pullsManifest, answer(oci, nil), fault.Invalid},
		{"manifest of an unknown type", pullsManifest, answer("text/html", []byte("<html>")), fault.Invalid},
		{"media type differs", pullsManifest, answer(oci, manifest(map[string]any{"mediaType": v1.MediaTypeImageIndex})), fault.Invalid},
		{"index", pullsManifest, answer(v1.MediaTypeImageIndex, manifest(map[string]any{"manifests": []any{}})), fault.Invalid},
		{"index in a manifest's clothes", pullsManifest, answer(oci, manifest(map[string]any{"config": descriptor("", 0), "manifests": []any{}})), fault.Invalid},
		{"no config", pullsManifest, answer(oci, manifest(map[string]any{"layers": []any{descriptor("", 0)}})), fault.Invalid},
		{"100,000 layers", pullsManifest, answer(oci, []byte(`{"config":{"digest":"`+digest.FromString("").String()+`"},"layers":[`+strings.Repeat("{},", 99_999)+"{}]}")), fault.Limit},
		{"negative size", pullsManifest, answer(oci, manifest(map[string]any{"config": descriptor("a", -1)})), fault.Invalid},
		{"digest is a path", pullsManifest, answer(oci, []byte(`{"config":{"digest":"sha256:../../../../etc/passwd","size":1}}`)), fault.Invalid},
		{"size is not given", pullsManifest, answer(oci, manifest(map[string]any{"config": descriptor("a", 0)})), fault.Invalid},
		{"one digest, two sizes", pullsManifest, answer(oci, manifest(map[string]any{"config": descriptor("a", 1), "layers": []any{descriptor("a", 2)}})), fault.Invalid},
		{"blob at a URL only", pullsManifest, answer(oci, manifest(map[string]any{"config": descriptor("nowhere", 7)})), fault.NotFound},
		{"flipped byte", pullsLayer, func(f *faulty, w http.ResponseWriter, r *http.Request) { f.next.ServeHTTP(&flipped{w, 1000}, r) }, fault.Invalid},
		{"flipped last byte", pullsLayer, func(f *faulty, w http.ResponseWriter, r *http.Request) {
			f.next.ServeHTTP(&flipped{w, layerSize - 1}, r)
		}, fault.Invalid},
		{"blob too short", pullsLayer, answer("application/octet-stream", []byte("short")), fault.Invalid},
		{"blob too long", pullsLayer, answer("application/octet-stream", make([]byte, layerSize+1)), fault.Limit},
		{"endless blob", pullsLayer, endless, fault.Limit},
		{"part of a blob that was not asked for", pullsLayer, func(_ *faulty, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 5-10/100")
			w.WriteHeader(http.StatusPartialContent)
		}, fault.Invalid},
		{"nothing at all", pullsLayer, func(_ *faulty, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, fault.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := &faulty{next: olaregHandler(t), times: -1}
			ref := f.stand(t) + "/acme/authz:1"
			c := client(t, registry.Options{Timeouts: quick()})
			img := newImage(t, layerSize)
			push(t, c, ref, img)
			f.mu.Lock()
			f.match, f.do = tt.match, tt.do
			f.mu.Unlock()
			for i, verifies := range []bool{false, true} {
				got := empty()
				got.verifies = verifies
				_, _, err := c.Pull(t.Context(), name(t, ref), got, nil)
				if !errors.Is(err, tt.want) {
					t.Fatalf("got %v, want %v", err, tt.want)
				}
				if got.blobs[img.layer.Digest] != nil {
					t.Error("the layer was committed")
				}
				if n := f.hits(); n != i+1 {
					t.Errorf("asked %d times", n)
				}
			}
		})
	}
}

// flipped changes one byte of an answer.
type flipped struct {
	http.ResponseWriter
	at int
}

func (f *flipped) Write(p []byte) (int, error) {
	if f.at >= 0 && f.at < len(p) {
		p = bytes.Clone(p)
		p[f.at] ^= 1
	}
	f.at -= len(p)
	return f.ResponseWriter.Write(p)
}

func TestPulledDigest(t *testing.T) {
	t.Parallel()
	f := &faulty{next: olaregHandler(t), times: -1}
	host := serve(t, f)
	c := client(t, registry.Options{})
	a, b := newImage(t, 10), newImage(t, 10)
	push(t, c, host+"/acme/authz:a", a)
	f.match = pullsManifest
	f.do = func(_ *faulty, w http.ResponseWriter, _ *http.Request) { // another manifest, honestly labelled
		w.Header().Set("Content-Type", b.desc.MediaType)
		w.Header().Set("Docker-Content-Digest", b.desc.Digest.String())
		_, _ = w.Write(b.manifest)
	}
	if _, _, err := c.Pull(t.Context(), name(t, host+"/acme/authz@"+a.desc.Digest.String()), empty(), nil); !errors.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
}

// TestCheckFirst: check refuses before a blob is fetched.
func TestCheckFirst(t *testing.T) {
	t.Parallel()
	f := &faulty{next: olaregHandler(t)}
	ref := serve(t, f) + "/acme/authz:1"
	c := client(t, registry.Options{})
	img := newImage(t, 10)
	push(t, c, ref, img)
	f.mu.Lock()
	f.requests = nil
	f.mu.Unlock()
	got := empty()
	refuse := fault.New(fault.Invalid, "", "not a policy image")
	_, _, err := c.Pull(t.Context(), name(t, ref), got, func(d artifact.Descriptor, b []byte) error {
		if d.Digest != img.desc.Digest || !bytes.Equal(b, img.manifest) {
			t.Errorf("checked %v %s", d, b)
		}
		return refuse
	})
	if !errors.Is(err, fault.Invalid) || !errors.Is(err, refuse.Err) || got.creates != 0 {
		t.Errorf("%v after %d blobs", err, got.creates)
	}
	if len(f.requests) != 1 {
		t.Errorf("requests: %q", f.requests)
	}
}

func TestManifest(t *testing.T) {
	t.Parallel()
	ref := serve(t, olaregHandler(t)) + "/acme/authz:1"
	c := client(t, registry.Options{})
	img := newImage(t, 500_000)
	push(t, c, ref, img)
	n := name(t, ref)
	d, b, err := c.Manifest(t.Context(), n)
	if err != nil || d.Digest != img.desc.Digest || !bytes.Equal(b, img.manifest) {
		t.Errorf("%v %s %v", d, b, err)
	}
}

// TestResolveWithoutHead: registries that know no HEAD, or say nothing in it.
func TestResolveWithoutHead(t *testing.T) {
	t.Parallel()
	for _, code := range []int{405, 501, 400, 200} {
		f := &faulty{next: olaregHandler(t), times: -1, do: status(code)}
		ref := serve(t, f) + "/acme/authz:1"
		c := client(t, registry.Options{})
		img := newImage(t, 10)
		push(t, c, ref, img)
		f.match = func(r *http.Request) bool { return r.Method == http.MethodHead }
		if d, err := c.Resolve(t.Context(), name(t, ref)); err != nil || d.Digest != img.desc.Digest {
			t.Errorf("%d: %v, %v", code, d, err)
		}
	}
}

// TestSource: an error of the source is the push's, and is not tried again.
func TestSource(t *testing.T) {
	t.Parallel()
	host := serve(t, olaregHandler(t))
	c := client(t, registry.Options{})
	img := newImage(t, 10)
	hollow := empty()
	_, err := c.Push(t.Context(), name(t, host+"/a/b:1"), img.manifest, img.desc, hollow)
	if !errors.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Resolve(t.Context(), name(t, host+"/a/b:1")); !errors.Is(err, fault.NotFound) {
		t.Errorf("after a failed push: %v", err)
	}
}

// TestWrongSource: a source whose bytes are not the digest's is found out by
// the registry.
func TestWrongSource(t *testing.T) {
	t.Parallel()
	host := serve(t, olaregHandler(t))
	c := client(t, registry.Options{Timeouts: quick()})
	img := newImage(t, 10)
	img.blobs[img.layer.Digest] = []byte("0123456789")
	_, err := c.Push(t.Context(), name(t, host+"/a/b:1"), img.manifest, img.desc, img)
	if !errors.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
}

// TestEchoedSecrets: a registry that repeats what it was sent, and control
// characters, in its errors.
func TestEchoedSecrets(t *testing.T) {
	t.Parallel()
	host := serve(t, basicAuth(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, p, _ := r.BasicAuth()
		_, _ = fmt.Fprintf(w, `{"errors":[{"code":"DENIED","message":"%s %s\n\nno%s"}]}`, r.Header.Get("Authorization"), p, strings.Repeat(" long", 500))
	})))
	c := client(t, registry.Options{Credentials: give(registry.Credential{Username: user, Password: canary}), Log: logged(t)})
	_, _, err := c.Manifest(t.Context(), name(t, host+"/a/b:1"))
	if !errors.Is(err, fault.Denied) {
		t.Fatal(err)
	}
	noSecrets(t, "error", err.Error())
	if s := err.Error(); strings.Contains(s, "\n") || len(s) > 600 || !strings.Contains(s, `"jo"`) {
		t.Errorf("%d: %q", len(s), s)
	}
}

// TestEmbeddedFails: a handler that panics breaks the answer off, nothing else.
func TestEmbeddedFails(t *testing.T) {
	t.Parallel()
	for _, h := range []http.HandlerFunc{
		func(http.ResponseWriter, *http.Request) { panic("oops") },
		func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			panic(http.ErrAbortHandler)
		},
	} {
		c := client(t, registry.Options{Timeouts: quick(), Embedded: map[string]http.Handler{"registry.localhost": h}})
		if _, _, err := c.Manifest(t.Context(), name(t, "registry.localhost/a/b:1")); !errors.Is(err, fault.Unavailable) {
			t.Errorf("got %v", err)
		}
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	h := olaregHandler(t)
	secure := httptest.NewTLSServer(h)
	t.Cleanup(secure.Close)
	secureHost := strings.TrimPrefix(secure.URL, "https://")
	plainHost := serve(t, h)
	ca := writeCA(t, secure)
	other := t.TempDir() + "/none.pem"
	for _, tt := range []struct {
		name, host string
		conf       registry.HostConfig
		want       error
		hint       string
	}{
		{"its CA", secureHost, registry.HostConfig{CA: []string{ca}}, nil, ""},
		{"insecure", secureHost, registry.HostConfig{Insecure: true}, nil, ""},
		{"unknown authority", secureHost, registry.HostConfig{}, fault.Denied, "ca: FILE.pem"},
		{"plain asked for, TLS spoken", secureHost, registry.HostConfig{PlainHTTP: true}, fault.Invalid, ""},
		{"plain by itself", plainHost, registry.HostConfig{}, nil, ""},
		{"plain in spite of a CA", plainHost, registry.HostConfig{CA: []string{ca}}, nil, ""},
		{"plain in spite of -k", plainHost, registry.HostConfig{Insecure: true}, nil, ""},
		{"CA is not there", secureHost, registry.HostConfig{CA: []string{other}}, fault.NotFound, ""},
		{"client certificate is not there", secureHost, registry.HostConfig{ClientCert: other, ClientKey: other}, fault.NotFound, ""},
		{"proxy is no URL", plainHost, registry.HostConfig{Proxy: "::"}, fault.Usage, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := client(t, registry.Options{Timeouts: quick(), Host: func(string) registry.HostConfig { return tt.conf }})
			img := newImage(t, 10)
			_, err := c.Push(t.Context(), name(t, tt.host+"/"+strings.ToLower(strings.ReplaceAll(strings.NewReplacer(",", "", "-", "").Replace(tt.name), " ", "-"))+":1"), img.manifest, img.desc, img)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err != nil && !strings.Contains(fault.Of(err).Hint, tt.hint) {
				t.Errorf("hint %q", fault.Of(err).Hint)
			}
		})
	}
}

// TestNoPlaintext: a host that fails over TLS is not asked without.
func TestNoPlaintext(t *testing.T) {
	t.Parallel()
	host := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("asked in the clear: %s %s", r.Method, r.URL)
	}))
	// A name that is not loopback by its spelling, led to the plain server by a proxy.
	proxy := serve(t, tunnel(host))
	c := client(t, registry.Options{Timeouts: quick(), Host: func(string) registry.HostConfig { return registry.HostConfig{Proxy: "http://" + proxy} }})
	_, err := c.Resolve(t.Context(), name(t, "registry.example/a/b:1"))
	if !errors.Is(err, fault.Unavailable) || !strings.Contains(fault.Of(err).Hint, "plain_http") {
		t.Errorf("%v, hint %q", err, fault.Of(err).Hint)
	}
}
