//go:build unix

package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestListInterrupted holds that a list in the middle of its repositories ends at
// once, says so in one line, and asks nobody any more.
func TestListInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	var mu sync.Mutex
	asked := 0
	enough := make(chan struct{})
	server := httptest.NewServer(catalog(5000, 2, func(r *http.Request) {
		mu.Lock()
		asked++
		n := asked
		mu.Unlock()
		if n == 300 {
			close(enough)
		}
		if n >= 300 { // from here on nobody gets an answer
			<-r.Context().Done()
		}
	}))
	t.Cleanup(server.Close)
	cmd := exec.CommandContext(t.Context(), "policy", "remote", "images", strings.TrimPrefix(server.URL, "http://"))
	cmd.Env = w.env
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-enough
	start := time.Now()
	_ = cmd.Process.Signal(syscall.SIGINT)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || time.Since(start) > 2*time.Second {
		t.Errorf("exit %d after %v", code, time.Since(start))
	}
	if out.Len() > 0 || strings.Count(said.String(), "\n") != 1 || !strings.Contains(said.String(), "interrupted") {
		t.Errorf("stdout %d bytes, stderr:\n%s", out.Len(), said.String())
	}
	mu.Lock()
	defer mu.Unlock()
	if asked > 320 {
		t.Errorf("%d repositories were asked for", asked)
	}
}
