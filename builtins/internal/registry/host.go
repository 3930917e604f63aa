package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/policyhost/policy/runtime/fault"
)

// host is one place requests go to: its settings, its connections, what is
// known about how it authenticates, and how fast it may be asked.
type host struct {
	name     string // as in a reference
	endpoint string // host[:port] of its URLs
	config   HostConfig
	vendor   vendor
	plain    atomic.Bool // http, else https
	fixed    bool        // the scheme is not to be found out
	settled  sync.Once
	auth     authority
	slots    chan struct{}

	pace struct {
		sync.Mutex
		next time.Time
	}
	open struct {
		sync.Mutex
		rt http.RoundTripper
	}
	dial    time.Duration
	handler http.Handler // answers in process, nil for the network
	guarded bool         // reached only because a registry said so
	offline bool         // there is no network
}

// host returns the registry of that name, made at first use.
func (c *Client) host(name string) *host {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.hosts[name]; h != nil {
		return h
	}
	h := c.newHost(name, name)
	if h.vendor.endpoint != "" {
		h.endpoint = h.vendor.endpoint
	}
	c.hosts[name] = h
	return h
}

// foreign returns the host of a URL that a registry pointed to.
func (c *Client) foreign(u *url.URL, guarded bool) *host {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := fmt.Sprintf("%s guarded=%v", origin(u), guarded)
	if h := c.hosts[key]; h != nil {
		return h
	}
	h := c.newHost(strings.ToLower(u.Host), u.Host)
	h.handler = nil // a URL does not reach into the process
	h.offline = c.o.InProcess != nil
	h.guarded = guarded
	h.plain.Store(u.Scheme == "http")
	c.hosts[key] = h
	return h
}

func (c *Client) newHost(name, endpoint string) *host {
	conf := c.o.Host(name)
	h := &host{name: name, endpoint: endpoint, config: conf, vendor: vendorFor(name, conf), dial: c.o.Timeouts.Dial}
	h.handler = c.o.Embedded[name]
	if c.o.InProcess != nil {
		h.handler = c.o.InProcess(name)
		h.offline = h.handler == nil
	}
	h.fixed = conf.PlainHTTP || conf.TLS || conf.ClientCert != "" || h.handler != nil || !isLoopback(endpoint)
	h.plain.Store(conf.PlainHTTP || h.handler != nil || !h.fixed)
	n := conf.Concurrency
	if n <= 0 {
		n = 6
	}
	h.slots = make(chan struct{}, n)
	return h
}

func (h *host) scheme() string {
	if h.plain.Load() {
		return "http"
	}
	return "https"
}

func (h *host) url(path string) *url.URL {
	return &url.URL{Scheme: h.scheme(), Host: h.endpoint, Path: path}
}

// is reports whether u points to this host: the same host and port, where a
// registry behind a proxy may spell its scheme wrong if it spells no port.
func (h *host) is(u *url.URL) bool {
	return withPort(u.Host, h.scheme()) == withPort(h.endpoint, h.scheme()) &&
		(u.Scheme == "http" || u.Scheme == "https") && u.User == nil
}

