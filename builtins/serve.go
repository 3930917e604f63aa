package builtins

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
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
	Cert     string // PEM file, with Key; both empty: plain HTTP
	Key      string // PEM file
	Log      *slog.Logger
	Events   Events
	Ready    func(url string) // told once connections are accepted
}

// Serve serves the embedded registry over HTTP until ctx ends, then lets
// requests under way finish for up to half a second. Any OCI client can use it.
// It fails with Usage for what is no address, Conflict when the address is taken,
// Denied when it is not for this user, NotFound or Invalid for a file it is given.
func Serve(ctx context.Context, s Settings, o ServeOptions) error {
	handler := s.embeddedRegistry(o.Events, embedded.Options{ReadOnly: o.ReadOnly, Log: o.Log})
	if o.Htpasswd != "" {
		guard, err := embedded.Htpasswd(o.Htpasswd)
		if err != nil {
			return err
		}
		handler = guard(handler)
	}
	listener, url, err := o.listen()
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	ended := make(chan struct{})
	defer context.AfterFunc(ctx, func() {
		defer close(ended)
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), 500*time.Millisecond)
		defer cancel()
		if server.Shutdown(patience) != nil {
			_ = server.Close()
		}
	})()
	if o.Ready != nil {
		o.Ready(url)
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fault.In("", o.Addr, err)
	}
	<-ended
	return nil
}

// listen takes the address, and says what URL it has.
func (o ServeOptions) listen() (net.Listener, string, error) {
	var config *tls.Config
	if o.Cert != "" || o.Key != "" {
		pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if file, ok := errors.AsType[*fs.PathError](err); ok {
			return nil, "", fault.File(file.Path, err)
		} else if err != nil {
			return nil, "", fault.New(fault.Invalid, o.Cert, "%w", err).WithHint("give the certificate and its key as PEM files")
		}
		config = &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	}
	listener, err := net.Listen("tcp", o.Addr)
	if err != nil {
		kind := fault.Usage // no address at all
		if _, system := errors.AsType[*os.SyscallError](err); system {
			kind = fault.Conflict
		}
		if errors.Is(err, fs.ErrPermission) {
			kind = fault.Denied
		}
		return nil, "", fault.New(kind, o.Addr, "%w", err).WithHint("choose another address: --addr 127.0.0.1:0 takes a free port")
	}
	if config == nil {
		return listener, "http://" + listener.Addr().String(), nil
	}
	return tls.NewListener(listener, config), "https://" + listener.Addr().String(), nil
}
