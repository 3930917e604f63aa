package builtins

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/policyhost/policy/builtins/internal/embedded"
	"github.com/policyhost/policy/runtime/fault"
)

// registryFolder is where the embedded registry keeps its layout, below the
// store root.
const registryFolder = "registry"

// embeddedRegistry is the handler of the registry that needs no server.
func (s Settings) embeddedRegistry(events Events, o embedded.Options) http.Handler {
	o.Prefix = EmbeddedHost
	return embedded.New(s.store(registryFolder, events), o)
}

// ServeOptions say how to serve the embedded registry.
type ServeOptions struct {
	Addr     string // host:port; port 0 takes a free one
	Htpasswd string // file with users and bcrypt hashes; empty: no authentication
	ReadOnly bool
	Cert     string // PEM files; empty: plain HTTP
	Key      string
	Log      *slog.Logger
	Events   Events
	Ready    func(url string) // told once connections are accepted
}

// Serve serves the embedded registry over HTTP until ctx ends, then lets
// requests under way finish for up to half a second. Any OCI client can use it.
// It fails with Conflict when the address is taken.
func Serve(ctx context.Context, s Settings, o ServeOptions) error {
	handler := s.embeddedRegistry(o.Events, embedded.Options{ReadOnly: o.ReadOnly, Log: o.Log})
	if o.Htpasswd != "" {
		guard, err := embedded.Htpasswd(o.Htpasswd)
		if err != nil {
			return err
		}
		handler = guard(handler)
	}
	listener, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return fault.New(fault.Conflict, o.Addr, "%w", err).WithHint("choose another address: --addr 127.0.0.1:0 takes a free port")
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	defer context.AfterFunc(ctx, func() {
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), 500*time.Millisecond)
		defer cancel()
		if server.Shutdown(patience) != nil {
			_ = server.Close()
		}
	})()
	scheme := "http://"
	if o.Cert != "" {
		scheme = "https://"
	}
	if o.Ready != nil {
		o.Ready(scheme + listener.Addr().String())
	}
	if o.Cert != "" {
		err = server.ServeTLS(listener, o.Cert, o.Key)
	} else {
		err = server.Serve(listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fault.In("", o.Addr, err)
}
