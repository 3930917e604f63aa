package builtins

import (
	"cmp"
	"time"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/registry"
)

// Settings are what holds for every verb of a run. The doors gather them from
// flags, environment and files; verbs never take them as arguments.
type Settings struct {
	Root          string                  // the store root: $POLICY_FILE_STORE_ROOT, ~/.policy
	DefaultDomain string                  // the registry of a reference that names none
	LoginDomain   string                  // the registry of a login that names none, when a project says the other; empty: that
	Insecure      bool                    // do not verify TLS certificates
	Plaintext     bool                    // speak HTTP
	CA            []string                // PEM files trusted beside the system's
	Hosts         map[string]HostSettings // by registry host, over the three above
	LockTimeout   time.Duration           // how long to wait for another process; 0 waits
	Concurrency   int                     // subjects at once; 0 is 4
	LogLevel      string
	TokenDefaults map[string]string // by registry host: the name of the CI secret with its token, for templates
	Limits        artifact.Limits   // on what a tarball may hold; zero is artifact.DefaultLimits
	UserAgent     string

	leaveCache bool // a rehearsal reads the cache and writes nothing to it
}

// loginDomain is the registry that a login means which names none. A project has no
// say in where passwords go.
func (s Settings) loginDomain() string { return cmp.Or(s.LoginDomain, s.DefaultDomain) }

// HostSettings are the settings of one registry. Nil and empty mean: as
// [Settings] says.
type HostSettings struct {
	PlainHTTP         *bool // false: TLS with a loopback host, too
	Insecure          *bool
	CA                string   // PEM file
	ClientCert        string   // PEM file, for mutual TLS
	ClientKey         string   // PEM file
	Proxy             string   // URL, or none
	Mirror            string   // host asked first when reading
	UploadHosts       []string // other hosts that may take uploads, over https
	TokenHosts        []string // other hosts that may issue its tokens, over https
	Vendor            string   // whose ways it has, one of [Vendors]; empty: its host says it
	API               string   // URL of the vendor's own API; empty: the usual one
	RequestsPerSecond float64
	Concurrency       int
}

// Vendors are the names that HostSettings.Vendor takes, sorted.
func Vendors() []string { return registry.Vendors() }

// IsLoopback reports whether a host, with or without port, is this machine by its
// spelling: credentials may go there without TLS.
func IsLoopback(host string) bool { return registry.IsLoopback(host) }
