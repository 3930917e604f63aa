package main

import (
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// tunnels is a proxy that leads every CONNECT to one server.
type tunnels struct {
	to string

	mu  sync.Mutex
	led []string // hosts that were asked for
}

func (p *tunnels) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.led = append(p.led, r.Host)
	p.mu.Unlock()
	there, err := net.Dial("tcp", p.to)
	if err != nil || r.Method != http.MethodConnect {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusOK)
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(there, here)
		_ = there.Close()
	}()
	_, _ = io.Copy(here, there)
	_ = here.Close()
}

// hosts are those that were asked for since the last time.
func (p *tunnels) hosts() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	led := slices.Compact(p.led)
	p.led = nil
	return led
}

// TestNetwork holds what settings and environment say about the way to a
// registry: proxies, authorities, TLS or not.
func TestNetwork(t *testing.T) {
	t.Parallel()
	registry := newRegistry()
	login := &secured{next: registry, user: "jo", password: canaryPassword, uses: 0}
	secure, plain := httptest.NewTLSServer(login), httptest.NewServer(login)
	proxy := &tunnels{to: strings.TrimPrefix(secure.URL, "https://")}
	front := httptest.NewServer(proxy)
	t.Cleanup(func() { front.Close(); plain.Close(); secure.Close(); _ = registry.Close() })
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	local := strings.TrimPrefix(secure.URL, "https://")
	const far = "example.com" // whom the certificate is for; only ever reached by the proxy
	const none = "registry.invalid"
	for _, tt := range []struct {
		name, env, host, flags, config string
		code                           int
		led                            string // the host the proxy was asked for
		says                           string
	}{
		{"HTTPS_PROXY", "HTTPS_PROXY=" + front.URL, far, "--ca " + ca, "", 0, far + ":443", ""},
		{"https_proxy", "https_proxy=" + front.URL, far, "--ca " + ca, "", 0, far + ":443", ""},
		{"NO_PROXY", "HTTPS_PROXY=" + front.URL + " NO_PROXY=invalid", none, "", "", 7, "", none},
		{"proxy of the host", "", far, "--ca " + ca, "registries: {" + far + ": {proxy: '" + front.URL + "'}}", 0, far + ":443", ""},
		{"proxy of another host", "", none, "", "registries: {" + far + ": {proxy: '" + front.URL + "'}}", 7, "", none},
		{"no proxy for the host", "HTTPS_PROXY=" + front.URL, none, "", "registries: {" + none + ": {proxy: none}}", 7, "", none},
		{"the proxy is gone", "HTTPS_PROXY=http://127.0.0.1:1", far, "", "", 7, "", "proxy"},
		{"ca", "", local, "", "ca: [" + ca + "]", 0, "", ""},
		{"ca of the host", "", local, "", "registries: {'" + local + "': {ca: " + ca + "}}", 0, "", ""},
		{"ca of the host, by flag", "", local, "--registry-option " + local + ",ca=" + ca, "", 0, "", ""},
		{"ca of another host", "", local, "", "registries: {" + far + ": {ca: " + ca + "}}", 5, "", "certificate"},
		{"POLICY_CA", "POLICY_CA=" + ca, local, "", "", 0, "", ""},
		{"-k", "", local, "-k", "", 0, "", ""},
		{"insecure, the host", "", local, "", "registries: {'" + local + "': {insecure: true}}", 0, "", ""},
		{"insecure, another host", "", local, "", "registries: {" + far + ": {insecure: true}}", 5, "", "certificate"},
		{"insecure, by the proxy", "HTTPS_PROXY=" + front.URL, far, "--insecure", "", 0, far + ":443", ""},
		{"no authority", "HTTPS_PROXY=" + front.URL, far, "", "", 5, far + ":443", "certificate"},
		{"plain by itself", "", strings.TrimPrefix(plain.URL, "http://"), "", "", 0, "", ""},
		{"plain_http: false", "", strings.TrimPrefix(plain.URL, "http://"), "", "registries: {'" + strings.TrimPrefix(plain.URL, "http://") + "': {plain_http: false}}", 7, "", "TLS"},
		{"--plaintext to TLS", "", local, "--plaintext", "", 6, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) { // one after the other: they share the proxy
			w := newWorkshop(t)
			w.env = append(w.env, strings.Fields(tt.env)...)
			w.leave(t, "config.yaml", tt.config)
			_ = proxy.hosts()
			flags := strings.Fields(tt.flags)
			said, code := w.say(t, canaryPassword+"\n", append([]string{"login", "-s", tt.host, "-u", "jo", "--password-stdin", "-vvv"}, flags...)...)
			if code != tt.code || !strings.Contains(said, tt.says) {
				t.Fatalf("login: exit code %d, want %d\n%s", code, tt.code, said)
			}
			if got := strings.Join(proxy.hosts(), " "); got != tt.led {
				t.Errorf("the proxy was asked for %q, want %q", got, tt.led)
			}
			if strings.Contains(said, "c4n4ry") {
				t.Errorf("the password is shown:\n%s", said)
			}
			if code != 0 {
				return
			}
			ref := tt.host + "/acme/door:1"
			for _, words := range []string{"build " + w.sources + " -t " + ref, "push " + ref, "rm -f " + ref, "pull " + ref} {
				if said, code := w.say(t, "", append(strings.Fields(words), flags...)...); code != 0 {
					t.Errorf("policy %s: exit code %d\n%s", words, code, said)
				}
			}
		})
	}
}
