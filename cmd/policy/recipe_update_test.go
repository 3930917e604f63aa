package main

import (
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins/artifact"
)

func needs(t *testing.T, text string) artifact.Needs {
	t.Helper()
	n, err := artifact.ParseNeeds(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestKeptGrants: an update grants nothing, and takes back only what nobody but the
// old content was the reason for.
func TestKeptGrants(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, granted, before, after, kept string }{
		{"needed as before", "env:CI,files:cases", "env:CI,files:cases", "env:CI,files:cases", "files:cases,env:CI"},
		{"needed no more", "env:CI,files:cases", "env:CI,files:cases", "files:cases", "files:cases"},
		{"needed anew", "", "", "write:a.test/*", ""},
		{"granted narrower", "read:a.test/x/y", "read:a.test/*", "read:a.test/*", "read:a.test/x/y"},
		{"granted wider", "read:a.test/*", "read:a.test/x/y", "read:a.test/x/y", "read:a.test/*"},
		{"granted narrower, needed no more", "read:a.test/x/y", "read:a.test/*", "env:CI", ""},
		{"granted without need", "env:HOME", "env:CI", "env:CI", "env:HOME"},
		{"only read is needed now", "files:report:rw", "files:report:rw", "files:report", "files:report"},
		{"one of many is needed now", "read:a.test/*", "read:a.test/*", "read:a.test/x/y", "read:a.test/x/y"},
		{"granted wider, needed no more", "read:a.test/*", "read:a.test/x/y", "env:CI", ""},
		{"the old content is gone", "env:CI", "", "files:cases", "env:CI"},
	} {
		if got := keptGrants(needs(t, tt.granted), needs(t, tt.before), needs(t, tt.after)); got.String() != tt.kept {
			t.Errorf("%s: kept %q, want %q", tt.name, got, tt.kept)
		}
	}
}

// TestCompare: what two editions differ in, hostile and foreign bytes included.
func TestCompare(t *testing.T) {
	t.Parallel()
	before := &edition{ref: "oci://a.test/x/y:1", files: map[string][]byte{
		"same.star": []byte("a\n"), "gone.star": []byte("b\n"), "logo.png": {0, 1, 2}, "CHANGELOG.md": []byte("# Changes\n\n## 1\n\n- one\n"),
	}}
	before.config.Version, before.config.Exports = "1.0.0", []string{"a.star f(x)", "a.star g()"}
	after := &edition{ref: "oci://a.test/x/y:1", files: map[string][]byte{
		"same.star": []byte("a\n"), "logo.png": {0, 1, 3}, "new\x1b.star": []byte("c\nd"), "CHANGELOG.md": []byte("# Changes\n\n## 2\n\n- --two\n\n## 1\n\n- one\n"),
	}}
	after.config.Version, after.config.Exports = "2.0.0", []string{"a.star f(x, y)", "a.star h()"}
	c := compare(before, after)
	if c.Changelog != "## 2\n\n- --two" {
		t.Errorf("the changelog is %q", c.Changelog)
	}
	text := c.text()
	for _, want := range []string{
		"  version 1.0.0 → 2.0.0\n",
		"    ~ a.star f(x)\n      a.star f(x, y)\n    - a.star g()\n    + a.star h()\n",
		"    ~ CHANGELOG.md  +4 -0\n    - gone.star  +0 -1\n    ~ logo.png\n    + new\\x1b.star  +2 -0\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if same := compare(after, after); len(same.Files)+len(same.Functions)+len(same.Needs) != 0 {
		t.Errorf("an edition differs from itself: %s", same.text())
	}
}
