package registry

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"github.com/regclient/regclient/config"
	"github.com/regclient/regclient/scheme/reg"
	"github.com/regclient/regclient/types/descriptor"
	"github.com/regclient/regclient/types/ref"

	"github.com/policyhost/policy/builtins/artifact"
)

// maxManifest is the size of a manifest the distribution specification asks
// registries to accept, in bytes.
const maxManifest = 4 << 20

// Client moves images to and from registries. It is safe for concurrent use,
// and one serves a whole run: connections, tokens and the knowledge of which
// blob lies where are shared.
type Client struct {
	o       Options
	buffers sync.Pool // of *[chunkSize]byte

	mu     sync.Mutex
	hosts  map[string]*host    // by name in a reference, and foreign ones by origin
	regs   map[string]*reg.Reg // by registry
	places map[place]string    // a repository known to hold a blob

	sending map[place]chan struct{} // blobs on their way to a registry
}

type place struct {
	registry string
	digest   artifact.Digest
}

// New returns a client for o. It does no I/O.
func New(o Options) *Client {
	return &Client{
		o:       o.withDefaults(),
		buffers: sync.Pool{New: func() any { return new([chunkSize]byte) }},
		hosts:   map[string]*host{},
		regs:    map[string]*reg.Reg{},
		places:  map[place]string{},
		sending: map[place]chan struct{}{},
	}
}

// Close ends idle connections. Operations under way are ended by their contexts.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.hosts {
		h.close()
	}
	return nil
}

// reg is the regclient of one registry. It has no credentials, no retries, no
// mirrors and no limits of its own: the transport beneath it has. A retry limit
// of 1 makes it give up at the first error that comes up; a delay of 1 ns keeps
// it from sleeping afterwards.
func (c *Client) reg(registry string) *reg.Reg {
	h := c.host(registry)
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.regs[registry]; r != nil {
		return r
	}
	home := config.Host{Name: h.name, Hostname: h.endpoint, TLS: config.TLSEnabled, APIOpts: map[string]string{}}
	if h.scheme() == "http" {
		home.TLS = config.TLSDisabled
	}
	w := &wire{c: c, home: h}
	if h.config.Mirror != "" {
		host, prefix, _ := strings.Cut(h.config.Mirror, "/")
		w.mirror, w.prefix = c.newHost(host, host), strings.Trim(prefix, "/")
		c.hosts["mirror "+host] = w.mirror
	}
	r := reg.New(
		reg.WithConfigHosts([]*config.Host{&home}),
		reg.WithHTTPClient(&http.Client{Transport: w}),
		reg.WithRetryLimit(1),
		reg.WithDelay(1, 1),
		reg.WithManifestMax(maxManifest, maxManifest),
		reg.WithBlobLimit(16<<20), // what a registry may make us hold for one chunk
		reg.WithSlog(discard),
		reg.WithUserAgent(c.o.UserAgent),
	)
	c.regs[registry] = r
	return r
}

// known remembers that a repository holds a blob, so that it can be mounted.
func (c *Client) known(n artifact.Name, d artifact.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.places[place{n.Registry, d}] = n.Repository
}

// elsewhere is another repository of n's registry that holds a blob, or "".
func (c *Client) elsewhere(n artifact.Name, d artifact.Digest) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.places[place{n.Registry, d}]; r != n.Repository {
		return r
	}
	return ""
}

// refOf is n for regclient. When both are set the digest wins, unless tag is asked for.
func refOf(n artifact.Name) ref.Ref {
	return ref.Ref{
		Scheme: "reg", Reference: n.String(), Registry: n.Registry, Repository: n.Repository,
		Tag: n.Tag, Digest: string(n.Digest),
	}
}

// repositoryOf is n's repository without tag or digest.
func repositoryOf(n artifact.Name) ref.Ref {
	return refOf(artifact.Name{Registry: n.Registry, Repository: n.Repository})
}

// blobOf is d for regclient, without the URLs a manifest may name: they are
// never fetched.
func blobOf(d artifact.Descriptor) descriptor.Descriptor {
	return descriptor.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
}

// opContext prepares ctx for one operation.
func opContext(ctx context.Context, k call) context.Context { return withCall(ctx, &k) }
