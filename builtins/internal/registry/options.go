package registry

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/policyhost/policy/builtins/artifact"
)

// HostConfig is what a user may set for one registry. The zero value is right
// for a registry on the internet.
type HostConfig struct {
	PlainHTTP  bool     // speak plain HTTP; loopback hosts do so by themselves
	TLS        bool     // never speak plain HTTP, not to a loopback host either
	Insecure   bool     // accept any certificate
	CA         []string // paths of PEM files with authorities to trust besides the system's
	ClientCert string   // path of a PEM file, with ClientKey
	ClientKey  string   // path of a PEM file
	Proxy      string   // URL; "" is the environment's, "none" is none
	Mirror     string   // HOST[:PORT][/PREFIX] asked first when reading

	UploadHosts []string // hosts, besides its own, that may receive uploads, over https
	TokenHosts  []string // hosts, besides its own and known ones, that may issue its tokens, over https

	Vendor string // name of the row of the vendor table to go by, "" for that of the host
	API    string // URL of the vendor's own API, "" for the vendor's usual one

	RequestsPerSecond float64 // 0: no limit
	Concurrency       int     // requests at a time, 0: 6
}

// Timeouts bound every wait. Zero fields take the value in brackets.
type Timeouts struct {
	Dial       time.Duration // to connect, and for the TLS handshake [10 s]
	Header     time.Duration // from the end of a request to the first byte of its answer [30 s]
	Trickle    time.Duration // of waiting, in which at least Floor bytes must move [60 s]
	Floor      int64         // bytes [64 KiB]
	RetryAfter time.Duration // longest sum of waits a registry may ask for [60 s]
	Backoff    time.Duration // before the first retry; doubles each time [100 ms]
	Attempts   int           // tries of one request [6]
}

// Transfer is the state of one blob on its way. Sizes are bytes.
type Transfer struct {
	Direction string // push, pull or copy
	Name      artifact.Name
	Digest    artifact.Digest
	Done      int64
	Total     int64
	State     string // start, progress, done, exists or failed
}

// Retry announces a wait before something is tried again.
type Retry struct {
	Host   string
	Reason string
	Delay  time.Duration
	Try    int // the number of the try that failed, from 1
}

// Options configure a Client. The zero value is an anonymous client that may
// go anywhere. Functions may be called from several goroutines.
type Options struct {
	// Host gives the settings of a registry, named as in a reference; nil is
	// the zero HostConfig for all.
	Host func(host string) HostConfig
	// Credentials is asked once per host and repository, and only when the host
	// demands it. repository is empty for requests about the whole registry.
	Credentials func(ctx context.Context, host, repository string) (Credential, error)
	// Embedded hosts are answered in this process, never dialled.
	Embedded map[string]http.Handler
	// InProcess, when set, answers for every host in place of Embedded and the
	// network: a host for which it gives nil is refused.
	InProcess func(host string) http.Handler
	// Allow is asked before each request leaves; its error ends the operation.
	// What only gets a token is not asked about, or is a GET.
	Allow func(method, host, repository string) error
	// Progress is told of bytes moved, often: it must be quick.
	Progress func(context.Context, Transfer)
	// Found is told what a name stands for that is about to be pushed to; not when
	// it is nothing, or the registry does not say.
	Found func(context.Context, artifact.Name, artifact.Digest)
	// Retry is told before each wait.
	Retry func(Retry)
	// UserAgent is sent with each request.
	UserAgent string
	// Timeouts bound the waits.
	Timeouts Timeouts
	// Log gets one debug line per request, without queries, headers or bodies.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Host == nil {
		o.Host = func(string) HostConfig { return HostConfig{} }
	}
	if o.Credentials == nil {
		o.Credentials = func(context.Context, string, string) (Credential, error) { return Credential{}, nil }
	}
	if o.Allow == nil {
		o.Allow = func(string, string, string) error { return nil }
	}
	if o.Progress == nil {
		o.Progress = func(context.Context, Transfer) {}
	}
	if o.Found == nil {
		o.Found = func(context.Context, artifact.Name, artifact.Digest) {}
	}
	if o.Retry == nil {
		o.Retry = func(Retry) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.UserAgent == "" {
		o.UserAgent = "policy"
	}
	t := &o.Timeouts
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Dial, 10 * time.Second},
		{&t.Header, 30 * time.Second},
		{&t.Trickle, time.Minute},
		{&t.RetryAfter, time.Minute},
		{&t.Backoff, 100 * time.Millisecond},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if t.Floor <= 0 {
		t.Floor = 64 << 10
	}
	if t.Attempts <= 0 {
		t.Attempts = 6
	}
	return o
}
