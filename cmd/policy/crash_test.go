package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestConcurrentWriters runs 40 processes at once, twice: none loses what another
// has reported as done.
func TestConcurrentWriters(t *testing.T) {
	t.Parallel()
	const writers = 40
	w := newWorkshop(t)
	ref := func(i int) string { return fmt.Sprintf("registry.localhost/acme/door:%d", i) }
	w.atOnce(t, writers, func(i int) []string { return []string{"build", w.sources, "-t", ref(i)} })
	if got := w.digests(t); len(got) != writers {
		t.Errorf("%d builds left %d tags: %v", writers, len(got), got)
	}
	w.atOnce(t, writers, func(i int) []string { return []string{"push", ref(i)} })
	var tags []string
	if err := json.Unmarshal(w.must(t, "tags", "registry.localhost/acme/door", "--output", "json"), &tags); err != nil {
		t.Fatal(err)
	}
	slices.Sort(tags)
	if tags = slices.Compact(tags); len(tags) != writers {
		t.Errorf("%d pushes left %d tags: %v", writers, len(tags), tags)
	}
	w.sound(t)
}

// TestKilled kills three writers at random moments, again and again: what was
// reported as done stays, what was not leaves the stores sound. The long form
// runs with POLICY_SOAK.
func TestKilled(t *testing.T) {
	t.Parallel()
	rounds, steps := 3, 4
	if os.Getenv("POLICY_SOAK") != "" {
		rounds, steps = 200, 8
	}
	w := newWorkshop(t)
	began := time.Now()
	w.must(t, "build", w.sources, "-t", "registry.localhost/acme/base:1")
	w.must(t, "push", "registry.localhost/acme/base:1")
	usual := time.Since(began) / 2

	writers := []*ledger{
		{repo: "registry.localhost/acme/built", next: (*ledger).building},
		{repo: "registry.localhost/acme/named", next: (*ledger).naming},
		{repo: "registry.localhost/acme/sent", next: (*ledger).sending},
	}
	killed, done := 0, 0
	for round := range rounds {
		var all sync.WaitGroup
		for _, l := range writers {
			all.Go(func() {
				for step := range steps {
					c := l.next(l, w, round*steps+step)
					// Half of the commands live long enough to end by themselves.
					l.run(t, w, c, time.Duration(rand.Int64N(int64(4*usual))))
				}
			})
		}
		all.Wait()
		local, remote := w.digests(t), w.digests(t, "--remote", "--long", "registry.localhost/acme")
		for _, l := range writers {
			l.local.compare(t, "the local store", local)
			l.remote.compare(t, "the registry", remote)
		}
		w.sound(t)
		if t.Failed() {
			t.Fatalf("after round %d", round)
		}
	}
	for _, l := range writers {
		killed, done = killed+l.killed, done+l.done
	}
	t.Logf("%d commands ended, %d were killed", done, killed)
	if killed == 0 || done == 0 {
		t.Error("not both have happened: this has shown nothing")
	}
}

// ledger is one writer, and what it was told.
type ledger struct {
	repo          string
	next          func(l *ledger, w *workshop, n int) killable
	local, remote account
	done, killed  int
}

// killable is a command that may be killed, and what its success says: that ref
// is in the book, or is not.
type killable struct {
	args    []string
	book    *account
	ref     string
	removes bool
}

// building writes another content each time, so that blobs are written as well
// as tags.
func (l *ledger) building(w *workshop, n int) killable {
	ref := fmt.Sprintf("%s:%d", l.repo, n%5)
	return killable{args: []string{"build", w.sources, "-t", ref, "-a", fmt.Sprintf("n=%d", n)}, book: &l.local, ref: ref}
}

// naming gives names, and takes every third one away again.
func (l *ledger) naming(_ *workshop, n int) killable {
	ref := fmt.Sprintf("%s:%d", l.repo, n/3%5)
	if n%3 == 2 && l.local[ref] != "" {
		return killable{args: []string{"rm", "-f", ref}, book: &l.local, ref: ref, removes: true}
	}
	return killable{args: []string{"tag", "registry.localhost/acme/base:1", ref}, book: &l.local, ref: ref}
}

