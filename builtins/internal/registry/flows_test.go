package registry_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/registry"
	"github.com/policyhost/policy/runtime/fault"
)

// TestTokensWearOut does all there is to do with tokens that are good for 60
// requests each, several things at a time.
func TestTokensWearOut(t *testing.T) {
	t.Parallel()
	s := &tokens{next: olaregHandler(t), uses: 60}
	host := serve(t, s)
	c := client(t, registry.Options{Timeouts: quick(), Log: logged(t), Credentials: give(registry.Credential{Username: user, Password: canary})})
	const images = 40
	img := newImage(t, 1000)
	var all sync.WaitGroup
	for lane := range 4 {
		all.Go(func() {
			for i := lane; i < images; i += 4 {
				ref := fmt.Sprintf("%s/acme/authz:%d", host, i)
				if _, err := c.Push(t.Context(), name(t, ref), img.manifest, img.desc, img); err != nil {
					t.Errorf("push %d: %v", i, err)
				}
				if _, _, err := c.Pull(t.Context(), name(t, ref), empty(), nil); err != nil {
					t.Errorf("pull %d: %v", i, err)
				}
				if _, _, err := c.Copy(t.Context(), name(t, ref), name(t, fmt.Sprintf("%s/copies/authz:%d", host, i))); err != nil {
					t.Errorf("copy %d: %v", i, err)
				}
			}
		})
	}
	all.Wait()
	count := 0
	err := c.Tags(t.Context(), host, "acme/authz", func(page []string) error { count += len(page); return nil })
	if err != nil || count != images {
		t.Errorf("%d tags, %v", count, err)
	}
	if s.issued < 5 {
		t.Errorf("only %d tokens were needed: this has shown nothing", s.issued)
	}
	t.Logf("%d tokens", s.issued)
}

// stream is a blob that is made as it is read: 200 MB take no room.
type stream struct{ at, size int64 }

// pattern is what it is made of, over and over.
var pattern = bytes.Repeat([]byte("package authz\n\ndefault allow := false\n"), 1<<10)

func (s *stream) Read(p []byte) (int, error) {
	if s.at >= s.size {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), s.size-s.at)], pattern[s.at%int64(len(pattern)):])
	s.at += int64(n)
	return n, nil
}

func (s *stream) Seek(offset int64, whence int) (int64, error) {
	s.at = map[int]int64{io.SeekStart: 0, io.SeekCurrent: s.at, io.SeekEnd: s.size}[whence] + offset
	return s.at, nil
}

func (s *stream) Close() error { return nil }

// streamed is an image with one such layer.
type streamed struct {
	*image
	size int64
}

func newStreamed(t *testing.T, size int64) *streamed {
	t.Helper()
	layer, err := digest.FromReader(&stream{size: size})
	if err != nil {
		t.Fatal(err)
	}
	img := &streamed{newImage(t, 1), size}
	img.layer = artifact.Descriptor{MediaType: v1.MediaTypeImageLayerGzip, Digest: layer, Size: size}
	var m v1.Manifest
	if err := json.Unmarshal(img.manifest, &m); err != nil {
		t.Fatal(err)
	}
	m.Layers = []v1.Descriptor{img.layer}
	if img.manifest, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	img.desc = artifact.Descriptor{MediaType: m.MediaType, Digest: digest.FromBytes(img.manifest), Size: int64(len(img.manifest))}
	return img
}

func (i *streamed) Open(ctx context.Context, d artifact.Descriptor) (io.ReadSeekCloser, error) {
	if d.Digest == i.layer.Digest {
		return &stream{size: i.size}, nil
	}
	return i.image.Open(ctx, d)
}

// drain is a registry that keeps nothing of what it takes but its digest. An upload
// that got a part of a blob takes no other, as the sessions of real registries.
type drain struct {
	half func(w http.ResponseWriter, r *http.Request) (goOn bool) // in the middle of the first large blob

	received atomic.Int64
	once     sync.Once
	mu       sync.Mutex
	sessions int
	begun    map[string]bool
	tagged   atomic.Bool
}

func (d *drain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodHead:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodPost:
		d.mu.Lock()
		d.sessions++
		w.Header().Set("Location", fmt.Sprintf("/v2/acme/authz/blobs/uploads/%d", d.sessions))
		d.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/"):
		b, _ := io.ReadAll(r.Body)
		d.tagged.Store(true)
		w.Header().Set("Docker-Content-Digest", digest.FromBytes(b).String())
		w.WriteHeader(http.StatusCreated)
	case r.Method == http.MethodPut:
		d.put(w, r)
	}
}

