package builtins

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/policyhost/policy/runtime/fault"
)

func TestServe(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	var status int
	err := Serve(ctx, Settings{Root: t.TempDir()}, ServeOptions{Addr: "127.0.0.1:0", Ready: func(url string) {
		go func() {
			defer stop()
			if resp, err := http.Get(url + "/v2/"); err == nil {
				status = resp.StatusCode
				resp.Body.Close()
			}
		}()
	}})
	<-ctx.Done()
	if err != nil || status != http.StatusOK {
		t.Errorf("got %v, %d", err, status)
	}
}

func TestServeRefuses(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		o    ServeOptions
		want fault.Kind
	}{
		"no port":        {ServeOptions{Addr: "nonsense"}, fault.Usage},
		"a taken port":   {ServeOptions{Addr: taken.Addr().String()}, fault.Conflict},
		"no certificate": {ServeOptions{Addr: "127.0.0.1:0", Cert: text + "x", Key: text}, fault.NotFound},
		"no PEM":         {ServeOptions{Addr: "127.0.0.1:0", Cert: text, Key: text}, fault.Invalid},
		"no users":       {ServeOptions{Addr: "127.0.0.1:0", Htpasswd: text + "x"}, fault.NotFound},
	} {
		tt.o.Ready = func(url string) { t.Errorf("%s: it serves %s", name, url) }
		if err := Serve(t.Context(), Settings{Root: t.TempDir()}, tt.o); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
}
