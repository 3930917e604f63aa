package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// counted is a registry that knows what was moved and what was asked to change.
type counted struct {
	next   http.Handler
	bytes  atomic.Int64 // of bodies, both ways
	writes atomic.Int64 // requests other than reads
}

func (c *counted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		c.writes.Add(1)
	}
	r.Body = &countedBody{r.Body, &c.bytes}
	c.next.ServeHTTP(&countedAnswer{w, &c.bytes}, r)
}

type countedBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

type countedAnswer struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (a *countedAnswer) Write(p []byte) (int, error) {
	n, err := a.ResponseWriter.Write(p)
	a.n.Add(int64(n))
	return n, err
}

func countedRegistry(t *testing.T) (*counted, string) {
	t.Helper()
	registry := newRegistry()
	c := &counted{next: registry}
	server := httptest.NewServer(c)
	t.Cleanup(func() { server.Close(); _ = registry.Close() })
	return c, strings.TrimPrefix(server.URL, "http://")
}

// tree is every file below a folder with its content, but for what is left out.
func tree(t *testing.T, dir string, without ...string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || slices.Contains(without, name) {
			return err
		}
		content := []byte("a folder")
		if !d.IsDir() {
			if content, err = os.ReadFile(name); err != nil {
				return err
			}
		}
		files[name] = fmt.Sprintf("%x", sha256.Sum256(content))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

const rehearsed = `
def main(dev, prod):
    write("policy/more/data.json", {"writing": "is seen by build"})
    image = build("policy", tag = dev + "/acme/door:2")
    push(image)
    copy(dev + "/acme/door:2", prod + "/acme/door:stable")
    copy(dev + "/acme/door:1", prod + "/acme/door:first")
    push(tag(image, prod + "/acme/door:2"))
    rm(dev + "/acme/door:2", force = True)
    rm(dev + "/acme/door:1", remote = True, force = True)
    pull(prod + "/acme/door:2")
    if eval(prod + "/acme/door:2", "data.more.writing").result != "is seen by build":
        fail("the image is not what was planned")
    listed = [i.ref for i in images()] if exists(prod + "/acme/door:stable") else []
    return [tags(dev + "/acme/door"), sorted(tags(prod + "/acme/door")), listed, digest(prod + "/acme/door:stable")]
`

// TestRehearsal holds what a dry run promises: with two registries it moves next
// to nothing, changes nothing anywhere, and its plan is what the real run does.
// Spec L14.1 to L14.5.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	dev, devHost := countedRegistry(t)
	prod, prodHost := countedRegistry(t)
	w := newWorkshop(t)
	project := t.TempDir()
	temp := t.TempDir()
	w.env = append(w.env, "TMPDIR="+temp, "TMP="+temp, "TEMP="+temp)
	pipeline := filepath.Join(project, "ship.star")
	noise := make([]byte, 5<<20) // does not compress
	for i := range noise {
		noise[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[rand.N(62)]
	}
	large, err := json.Marshal(map[string]any{"noise": string(noise)})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		pipeline: []byte(rehearsed),
		filepath.Join(project, "policy", "door.rego"): []byte("package door\n\nopen := true\n"),
		filepath.Join(project, "old", "data.json"):    large,
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(project, "policy", "more"), 0o750); err != nil {
		t.Fatal(err)
	}
	old := devHost + "/acme/door:1"
	w.must(t, "build", filepath.Join(project, "old"), "-t", old)
	w.must(t, "push", old)
	w.must(t, "rm", "-f", old)

	before, store := tree(t, project), tree(t, w.root())
	for _, c := range []*counted{dev, prod} {
		c.bytes.Store(0)
		c.writes.Store(0)
	}
	file := filepath.Join(temp, "plan.json")
	dry := w.must(t, "run", "--dry-run", "--output", "json", pipeline, "main", devHost, prodHost)
	if moved := dev.bytes.Load() + prod.bytes.Load(); moved > 5000 {
		t.Errorf("the dry run moved %d bytes", moved)
	} else {
		t.Logf("the dry run moved %d bytes", moved)
	}
	w.must(t, "run", "--dry-run", pipeline, "main", devHost, prodHost, "--plan", file)
	if n := dev.writes.Load() + prod.writes.Load(); n > 0 {
		t.Errorf("the dry run made %d requests that change something", n)
	}
	if !maps.Equal(before, tree(t, project)) {
		t.Error("the dry run changed the project")
	}
	if now := tree(t, w.root(), filepath.Join(w.root(), "cache"), filepath.Join(w.root(), "cache", "planned")); len(now) == 0 || !within(store, now, "planned") {
		t.Errorf("the dry run changed the store:\n%v\n%v", store, now)
	}
	if left, err := filepath.Glob(filepath.Join(temp, "policy-dry-run-*")); err != nil || len(left) > 0 {
		t.Errorf("the dry run left %v, %v", left, err)
	}

	var plan struct {
		Changes []struct{ Where, Ref, After string }
		Result  any
	}
	if err := json.Unmarshal(dry, &plan); err != nil {
		t.Fatal(err)
	}
	var result any
	if err := json.Unmarshal(w.must(t, "run", "--output", "json", pipeline, "main", devHost, prodHost), &result); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(plan.Result), fmt.Sprint(result); got != want {
		t.Errorf("the dry run answered %s, the run %s", got, want)
	}
	if len(plan.Changes) < 6 {
		t.Errorf("a plan of %d changes", len(plan.Changes))
	}
	for _, c := range plan.Changes {
		if c.Where == "file" {
			content, err := os.ReadFile(c.Ref)
			if got := fmt.Sprintf("sha256:%x", sha256.Sum256(content)); err != nil || got != c.After {
				t.Errorf("%s is %s after the run, %v; planned was %s", c.Ref, got, err, c.After)
			}
			continue
		}
		stdout, _, err := w.command(t.Context(), "digest", c.Ref)
		if (err == nil) != (c.After != "") || strings.TrimSpace(string(stdout)) != c.After {
			t.Errorf("planned was %+v; now it is %q, %v", c, stdout, err)
		}
	}
	// All of it is as planned now, so that applying the plan finds nothing to do.
	for _, c := range []*counted{dev, prod} {
		c.writes.Store(0)
	}
	w.must(t, "apply", file)
	if n := dev.writes.Load() + prod.writes.Load(); n > 0 {
		t.Errorf("the plan wanted %d more requests than the run made", n)
	}
	w.must(t, "build", filepath.Join(project, "policy"), "-t", prodHost+"/acme/door:stable", "-r", "moved")
	w.must(t, "push", prodHost+"/acme/door:stable")
	if _, stderr, err := w.command(t.Context(), "apply", file); err == nil || !strings.Contains(stderr, "door:stable") {
		t.Errorf("a plan was applied over a tag that moved: %v %s", err, stderr)
	}
}

// within reports whether all files of a are in b unchanged, and b has others only
// in a folder of this name.
func within(a, b map[string]string, folder string) bool {
	for name, content := range a {
		if !strings.HasSuffix(name, string(filepath.Separator)+"cache") && b[name] != content {
			return false
		}
	}
	for name := range b {
		if _, old := a[name]; !old && !strings.Contains(name, string(filepath.Separator)+folder+string(filepath.Separator)) {
			return false
		}
	}
	return true
}
