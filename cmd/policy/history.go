package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/policyhost/policy/cmd/internal/render"
)

// history is what was typed in shells before, a line an entry, in a file of the
// store root. Shells that run at once only add to it. Without a file that can be
// read or written a shell has its own lines: that is no reason to fail.
type history struct {
	file  string
	lines []string // oldest first
}

// historyKept is how many lines a file has, twice that at most.
const historyKept = 1000

func openHistory(file string) *history {
	h := &history{file: file}
	text, _ := os.ReadFile(h.file)
	for line := range strings.Lines(string(text)) {
		if line = render.Safe(strings.TrimRight(line, "\r\n")); line != "" {
			h.lines = append(h.lines, line)
		}
	}
	if excess := len(h.lines) - historyKept; excess > historyKept {
		h.lines = h.lines[excess:]
		h.rewrite()
	}
	return h
}

// rewrite shortens the file, whole or not at all.
func (h *history) rewrite() {
	fresh, err := os.CreateTemp(filepath.Dir(h.file), filepath.Base(h.file))
	if err != nil {
		return
	}
	_, err = fresh.WriteString(strings.Join(h.lines, "\n") + "\n")
	if closeErr := fresh.Close(); err != nil || closeErr != nil || os.Rename(fresh.Name(), h.file) != nil {
		_ = os.Remove(fresh.Name())
	}
}

// Add keeps a line, unless it is empty, the one before, or a farewell. One that
// speaks of a password may have it, and is kept until the end of the shell only.
func (h *history) Add(line string) {
	if text := strings.TrimSpace(line); text == "" || text == "exit" || text == "quit" || len(h.lines) > 0 && line == h.lines[len(h.lines)-1] {
		return
	}
	h.lines = append(h.lines, line)
	if strings.Contains(strings.ToLower(line), "password") {
		return
	}
	if os.MkdirAll(filepath.Dir(h.file), 0o700) != nil {
		return
	}
	f, err := os.OpenFile(h.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_, _ = f.WriteString(line + "\n")
	_ = f.Close()
}

// Len is the number of lines.
func (h *history) Len() int { return len(h.lines) }

// At gives a line, 0 the newest.
func (h *history) At(i int) string { return h.lines[len(h.lines)-1-i] }
