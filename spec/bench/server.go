package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// server is a distribution registry on loopback, empty at first.
type server struct {
	addr string
	cmd  *exec.Cmd
}

const registryConfig = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %q}
http: {addr: %s}
`

// registry starts the registry that spec/interop pins, or else Debian's.
func (b *bench) registry(ctx context.Context) (string, error) {
	if b.server != nil {
		return b.server.addr, nil
	}
	t, ok := b.tools["registry"]
	if !ok {
		if t, ok = b.tools["docker-registry"]; !ok {
			return "", errors.New("no registry to push to: the distribution registry could not be had")
		}
	}
	dir, err := b.folder("registry")
	if err != nil {
		return "", err
	}
	addr, err := freeAddress()
	if err != nil {
		return "", err
	}
	config := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, registryConfig, filepath.Join(dir, "data"), addr), 0o644); err != nil {
		return "", err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return "", err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, t.path, "serve", config)
	cmd.Env = append(b.environment(""), "OTEL_TRACES_EXPORTER=none")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return "", err
	}
	b.server = &server{addr, cmd}
	for range 100 {
		// Not net/http: it would make this program larger than those it measures.
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return addr, c.Close()
		}
		time.Sleep(100 * time.Millisecond)
	}
	said, _ := os.ReadFile(log.Name())
	return "", fmt.Errorf("%s does not answer:\n%s", t.Name, said)
}

func (s *server) stop() {
	if err := s.cmd.Process.Kill(); err == nil {
		_ = s.cmd.Wait() // killed is what it says
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
