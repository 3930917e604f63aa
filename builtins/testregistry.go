package builtins

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/embedded"
	"github.com/policyhost/policy/runtime/fault"
)

// testRegistries are the registries of one test: every host that ends in .test,
// the embedded one, and those that the test names.
type testRegistries struct {
	settings Settings

	mu       sync.Mutex
	handlers map[string]http.Handler
	named    map[string]bool
	failures map[string]*TestRegistryFailure // by host: what its next answers are
	writes   []RegistryWrite
	silent   int // how many set up images, which is no write of the test
}

// RegistryWrite is a change that a registry of a test took.
type RegistryWrite struct {
	Op     string `json:"op"`     // push or delete
	Ref    string `json:"ref"`    // prod.test/acme/authz:1.0, or with @sha256:…
	Digest string `json:"digest"` // of the manifest; empty for a tag that was deleted
}

// TestRegistryFailure are the arguments of [TestWorld.FailRegistry].
type TestRegistryFailure struct {
	Host   string `arg:"" help:"Registry, for example prod.test."`
	Status int    `arg:"" help:"HTTP status of its answers, 400 to 599."`
	Times  int    `default:"1" help:"How many requests it refuses; 0 for all that follow."`
}

// TestImage are the arguments of [TestWorld.Image].
type TestImage struct {
	Ref         Ref               `arg:"" help:"Name of the image, for example prod.test/acme/authz:1.0."`
	Rego        string            `default:"package authz\n\ndefault allow := false\n" help:"Text of the only Rego file of the policy."`
	Revision    string            `help:"Revision of the sources."`
	Annotations map[string]string `help:"Annotations of the manifest."`
}

func newTestRegistries(s Settings) *testRegistries {
	return &testRegistries{
		settings: s,
		handlers: map[string]http.Handler{},
		named:    map[string]bool{EmbeddedHost: true},
		failures: map[string]*TestRegistryFailure{},
	}
}

// Image puts an image into the registry that its name says, from then on one of
// the test's, and gives it. The local store is as before.
func (w *TestWorld) Image(ctx context.Context, args *TestImage) (*Image, error) {
	name, err := w.Env.name(args.Ref)
	if err != nil {
		return nil, err
	}
	folder, err := w.Rego(ctx, &TestRego{Source: args.Rego})
	if err != nil {
		return nil, err
	}
	w.registries.name(name.Registry)
	defer w.registries.silently()()
	image, err := Build(ctx, w.Env, &BuildArgs{
		Paths: []string{folder}, Tag: []Ref{args.Ref}, Revision: args.Revision, Annotations: args.Annotations,
		Clobber: true, Target: "rego", RegoVersion: "rego.v1",
	})
	if err != nil {
		return nil, err
	}
	if _, err := Push(ctx, w.Env, &PushArgs{Refs: []Ref{args.Ref}}); err != nil {
		return nil, err
	}
	_, err = Rm(ctx, w.Env, &RmArgs{Refs: []Ref{args.Ref}, Force: true})
	return image, err
}

// Writes are the changes that the registries took from the test, in their order.
func (w *TestWorld) Writes() []RegistryWrite {
	w.registries.mu.Lock()
	defer w.registries.mu.Unlock()
	return slices.Clone(w.registries.writes)
}

// FailRegistry makes a registry, from then on one of the test's, refuse requests.
func (w *TestWorld) FailRegistry(_ context.Context, args *TestRegistryFailure) error {
	if args.Status < 400 || args.Status > 599 {
		return fault.New(fault.Usage, args.Host, "%d is not a status of a refusal", args.Status).WithHint("for example 500, 401 or 429")
	}
	if args.Times < 0 {
		return fault.New(fault.Usage, args.Host, "times is %d, want 0 or more", args.Times)
	}
	w.registries.name(args.Host)
	w.registries.mu.Lock()
	defer w.registries.mu.Unlock()
	failure := *args
	w.registries.failures[args.Host] = &failure
	return nil
}

func (r *testRegistries) name(host string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.named[host] = true
}

// silently leaves out what is written until the function it returns is called.
func (r *testRegistries) silently() func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.silent--
	}
}

// handler answers for a host; nil for one that is not the test's.
func (r *testRegistries) handler(host string) http.Handler {
	r.mu.Lock()
	defer r.mu.Unlock()
	bare := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		bare = h
	}
	if !r.named[host] && !strings.HasSuffix(bare, ".test") {
		return nil
	}
	if r.handlers[host] == nil {
		folder := filepath.Join("registries", strings.ReplaceAll(host, ":", "_"))
		inner := embedded.New(r.settings.store(folder, nil), embedded.Options{Prefix: host})
		r.handlers[host] = r.watched(host, inner)
	}
	return r.handlers[host]
}

// watched fails as it was told, and notes what changed.
func (r *testRegistries) watched(host string, inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if status := r.refusal(host); status != 0 {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]string{"code": "UNKNOWN", "message": "status " + strconv.Itoa(status) + " as the test asked for"}}})
			return
		}
		noted := &noting{ResponseWriter: w}
		inner.ServeHTTP(noted, req)
		if noted.status < 300 {
			r.note(host, req, noted.Header().Get("Docker-Content-Digest"))
		}
	})
}

// refusal is the status to refuse a request of a host with, 0 for none.
func (r *testRegistries) refusal(host string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.failures[host]
	if f == nil {
		return 0
	}
	if f.Times == 1 {
		delete(r.failures, host)
	} else if f.Times > 1 {
		f.Times--
	}
	return f.Status
}

func (r *testRegistries) note(host string, req *http.Request, digest string) {
	op := map[string]string{http.MethodPut: "push", http.MethodDelete: "delete"}[req.Method]
	repository, reference, ok := strings.Cut(strings.TrimPrefix(req.URL.Path, "/v2/"), "/manifests/")
	if op == "" || !ok {
		return
	}
	n := artifact.Name{Registry: host, Repository: repository, Tag: reference}
	if strings.Contains(reference, ":") {
		n.Tag, n.Digest = "", artifact.Digest(reference)
	}
	if op == "delete" {
		digest = n.Digest.String()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.silent == 0 {
		r.writes = append(r.writes, RegistryWrite{Op: op, Ref: n.String(), Digest: digest})
	}
}

// noting remembers the status of an answer.
type noting struct {
	http.ResponseWriter
	status int
}

func (n *noting) WriteHeader(status int) {
	if n.status == 0 {
		n.status = status
	}
	n.ResponseWriter.WriteHeader(status)
}
