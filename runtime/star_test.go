package runtime_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
	"github.com/policyhost/policy/stdlib"
)

// TestStar runs testdata/*.star. A file is chunks separated by lines of "---".
// A chunk with a function main is a file, any other the body of one. A line that
// ends in ### "regexp" must fail, with an error (kind, message and hint) that
// matches; a chunk without one must not.
func TestStar(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.star")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".star"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			first := 1
			for chunk := range strings.SplitSeq(string(text), "\n---\n") {
				runChunk(t, filepath.ToSlash(file), chunk, first)
				first += strings.Count(chunk, "\n") + 2
			}
		})
	}
}

var failing = regexp.MustCompile(`(?m)### ("(?:[^"\\]|\\.)*"|` + "`[^`]*`" + `)$`)

func runChunk(t *testing.T, file, chunk string, first int) {
	t.Helper()
	source := runtime.Source{
		Name: file,
		Text: []byte(strings.Repeat("\n", first-1) + chunk),
		Body: !strings.Contains(chunk, "def main("),
	}
	want, wantLine := "", 0
	if at := failing.FindStringSubmatchIndex(chunk); at != nil {
		pattern, err := strconv.Unquote(chunk[at[2]:at[3]])
		if err != nil {
			t.Fatalf("%s:%d: %v", file, first, err)
		}
		want, wantLine = pattern, first+strings.Count(chunk[:at[0]], "\n")
	}
	program, err := testHost(t).Load(t.Context(), source)
	if err == nil {
		_, err = program.Call(t.Context(), "main", nil, nil)
	}
	if want == "" {
		if err != nil {
			t.Errorf("%s", show(err))
		}
		return
	}
	if err == nil {
		t.Errorf("%s:%d: did not fail, want %s", file, wantLine, want)
		return
	}
	f := fault.Of(err)
	text := f.Kind.String() + ": " + f.Error()
	if f.Hint != "" {
		text += " | " + f.Hint
	}
	if !regexp.MustCompile(want).MatchString(text) {
		t.Errorf("%s:%d: got %s\nwant %s", file, wantLine, text, want)
	}
	line := 0
	for _, frame := range f.Trace {
		if frame.File == file {
			line = frame.Line
		}
	}
	if line != wantLine {
		t.Errorf("%s:%d: failed in line %d: %s", file, wantLine, line, show(err))
	}
}

func testHost(t *testing.T) *runtime.Host {
	return &runtime.Host{
		Predeclared: func(runtime.Module) []runtime.Builtin { return fixtures() },
		Std:         stdlib.FS,
		Root:        "testdata",
		Now:         time.Date(2026, 11, 22, 5, 50, 0, 0, time.UTC),
		Print:       func(at runtime.Position, text string) { t.Logf("%s: %s", at, text) },
	}
}

func show(err error) string {
	var b strings.Builder
	if f, ok := errors.AsType[*fault.Error](err); ok {
		for _, frame := range f.Trace {
			fmt.Fprintf(&b, "%s:%d:%d in %s: %s\n", frame.File, frame.Line, frame.Col, frame.Func, frame.Source)
		}
		fmt.Fprintf(&b, "%s: %s | %s", f.Kind, f, f.Hint)
	}
	return b.String()
}