// sending builds, pushes what it was told is built, and pulls what it was told
// is pushed.
func (l *ledger) sending(w *workshop, n int) killable {
	if ref := l.remote.any(); ref != "" && n%3 == 2 {
		return killable{args: []string{"pull", ref}, book: &l.local, ref: ref}
	}
	if ref := l.local.any(); ref != "" && n%3 != 0 {
		return killable{args: []string{"push", ref}, book: &l.remote, ref: ref}
	}
	return l.building(w, n)
}

// run kills the command when it takes longer than patience, and books what it
// reported; of a killed one, either outcome is right.
func (l *ledger) run(t *testing.T, w *workshop, c killable, patience time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stdout, stderr, err := w.command(ctx, c.args...)
	if l.local == nil {
		l.local, l.remote = account{}, account{}
	}
	switch {
	case err != nil && ctx.Err() != nil:
		l.killed++
		delete(*c.book, c.ref)
	case err != nil:
		t.Errorf("policy %s: %v\n%s", strings.Join(c.args, " "), err, stderr)
	case c.removes:
		l.done++
		(*c.book)[c.ref] = ""
	default:
		l.done++
		(*c.book)[c.ref] = digest.FindString(string(stdout))
	}
}

// account holds the digest that a reference must have, "" for one that must not
// be there. What is unknown is missing.
type account map[string]string

// any is a reference that must be there; "" when there is none.
func (a account) any() string {
	for ref, digest := range a {
		if digest != "" {
			return ref
		}
	}
	return ""
}

func (a account) compare(t *testing.T, where string, got map[string]string) {
	for ref, want := range a {
		if got[ref] != want {
			t.Errorf("%s has %s as %q, reported was %q", where, ref, got[ref], want)
		}
	}
}

// workshop is a folder of sources, and the environment of processes that share
// one store.
type workshop struct {
	sources string
	env     []string
}

func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	dir := t.TempDir()
	writeSources(t, dir)
	return &workshop{sources: dir, env: cleanEnv(t)}
}

// writeSources puts a small policy with its data into a folder.
func writeSources(t *testing.T, dir string) {
	t.Helper()
	for name, text := range map[string]string{
		"door.rego": "package door\n\ndefault open := false\n\nopen if input.badge in data.door.badges\n",
		"data.json": `{"door": {"badges": ["red", "green"]}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// command runs one command; the end of ctx is a kill -9.
func (w *workshop) command(ctx context.Context, args ...string) (stdout []byte, stderr string, err error) {
	cmd := exec.CommandContext(ctx, "policy", args...)
	var out, messages bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = w.env, &out, &messages
	err = cmd.Run()
	return out.Bytes(), messages.String(), err
}

// must runs a command that has to succeed, and gives what it printed.
func (w *workshop) must(t *testing.T, args ...string) []byte {
	t.Helper()
	stdout, stderr, err := w.command(t.Context(), args...)
	if err != nil {
		t.Errorf("policy %s: %v\n%s", strings.Join(args, " "), err, stderr)
	}
	return stdout
}

// atOnce starts n commands together and waits for all.
func (w *workshop) atOnce(t *testing.T, n int, args func(int) []string) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if _, stderr, err := w.command(t.Context(), args(i)...); err != nil {
				t.Errorf("policy %s: %v\n%s", strings.Join(args(i), " "), err, stderr)
			}
		})
	}
	all.Wait()
}

// digests lists images, local ones unless flags say otherwise.
func (w *workshop) digests(t *testing.T, flags ...string) map[string]string {
	t.Helper()
	args := append([]string{"images", "--output", "json"}, flags...)
	var images []struct{ Ref, Digest string }
	if err := json.Unmarshal(w.must(t, args...), &images); err != nil {
		t.Errorf("policy %s: %v", strings.Join(args, " "), err)
	}
	all := map[string]string{}
	for _, image := range images {
		all[image.Ref] = image.Digest
	}
	return all
}

// sound checks both stores: every image whole, every blob hashing right.
func (w *workshop) sound(t *testing.T) {
	t.Helper()
	w.must(t, "store", "check")
	w.must(t, "store", "check", "--embedded")
}

// leave puts a file into the store root.
func (w *workshop) leave(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(w.root(), name)
	if err := os.MkdirAll(w.root(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// read gives a file of the store root, "" when it is not there.
func (w *workshop) read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(w.root(), name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

func (w *workshop) root() string {
	for _, v := range w.env {
		if root, ok := strings.CutPrefix(v, "POLICY_FILE_STORE_ROOT="); ok {
			return root
		}
	}
	return ""
}