// enter waits for the host's pace and for one of its slots; the function gives
// the slot back and may be called twice.
func (h *host) enter(ctx context.Context, slot bool) (func(), error) {
	leave := func() {}
	if slot {
		select {
		case h.slots <- struct{}{}:
			leave = sync.OnceFunc(func() { <-h.slots })
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if h.config.RequestsPerSecond > 0 {
		h.pace.Lock()
		now := time.Now()
		at := h.pace.next
		if at.Before(now) {
			at = now
		}
		h.pace.next = at.Add(time.Duration(float64(time.Second) / h.config.RequestsPerSecond))
		h.pace.Unlock()
		if err := sleep(ctx, at.Sub(now)); err != nil {
			leave()
			return nil, err
		}
	}
	return leave, nil
}

// transport is the host's own: its TLS settings and proxy are never shared.
func (h *host) transport() (http.RoundTripper, error) {
	h.open.Lock()
	defer h.open.Unlock()
	if h.open.rt != nil {
		return h.open.rt, nil
	}
	if h.handler != nil {
		h.open.rt = &inProcess{h.handler}
		return h.open.rt, nil
	}
	if h.offline {
		return nil, fault.New(fault.Denied, h.name, "a test reaches no network").
			WithHint("use a registry of the test, such as prod.test")
	}
	t, err := h.newTransport()
	if err != nil {
		return nil, err
	}
	h.open.rt = t
	return t, nil
}

func (h *host) newTransport() (*http.Transport, error) {
	proxy, err := h.proxy()
	if err != nil {
		return nil, err
	}
	conf, err := h.tls()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: h.dial, KeepAlive: 30 * time.Second}
	if h.guarded {
		// With a proxy it is the proxy that is dialled, and it may well be on
		// this machine; what it dials in turn cannot be seen from here.
		if via, err := proxy(&http.Request{URL: h.url("/")}); err == nil && via == nil {
			dialer.Control = refuseLocal
		}
	}
	return &http.Transport{
		Proxy:                  proxy,
		OnProxyConnectResponse: connected,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    h.dial,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // bytes are hashed as they are stored
		MaxIdleConnsPerHost:    cap(h.slots) + 2,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 1 << 20,
		WriteBufferSize:        64 << 10,
		ReadBufferSize:         64 << 10,
	}, nil
}

func (h *host) proxy() (func(*http.Request) (*url.URL, error), error) {
	switch h.config.Proxy {
	case "":
		return http.ProxyFromEnvironment, nil
	case "none":
		return func(*http.Request) (*url.URL, error) { return nil, nil }, nil
	}
	u, err := url.Parse(h.config.Proxy)
	if err != nil || u.Host == "" {
		return nil, fault.New(fault.Usage, h.name, "%q is not the URL of a proxy", h.config.Proxy)
	}
	return http.ProxyURL(u), nil
}

// connected gives a proxy's refusal a type; net/http would give its text.
func connected(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return &proxied{resp.StatusCode}
	}
	return nil
}

func (h *host) tls() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: h.config.Insecure} // the user asked for it, for this host
	if len(h.config.CA) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		for _, file := range h.config.CA {
			pem, err := os.ReadFile(file)
			if err != nil {
				return nil, fileFault(h.name, "reading its CA", err)
			}
			if !pool.AppendCertsFromPEM(pem) {
				return nil, fault.New(fault.Invalid, h.name, "reading its CA: %q holds no PEM certificate", file)
			}
		}
		conf.RootCAs = pool
	}
	if h.config.ClientCert != "" || h.config.ClientKey != "" {
		pair, err := tls.LoadX509KeyPair(h.config.ClientCert, h.config.ClientKey)
		if err != nil {
			return nil, fileFault(h.name, "reading its client certificate", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// settle finds out early that a loopback host speaks TLS, where a user who
// names authorities makes that likely.
func (h *host) settle(ctx context.Context) {
	if len(h.config.CA) > 0 {
		h.speaksTLS(ctx)
	}
}

// speaksTLS reports whether a loopback host that was taken for plain answers a
// TLS handshake, and makes it https from then on. It is tried once. The scheme
// only ever goes up: nothing that fails over TLS is tried without.
func (h *host) speaksTLS(ctx context.Context) bool {
	if h.fixed {
		return false
	}
	h.settled.Do(func() {
		ctx, cancel := context.WithTimeout(ctx, h.dial)
		defer cancel()
		d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // nothing is sent; the real connection verifies
		if conn, err := d.DialContext(ctx, "tcp", withPort(h.endpoint, "http")); err == nil {
			_ = conn.Close()
			h.plain.Store(false)
		}
	})
	return !h.plain.Load()
}

func (h *host) close() {
	h.open.Lock()
	defer h.open.Unlock()
	if t, ok := h.open.rt.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}
