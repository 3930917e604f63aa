//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestInterruptedJournal holds that Ctrl-C in the middle of many copies ends them
// within a second, and that the journal has each copy that began: those that were
// made, and those that were cut off as such.
func TestInterruptedJournal(t *testing.T) {
	t.Parallel()
	const made, atOnce = 16, 8
	var begun atomic.Int32
	stuck := make(chan struct{}, 200)
	registry := newRegistry()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/target/manifests/") && begun.Add(1) > made {
			_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice that the other side is gone
			stuck <- struct{}{}
			<-r.Context().Done()
			return
		}
		registry.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close(); _ = registry.Close() })
	host := strings.TrimPrefix(server.URL, "http://")
	w := newWorkshop(t)
	w.must(t, "build", w.sources, "-t", host+"/acme/door:1")
	w.must(t, "push", host+"/acme/door:1")
	folder := t.TempDir()
	journal, script := filepath.Join(folder, "journal"), filepath.Join(folder, "copies.star")
	if err := os.WriteFile(script, []byte(`
def main(registry):
    def one(i):
        return copy(registry + "/acme/door:1", registry + "/acme/target:%d" % i)
    parallel(one, range(200), limit = 8, on_error = "continue")
`), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "policy", "run", "--journal", journal, "--registry-option", host+",concurrency=16", script, "main", host)
	cmd.Env = w.env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range atOnce {
		select {
		case <-stuck:
		case <-time.After(20 * time.Second):
			t.Fatal("the copies do not begin")
		}
	}
	interrupted := time.Now()
	_ = cmd.Process.Signal(syscall.SIGINT)
	_ = cmd.Wait()
	if took := time.Since(interrupted); took > 4*time.Second { // a second, and what a busy machine adds
		t.Errorf("it went on for %s", took)
	}
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("it ended with %d", code)
	}
	lines := map[string]string{} // the subject's kind of fault
	for _, e := range readJournal(t, journal) {
		if e.Verb != "copy" || lines[e.Subject] != "" {
			t.Errorf("a line too many: %+v", e)
		}
		lines[e.Subject] = "none"
		if e.Fault != nil {
			lines[e.Subject] = e.Fault.Kind
		}
	}
	sum := map[string]int{}
	for _, kind := range lines {
		sum[kind]++
	}
	if sum["none"] != made || sum["canceled"] != atOnce || len(sum) != 2 {
		t.Errorf("%d copies were made and %d cut off; the journal has %v", made, atOnce, sum)
	}
}

type journalLine struct {
	Verb, Subject, At string
	Fault             *struct{ Kind string }
}

func readJournal(t *testing.T, name string) (all []journalLine) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var e journalLine
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		all = append(all, e)
	}
	return all
}
