package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

var digest = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

// TestReproducible builds the same sources as different people would: from three
// folders, in three spellings, under another umask, time zone, locale and user.
// One digest comes out; SOURCE_DATE_EPOCH gives another one, just as steady.
func TestReproducible(t *testing.T) {
	t.Parallel()
	here := filepath.Join(t.TempDir(), "here")
	for _, dir := range []string{here, filepath.Join(here, "sub"), filepath.Join(filepath.Dir(here), "there")} {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	writeSources(t, filepath.Join(here, "sub"))
	build := func(dir string, extra []string, line string) string {
		t.Helper()
		env := append(cleanEnv(t), extra...)
		// The same image must not come out of the cache: each has its own store.
		out := shell(t, env, "cd '"+dir+"' && "+line)
		got := digest.FindString(out)
		if got == "" {
			t.Fatalf("%s printed no digest: %q", line, out)
		}
		return got
	}
	want := build(here, nil, "policy build sub -t a/door:1")
	ways := []struct {
		name, dir string
		env       []string
		line      string
	}{
		{"inside", filepath.Join(here, "sub"), nil, "policy build . -t b/door:2"},
		{"from beside", filepath.Join(filepath.Dir(here), "there"), nil, "policy build ../here/./sub/ -t door"},
		{"absolute", "/", nil, "policy build '" + filepath.Join(here, "sub") + "' -t door"},
		{"umask", here, nil, "umask 077 && cp -R sub ../there/copy && policy build ../there/copy -t door"},
		{"surroundings", here, []string{"TZ=Pacific/Kiritimati", "LC_ALL=tr_TR.UTF-8", "LANG=ja_JP.SJIS", "USER=somebody"}, "policy build sub -t door"},
	}
	for _, way := range ways {
		if got := build(way.dir, way.env, way.line); got != want {
			t.Errorf("%s: %s, want %s", way.name, got, want)
		}
	}
	if got := asAnother(t, filepath.Join(here, "sub")); got != "" && got != want {
		t.Errorf("another user: %s, want %s", got, want)
	}
	epoch := []string{"SOURCE_DATE_EPOCH=1700000000"}
	dated := build(here, epoch, "policy build sub -t door")
	if dated == want {
		t.Error("SOURCE_DATE_EPOCH changes nothing")
	}
	again := build(filepath.Join(here, "sub"), append(epoch, "TZ=Asia/Kolkata"), "umask 027 && policy build . -t other:2")
	if again != dated {
		t.Errorf("with SOURCE_DATE_EPOCH: %s, then %s", dated, again)
	}
}

// commandIn links the command into a folder that any user may read.
func commandIn(t *testing.T, dir string) string {
	t.Helper()
	self, err := exec.LookPath("policy")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, filepath.Base(self))
	if os.Link(self, path) == nil {
		return path
	}
	content, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o755); err != nil { //nolint:gosec // another user runs it
		t.Fatal(err)
	}
	return path
}