func (d *drain) put(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	again := d.begun[r.URL.Path]
	if d.begun == nil {
		d.begun = map[string]bool{}
	}
	d.begun[r.URL.Path] = true
	d.mu.Unlock()
	if again {
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return
	}
	hash := digest.SHA256.Digester()
	body := io.TeeReader(r.Body, hash.Hash())
	n, _ := io.CopyN(io.Discard, body, r.ContentLength/2)
	d.received.Add(n)
	goOn := true
	if r.ContentLength > 1<<20 {
		d.once.Do(func() { goOn = d.half(w, r) })
	}
	if !goOn {
		return
	}
	n, _ = io.Copy(io.Discard, body)
	d.received.Add(n)
	if r.URL.Query().Get("digest") != hash.Digest().String() {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

// TestRevokedInTheMiddle revokes the token in the middle of a push of 200 MB, as
// the registry may notice it: the push completes and sends the blob at most once
// more, or, where there is no new token to be had, says who to log in as.
func TestRevokedInTheMiddle(t *testing.T) {
	t.Parallel()
	const size = 200 << 20
	img := newStreamed(t, size)
	unauthorized := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="test",scope="repository:acme/authz:pull,push"`, r.Host))
		w.WriteHeader(http.StatusUnauthorized)
	}
	for _, tt := range []struct {
		name string
		half func(w http.ResponseWriter, r *http.Request) (goOn bool)
		bar  bool // no new token is given
		want error
		most float64 // of size, on the wire
	}{
		{"noticed at the next request", func(http.ResponseWriter, *http.Request) bool { return true }, false, nil, 1},
		{"noticed at once", func(w http.ResponseWriter, r *http.Request) bool { unauthorized(w, r); return false }, false, nil, 1.5},
		{"noticed at the end", func(w http.ResponseWriter, r *http.Request) bool {
			_, _ = io.Copy(io.Discard, r.Body)
			unauthorized(w, r)
			return false
		}, false, nil, 1.5},
		{"cut off", func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }, false, nil, 1.5},
		{"for good", func(w http.ResponseWriter, r *http.Request) bool { unauthorized(w, r); return false }, true, fault.Denied, 0.5},
		{"for good, noticed at the next request", func(http.ResponseWriter, *http.Request) bool { return true }, true, fault.Denied, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := &drain{}
			s := &tokens{next: d}
			d.half = func(w http.ResponseWriter, r *http.Request) bool {
				s.mu.Lock()
				clear(s.valid)
				s.barred = tt.bar
				s.mu.Unlock()
				return tt.half(w, r)
			}
			host := serve(t, s)
			c := client(t, registry.Options{Timeouts: quick(), Log: logged(t), Credentials: give(registry.Credential{Username: user, Password: canary})})
			_, err := c.Push(t.Context(), name(t, host+"/acme/authz:1"), img.manifest, img.desc, img)
			if !errors.Is(err, tt.want) || d.tagged.Load() != (tt.want == nil) {
				t.Errorf("got %v, tagged %v", err, d.tagged.Load())
			}
			if err != nil && fault.Of(err).Hint != "policy login -s "+host+" -u USER" {
				t.Errorf("hint %q", fault.Of(err).Hint)
			}
			if got := float64(d.received.Load()) / size; got > tt.most+0.01 {
				t.Errorf("the registry got %.2f of the blob, want at most %.2f", got, tt.most)
			} else {
				t.Logf("the registry got %.2f of the blob with %d tokens", got, s.issued)
			}
		})
	}
}

// TestMirrorCredentials holds that a mirror gets its own credentials and nobody
// else's, and that the registry still gets its own.
func TestMirrorCredentials(t *testing.T) {
	t.Parallel()
	basic := func(u, p string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(u+":"+p)) }
	for _, tt := range []struct {
		name   string
		mirror registry.Credential // what is known for it
		ask    string              // its challenge
		sees   string              // the Authorization it sees
	}{
		{"a mirror for all", registry.Credential{}, "", ""},
		{"one that asks for credentials", registry.Credential{}, `Basic realm="mirror"`, ""},
		{"one with its own", registry.Credential{Username: "mirror", Password: "own"}, `Basic realm="mirror"`, basic("mirror", "own")},
		{"one that sends to the registry's token server", registry.Credential{}, `Bearer realm="HOME/token"`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			img := newImage(t, 1000)
			home := serve(t, basicAuth(olaregHandler(t)))
			content := olaregHandler(t)
			var asked, served atomic.Int64
			mirror := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				got := r.Header.Get("Authorization")
				if got != "" && got != tt.sees {
					t.Errorf("the mirror was shown %q", got)
				}
				if tt.ask != "" && (got == "" || got != tt.sees) {
					w.Header().Set("WWW-Authenticate", strings.ReplaceAll(tt.ask, "HOME", "http://"+home))
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				served.Add(1)
				content.ServeHTTP(w, r)
			}))
			c := client(t, registry.Options{
				Timeouts: quick(), Log: logged(t),
				Host: func(h string) registry.HostConfig {
					if h == home {
						return registry.HostConfig{Mirror: mirror}
					}
					return registry.HostConfig{}
				},
				Credentials: func(_ context.Context, host, _ string) (registry.Credential, error) {
					switch host {
					case home:
						return registry.Credential{Username: user, Password: canary}, nil
					case mirror:
						return tt.mirror, nil
					}
					t.Errorf("asked for %q", host)
					return registry.Credential{}, nil
				},
			})
			push(t, c, home+"/acme/authz:1", img)
			if tt.sees != "" {
				push(t, c, mirror+"/acme/authz:1", img)
			}
			got := empty()
			if _, _, err := c.Pull(t.Context(), name(t, home+"/acme/authz:1"), got, nil); err != nil {
				t.Fatal(err)
			}
			sameImage(t, got, img)
			if asked.Load() == 0 || tt.sees != "" && served.Load() == 0 {
				t.Errorf("the mirror was asked %d times and served %d", asked.Load(), served.Load())
			}
		})
	}
}

// TestMutualTLS shows a certificate to a registry that wants to see one.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	authority, ca := newAuthority(t)
	trusted, _ := newAuthority(t)
	pool := x509.NewCertPool()
	pool.AddCert(authority.cert)
	server := httptest.NewUnstartedServer(olaregHandler(t))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, Certificates: []tls.Certificate{authority.issue(t, "server")}}
	server.StartTLS()
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "https://")
	cert, key := authority.write(t, "jo")
	foreignCert, foreignKey := trusted.write(t, "ann")
	for _, tt := range []struct {
		name string
		conf registry.HostConfig
		want error
		hint string
	}{
		{"right", registry.HostConfig{CA: []string{ca}, ClientCert: cert, ClientKey: key}, nil, ""},
		{"none", registry.HostConfig{CA: []string{ca}}, fault.Denied, "client_cert"},
		{"of somebody else", registry.HostConfig{CA: []string{ca}, ClientCert: foreignCert, ClientKey: foreignKey}, fault.Denied, "client_cert"},
		{"key of another", registry.HostConfig{CA: []string{ca}, ClientCert: cert, ClientKey: foreignKey}, fault.Invalid, ""},
		{"right, the server is not trusted", registry.HostConfig{ClientCert: cert, ClientKey: key}, fault.Denied, "ca: FILE.pem"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := client(t, registry.Options{Timeouts: quick(), Host: func(string) registry.HostConfig { return tt.conf }})
			img := newImage(t, 10)
			_, err := c.Push(t.Context(), name(t, host+"/acme/authz:1"), img.manifest, img.desc, img)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err != nil && !strings.Contains(fault.Of(err).Hint, tt.hint) {
				t.Errorf("%v, hint %q", err, fault.Of(err).Hint)
			}
		})
	}
}

// TestProxyRefuses says what a proxy in the way says, and never its password.
func TestProxyRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		code int
		want error
		says string
	}{
		{http.StatusProxyAuthRequired, fault.Denied, "Proxy Authentication Required"},
		{http.StatusForbidden, fault.Denied, "Forbidden"},
		{http.StatusBadGateway, fault.Unavailable, "Bad Gateway"},
	} {
		var header atomic.Value
		proxy := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			header.Store(r.Header.Get("Proxy-Authorization"))
			w.WriteHeader(tt.code)
		}))
		c := client(t, registry.Options{Timeouts: quick(), Log: logged(t), Host: func(string) registry.HostConfig {
			return registry.HostConfig{Proxy: "http://" + user + ":" + canary + "@" + proxy}
		}})
		_, err := c.Resolve(t.Context(), name(t, "registry.example/a/b:1"))
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "proxy") {
			t.Errorf("%d: %v", tt.code, err)
		}
		if err != nil {
			noSecrets(t, "error", err.Error()+fault.Of(err).Hint)
		}
		if want := "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+canary)); header.Load() != want {
			t.Errorf("the proxy saw %q", header.Load())
		}
	}
}
