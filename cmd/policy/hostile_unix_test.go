//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// deep makes x a list in a list in a list, so many times.
const deep = "x = []\nfor _ in range(%d):\n    x = [x]\n"

// hostile are pipelines that are built to use up everything: each ends at its limit,
// with its reason, and by Ctrl-C wherever it is.
var hostile = map[string]struct {
	body string
	args []string
	code int
	says string

	forever string // the same without an end, that prints something once it is on its way; empty if it ends at once
}{
	"loop": {
		body: "while True: pass", args: []string{"--max-steps", "100000"}, code: 9, says: "the steps limit is reached: 100000",
		forever: "print('on')\nwhile True: pass",
	},
	"time": {
		body: "while True: pass", args: []string{"--timeout", "200ms"}, code: 9, says: "raise --timeout",
	},
	"repeat": {
		body: "[0] * 100000000", code: 9, says: "a list repeated 100000000 times takes more than 256 MiB",
		forever: "print('on')\nwhile True: [0] * 16000000",
	},
	"long string": {
		body: "'x' * (1 << 30)", code: 9, says: "a string repeated 1073741824 times takes more than 256 MiB",
		forever: "print('on')\nwhile True: 'x' * (1 << 27)",
	},
	"doubling": {
		body: "x = 'x'\nwhile True: x += x", code: 9, says: "a string of more than 256 MiB",
		forever: "x = 'x' * (1 << 26)\nprint('on')\nwhile True: y = x + x",
	},
	"doubling lists": {
		body: "x = [1]\nwhile True: x += x", code: 9, says: "more than 16777216 items",
		forever: "x = [1] * (1 << 20)\nprint('on')\nwhile True: y = x + x",
	},
	"memory": {
		body: "x = []\nwhile True: x.append([0] * 1000000)", args: []string{"--max-heap", "200"}, code: 9, says: "raise --max-heap",
	},
	"deep list": {
		body: fmt.Sprintf(deep, 200_000) + "str(x)", code: 9, says: "nested too deep",
		forever: fmt.Sprintf(deep, 20_000) + "print('on')\nwhile True: str(x)",
	},
	"recursion": {
		body: "def f(): f()\nf()", code: 3, says: "function f called recursively",
	},
	"nesting": {
		body: strings.Repeat("(", 50_000) + strings.Repeat(")", 50_000), code: 3, says: "excessive nesting",
	},
	"flood": {
		body: "while True: print('x' * 1000)", code: 9, says: "the output limit is reached: 16777216 bytes",
		forever: "while True: print('x' * 1000)", // into a pipe that nobody empties
	},
	"load cycle": {
		body: "load(':cycle.star', 'x')", code: 3, says: "cycle.star",
	},
	"load depth": {
		body: "load(':d0.star', 'x')", code: 9, says: "the depth limit is reached: more than 64 files load each other",
	},
}

func TestHostile(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	dir := t.TempDir()
	files := map[string]string{"cycle.star": "load(':cycle.star', 'x')\n"}
	for i := range 65 {
		files[fmt.Sprintf("d%d.star", i)] = fmt.Sprintf("load(':d%d.star', y = 'x')\nx = y\n", i+1)
	}
	files["d65.star"] = "x = 1\n"
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "policy", args...)
		cmd.Env, cmd.Dir = w.env, dir
		return cmd
	}
	for name, tt := range hostile {
		// One after the other: each takes what memory and time it may.
		t.Run(name, func(t *testing.T) {
			cmd := command(append(append([]string{"run"}, tt.args...), "-e", tt.body)...)
			said, err := cmd.CombinedOutput()
			if failed, ok := errors.AsType[*exec.ExitError](err); !ok || failed.ExitCode() != tt.code || !strings.Contains(string(said), tt.says) {
				t.Errorf("%v, want exit code %d and %q\n%.2000s", err, tt.code, tt.says, tail(said))
			}
			if strings.Contains(string(said), "goroutine ") {
				t.Errorf("a dump of goroutines\n%.2000s", said)
			}
			if tt.forever == "" {
				return
			}
			cmd = command("run", "--max-steps", "1000000000000", "--max-heap", "8000", "-e", tt.forever)
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(stderr, make([]byte, 2)); err != nil {
				t.Error(err)
			}
			_ = cmd.Process.Signal(syscall.SIGINT)
			start := time.Now()
			var rest bytes.Buffer
			_, _ = io.Copy(&rest, stderr)
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != 130 || !strings.Contains(rest.String(), "policy: interrupted\n") {
				t.Errorf("%d, want 130\n%.2000s", got, tail(rest.Bytes()))
			}
			t.Logf("%s ended %s after Ctrl-C", name, time.Since(start).Round(time.Millisecond))
		})
	}
}

// tail is the end of what was said.
func tail(said []byte) []byte { return said[max(0, len(said)-1000):] }
