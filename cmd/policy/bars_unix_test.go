//go:build unix

package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/olareg/olareg"
	"github.com/olareg/olareg/config"
)

// trickle is a registry whose large blobs come slowly, until the test is over.
func trickle(t *testing.T) (host string) {
	t.Helper()
	registry := olareg.New(config.Config{Storage: config.ConfigStorage{StoreType: config.StoreMem}})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			w = &slow{w, t}
		}
		registry.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close(); _ = registry.Close() })
	return strings.TrimPrefix(server.URL, "http://")
}

type slow struct {
	http.ResponseWriter
	t *testing.T
}

func (s *slow) Write(b []byte) (int, error) {
	n := 0
	for len(b) > 0 {
		part := b[:min(len(b), 100_000)]
		m, err := s.ResponseWriter.Write(part)
		n += m
		if err != nil {
			return n, err
		}
		s.ResponseWriter.(http.Flusher).Flush()
		select {
		case <-time.After(100 * time.Millisecond):
		case <-s.t.Context().Done():
			return n, s.t.Context().Err()
		}
		b = b[len(part):]
	}
	return n, nil
}

// TestInterruptedBar holds that Ctrl-C leaves nothing of a bar on the terminal.
func TestInterruptedBar(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	var data strings.Builder
	for range 80_000 {
		fmt.Fprintf(&data, "%x", random.Uint64())
	}
	if err := os.WriteFile(filepath.Join(folder, "data.json"), []byte(`{"a": "`+data.String()+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorkshop(t)
	ref := trickle(t) + "/acme/big:1"
	w.must(t, "build", folder, "-t", ref)
	w.must(t, "push", ref)
	w.must(t, "rm", "-f", ref)
	w.must(t, "store", "prune", "--age", "0s")
	s := w.sit(t, "pull", ref)
	s.sees("KB/s")
	s.types("\x03")
	if code := s.leaves(); code != 130 {
		t.Errorf("it ended with %d", code)
	}
	if got := look(s.screen, 80); got != "policy: interrupted" {
		t.Errorf("there stays\n%s", got)
	}
}

// look is what a terminal of so many columns shows after text, without the
// spaces around: of the sequences it knows those that bars are made of.
func look(text string, columns int) string {
	rows, row, column := [][]rune{{}}, 0, 0
	for len(text) > 0 {
		var n int
		if _, err := fmt.Sscanf(text, "\x1b[%dA", &n); err == nil {
			row = max(0, row-n)
			_, text, _ = strings.Cut(text, "A")
			continue
		}
		if rest, ok := strings.CutPrefix(text, "\x1b[J"); ok {
			rows, text = rows[:row+1], rest
			rows[row] = rows[row][:min(column, len(rows[row]))]
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		text = text[size:]
		if r == '\r' {
			column = 0
			continue
		}
		if r == '\n' || column == columns {
			if row++; row == len(rows) {
				rows = append(rows, nil)
			}
		}
		if r == '\n' {
			continue
		}
		if column == columns {
			column = 0
		}
		for len(rows[row]) <= column {
			rows[row] = append(rows[row], ' ')
		}
		rows[row][column] = r
		column++
	}
	var lines []string
	for _, r := range rows {
		lines = append(lines, strings.TrimRight(string(r), " "))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
