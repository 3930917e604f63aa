package builtins

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/creds"
	"github.com/policyhost/policy/builtins/internal/embedded"
	"github.com/policyhost/policy/builtins/internal/registry"
	"github.com/policyhost/policy/builtins/internal/store"
)

// EmbeddedHost is the registry that needs no server: it lives in the store root.
const EmbeddedHost = "registry.localhost"

// storeFolder is the local store below the store root, as opcr policy names it.
const storeFolder = "policies-root"

// Env is the one gate through which a verb touches the world. It is immutable;
// the With methods return narrowed or redirected copies.
type Env struct {
	Store    Store  // the images on this machine
	Remote   Remote // the registries
	Files    Files  // the file system, as far as the caller may see it
	Keys     Keys   // credentials
	Settings Settings
	Events   Events // progress; nil drops it

	In  io.Reader // standard input, for the direct door only
	Out io.Writer // standard output, for a verb asked to write content to "-"

	Lookup  func(name string) (string, bool) // environment variables
	Secrets *Secrets                         // what must not be printed
	Now     func() time.Time

	bundles   *bundleCache
	offline   bool    // the network is not there, for policies neither
	options   Options // what it was made of
	rehearsal *Rehearsal
	pass      *pass         // what code may do that is not the user's own; nil: everything
	steps     *atomic.Int64 // begun so far
	close     func() error
}

// Store is the local store as verbs use it. A dry run puts an overlay here.
type Store interface {
	Get(ctx context.Context, name string) (store.Entry, error)
	List(ctx context.Context) ([]store.Entry, error)
	FindDigest(ctx context.Context, prefix string) ([]store.Entry, error)
	Hold(ctx context.Context) (*store.Hold, error)
	Open(ctx context.Context, d artifact.Descriptor) (*store.Blob, error)
	Read(ctx context.Context, d artifact.Descriptor, limit int64) ([]byte, error)
	Begin(ctx context.Context) (*store.Tx, error)
	Remove(ctx context.Context, names ...string) (store.Removed, error)
	Guard(may store.Permission) *store.Store
}

// Remote is the registries as verbs use them.
type Remote interface {
	Login(ctx context.Context, host string, c registry.Credential) error
	Resolve(ctx context.Context, n artifact.Name) (artifact.Descriptor, error)
	Manifest(ctx context.Context, n artifact.Name) (artifact.Descriptor, []byte, error)
	Push(ctx context.Context, n artifact.Name, manifest []byte, d artifact.Descriptor, src registry.Source) (unchanged bool, err error)
	Pull(ctx context.Context, n artifact.Name, sink registry.Sink, check func(artifact.Descriptor, []byte) error) (artifact.Descriptor, []byte, error)
	Copy(ctx context.Context, from, to artifact.Name) (d artifact.Descriptor, unchanged bool, err error)
	Tags(ctx context.Context, host, repository string, yield func(page []string) error) error
	Repositories(ctx context.Context, host, prefix string, yield func(page []string) error) error
	DeleteTag(ctx context.Context, n artifact.Name) error
	DeleteRepository(ctx context.Context, n artifact.Name) (done bool, err error)
	SetVisibility(ctx context.Context, n artifact.Name, public bool) error
	VisibilityUnit(n artifact.Name) string
}

// Keys is the credentials as verbs use them.
type Keys interface {
	Get(ctx context.Context, host, repository string) (creds.Credential, error)
	Put(ctx context.Context, host string, c creds.Credential) (where string, err error)
	Erase(ctx context.Context, host string) (where string, err error)
	List(ctx context.Context) ([]creds.Login, error)
	Legacy() ([]creds.Login, error)
	Migrate(ctx context.Context) (moved []creds.Login, err error)
}

// Options make an [Env].
type Options struct {
	Settings Settings
	Lookup   func(name string) (string, bool) // environment variables; nil: there are none
	Home     string                           // the user's folder, where Docker's credentials are; empty: $HOME of Lookup
	Files    Files                            // nil: the file system from the working folder
	In       io.Reader                        // what "-" reads; nil: nothing may
	Out      io.Writer                        // what "-" writes; nil: nothing may
	Events   Events                           // nil: dropped
	Log      *slog.Logger                     // one line a request, at debug; nil: none
	Now      func() time.Time                 // nil: time.Now
	Secrets  *Secrets                         // nil: new

	// NoHelpers asks no credential helper: one may ask a person, in a window or
	// on the terminal. What helpers keep is not known then.
	NoHelpers bool

	inProcess func(host string) http.Handler // answers for the registries; nil: the network
}

