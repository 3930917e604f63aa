package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	promise = regexp.MustCompile(`(?s)\*\*([A-Z][0-9]+\.[0-9]+)\*\*(.*?)(?:\n\n|\z)`)
	covers  = regexp.MustCompile(`(?m)^# covers (.+)$`)
)

// TestPromises holds prose and cases together: every paragraph with a MUST is
// named by a case, and every case names paragraphs that exist.
func TestPromises(t *testing.T) {
	t.Parallel()
	promised := map[string]bool{} // whether it is a MUST
	pages, _ := filepath.Glob(filepath.Join(repository, "spec", "*.md"))
	for _, page := range pages {
		if filepath.Base(page) == "README.md" {
			continue
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range promise.FindAllStringSubmatch(string(text), -1) {
			if _, twice := promised[m[1]]; twice {
				t.Errorf("%s: %s is promised twice", page, m[1])
			}
			promised[m[1]] = strings.Contains(m[2], "MUST")
		}
	}
	kept := map[string]bool{}
	cases, _ := filepath.Glob(filepath.Join(repository, "spec", "cases", "*.txtar"))
	for _, file := range cases {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := covers.FindSubmatch(text)
		if m == nil || !bytes.HasPrefix(text, []byte("# ")) {
			t.Errorf("%s does not say in a sentence what it shows, and what it covers", file)
			continue
		}
		for id := range strings.FieldsSeq(string(m[1])) {
			if _, ok := promised[id]; !ok {
				t.Errorf("%s covers %s, which nothing promises", file, id)
			}
			kept[id] = true
		}
	}
	var open []string
	for id, must := range promised {
		if must && !kept[id] {
			open = append(open, id)
		}
	}
	slices.Sort(open)
	if len(open) > 0 {
		t.Errorf("promised, and shown by no case: %s", strings.Join(open, " "))
	}
	if len(promised) == 0 {
		t.Error("the specification promises nothing: is it read right?")
	}
}

// TestReference keeps spec/builtins.md what the declarations say.
func TestReference(t *testing.T) {
	t.Parallel()
	var want bytes.Buffer
	if err := reference(&want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(repository, "spec", "builtins.md"))
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("spec/builtins.md is not what the declarations say: run make docs (%v)", err)
	}
}