// NewEnv wires an Env to the store, the registries and the credentials that the
// settings name. It touches nothing until a verb does. Close it when done.
func NewEnv(o Options) *Env {
	if o.Lookup == nil {
		o.Lookup = func(string) (string, bool) { return "", false }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Files == nil {
		o.Files = Anywhere{}
	}
	if o.Settings.DefaultDomain == "" {
		o.Settings.DefaultDomain = artifact.DefaultDomain
	}
	if o.Settings.Concurrency == 0 {
		o.Settings.Concurrency = 4
	}
	if o.Settings.Limits == (artifact.Limits{}) {
		o.Settings.Limits = artifact.DefaultLimits
	}
	if o.Secrets == nil {
		o.Secrets = new(Secrets)
	}
	keys := creds.New(creds.Options{
		Root:   o.Settings.Root,
		Getenv: func(name string) string { v, _ := o.Lookup(name); return v },
		Home:   o.Home,
		Warn:   func(message string) { o.Events.send(Event{State: Warning, Message: message}) },

		NoHelpers: o.NoHelpers,
	})
	client := o.client(keys, o.Settings.store(registryFolder, o.Events), nil)
	bundles := new(bundleCache)
	return &Env{
		Store:    o.Settings.store(storeFolder, o.Events),
		Remote:   client,
		Files:    o.Files,
		Keys:     keys,
		Settings: o.Settings,
		Events:   o.Events,
		In:       o.In,
		Out:      o.Out,
		Lookup:   o.Lookup,
		Secrets:  o.Secrets,
		Now:      o.Now,
		bundles:  bundles,
		offline:  o.inProcess != nil,
		options:  o,
		steps:    new(atomic.Int64),
		close:    func() error { return errors.Join(bundles.Close(), client.Close()) },
	}
}

// client is the wire. The embedded registry is the one in a store; allow is asked
// before each request.
func (o Options) client(keys Keys, inStore *store.Store, allow func(method, host, repository string) error) *registry.Client {
	var waits registry.Timeouts
	if o.inProcess != nil {
		waits.Backoff = time.Millisecond // nobody is busy
	}
	return registry.New(registry.Options{
		InProcess:   o.inProcess,
		Timeouts:    waits,
		Host:        o.Settings.host,
		Credentials: credentials(keys, o.Secrets),
		Embedded:    map[string]http.Handler{EmbeddedHost: embedded.New(inStore, embedded.Options{Prefix: EmbeddedHost, Log: o.Log})},
		Allow:       allow,
		Progress: func(ctx context.Context, t registry.Transfer) {
			if t.State == "done" {
				stepOf(ctx).moved(t.Total)
			}
			o.Events.send(transferred(t))
		},
		Found: func(ctx context.Context, n artifact.Name, d artifact.Digest) { stepOf(ctx).finds(n, d) },
		Retry: func(r registry.Retry) {
			o.Events.send(Event{State: Retrying, Subject: r.Host, Message: r.Reason, Delay: r.Delay})
		},
		UserAgent: o.Settings.UserAgent,
		Log:       o.Log,
	})
}

// Close ends connections and frees opened bundles. Copies of e end with it.
func (e *Env) Close() error { return e.close() }

// WithFiles returns a copy that sees other files and no standard streams: what
// a script gets.
func (e *Env) WithFiles(files Files) *Env {
	c := *e
	c.Files, c.In, c.Out = files, nil, nil
	if e.rehearsal != nil {
		c.Files = rehearsedFiles{files, e.rehearsal}
	}
	return &c
}

func (s Settings) store(folder string, events Events) *store.Store {
	return store.New(filepath.Join(s.Root, folder), store.Options{
		LockTimeout: s.LockTimeout,
		Waiting:     func(holder string) { events.send(Event{State: Waiting, Message: holder}) },
	})
}

// host turns settings into what the wire needs for one host.
func (s Settings) host(host string) registry.HostConfig {
	h := s.Hosts[host]
	c := registry.HostConfig{
		PlainHTTP:         s.Plaintext,
		Insecure:          s.Insecure,
		CA:                s.CA,
		ClientCert:        h.ClientCert,
		ClientKey:         h.ClientKey,
		Proxy:             h.Proxy,
		Mirror:            h.Mirror,
		UploadHosts:       h.UploadHosts,
		TokenHosts:        h.TokenHosts,
		Vendor:            h.Vendor,
		API:               h.API,
		RequestsPerSecond: h.RequestsPerSecond,
		Concurrency:       h.Concurrency,
	}
	if h.PlainHTTP != nil {
		c.PlainHTTP, c.TLS = *h.PlainHTTP, !*h.PlainHTTP
	}
	if h.Insecure != nil {
		c.Insecure = *h.Insecure
	}
	if h.CA != "" {
		c.CA = append([]string{h.CA}, c.CA...)
	}
	return c
}

// credentials hands the wire what the keyring has, and remembers it as secret.
func credentials(keys Keys, secrets *Secrets) func(context.Context, string, string) (registry.Credential, error) {
	return func(ctx context.Context, host, repository string) (registry.Credential, error) {
		c, err := keys.Get(ctx, host, repository)
		if err != nil {
			return registry.Credential{}, err
		}
		secrets.Add(c.Password, c.IdentityToken, c.RegistryToken)
		return registry.Credential(c), nil
	}
}

func transferred(t registry.Transfer) Event {
	return Event{
		State:   states[t.State],
		Verb:    t.Direction,
		Subject: t.Name.Tagged(),
		Digest:  t.Digest.String(),
		Done:    t.Done,
		Total:   t.Total,
	}
}

// states are the wire's words for the state of a transfer.
var states = map[string]State{"start": Started, "progress": Progress, "done": Done, "exists": Present, "failed": Failed}
