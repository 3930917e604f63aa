package store_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// The index is cut at every third byte (soak: every byte): reading and writing refuse and change nothing,
// and repair brings every name back.
func TestIndexCutAnywhere(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), filepath.Join(t.TempDir(), "root")
	s := store.New(dir, store.Options{FS: &faultFS{}}) // which does not sync: 1,000 rounds
	a := mustBuild(t, s, "x/a:1", "a")
	mustBuild(t, s, "x/b:1", "b")
	last := mustBuild(t, s, "x/c:1", "c")
	path := filepath.Join(dir, "index.json")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	previous, err := os.ReadFile(path + ".previous")
	if err != nil {
		t.Fatal(err)
	}
	step := 3
	if soak() {
		step = 1
	}
	for n := 0; n < len(whole); n += step {
		for name, b := range map[string][]byte{path: whole[:n], path + ".previous": previous} {
			if err := os.WriteFile(name, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if n%96 == 0 { // the refusals wait for a writer that might still be at it
			_, err = s.List(ctx)
			wantKind(t, err, fault.Invalid)
			_, err = build(ctx, s, "x/d:1", []byte("a"))
			wantKind(t, err, fault.Invalid)
			if !strings.Contains(fault.Of(err).Hint, "policy store repair") {
				t.Fatalf("no way out: %q", fault.Of(err).Hint)
			}
			if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, whole[:n]) {
				t.Fatalf("cut at %d: the index was changed: %v", n, err)
			}
			if report, err := s.Check(ctx); err != nil || report.OK {
				t.Fatalf("cut at %d: check says %+v, %v", n, report, err)
			}
		}
		report, err := s.Repair(ctx)
		if err != nil || !report.Rebuilt || len(report.Dropped) > 0 {
			t.Fatalf("cut at %d: %+v, %v", n, report, err)
		}
		// The last name stood in the damaged file alone; its image is found again.
		if have := names(t, s); len(have) < 3 {
			if !slices.Equal(have, []string{"x/a:1", "x/b:1"}) || !slices.Contains(report.Nameless, last.manifest.Digest.String()) {
				t.Fatalf("cut at %d: left %q, %+v", n, have, report)
			}
		}
		if b, err := os.ReadFile(path + ".damaged"); err != nil || !bytes.Equal(b, whole[:n]) {
			t.Fatalf("cut at %d: the damaged index was not kept: %v", n, err)
		}
		wantSound(t, s)
	}
	if err := s.Verify(ctx, a.layer); err != nil {
		t.Error(err)
	}
}

func TestRepair(t *testing.T) {
	t.Parallel()
	type files struct{ index, previous, layout, layer, manifest string }
	for _, c := range []struct {
		name   string
		damage func(f files) error
		left   []string // of x/a:1 and x/b:1
		check  string   // what Check says, "" for nothing
	}{
		{"nothing", func(files) error { return nil }, []string{"x/a:1", "x/b:1"}, ""},
		{"oci-layout empty", func(f files) error { return os.Truncate(f.layout, 0) }, []string{"x/a:1", "x/b:1"}, "oci-layout"},
		{"oci-layout missing", func(f files) error { return os.Remove(f.layout) }, []string{"x/a:1", "x/b:1"}, "missing"},
		{"index missing", func(f files) error { return os.Remove(f.index) }, []string{"x/a:1"}, ""},
		{"both indexes missing", func(f files) error { return errors.Join(os.Remove(f.index), os.Remove(f.previous)) }, nil, ""},
		{"both indexes zeroed", func(f files) error {
			zero := make([]byte, 500)
			return errors.Join(os.WriteFile(f.index, zero, 0o644), os.WriteFile(f.previous, zero, 0o644))
		}, nil, "index"},
		{"an entry is not one", func(f files) error {
			b, err := os.ReadFile(f.index)
			return errors.Join(err, os.WriteFile(f.index, bytes.Replace(b, []byte(`"manifests":[`), []byte(`"manifests":[{"digest":7},`), 1), 0o644))
		}, []string{"x/a:1", "x/b:1"}, "entry 0"},
		{"an entry names a path", func(f files) error {
			b, err := os.ReadFile(f.index)
			return errors.Join(err, os.WriteFile(f.index, bytes.Replace(b, []byte(`"manifests":[`), []byte(`"manifests":[{"digest":"sha256:../../index.json","size":1},`), 1), 0o644))
		}, []string{"x/a:1", "x/b:1"}, "not a digest"},
		{"layer cut", func(f files) error { return errors.Join(os.Chmod(f.layer, 0o644), os.Truncate(f.layer, 2)) }, []string{"x/a:1"}, "damaged"},
		{"layer zeroed", func(f files) error {
			return errors.Join(os.Chmod(f.layer, 0o644), os.WriteFile(f.layer, make([]byte, 7), 0o644))
		}, []string{"x/a:1"}, "damaged"},
		{"layer missing", func(f files) error { return os.Remove(f.layer) }, []string{"x/a:1"}, "missing"},
		{"manifest empty", func(f files) error { return errors.Join(os.Chmod(f.manifest, 0o644), os.Truncate(f.manifest, 0)) }, []string{"x/a:1"}, "damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, ctx := newStore(t), t.Context()
			a, b := mustBuild(t, s, "x/a:1", "layer a"), mustBuild(t, s, "x/b:1", "layer b")
			blob := func(hex string) string { return filepath.Join(s.Dir(), "blobs", "sha256", hex) }
			err := c.damage(files{filepath.Join(s.Dir(), "index.json"), filepath.Join(s.Dir(), "index.json.previous"),
				filepath.Join(s.Dir(), "oci-layout"), blob(b.layer.Digest.Encoded()), blob(b.manifest.Digest.Encoded())})
			if err != nil {
				t.Fatal(err)
			}
			report, err := s.Check(ctx)
			if err != nil || report.OK != (c.check == "") || !strings.Contains(fmt.Sprint(report.Problems), c.check) {
				t.Errorf("check: %+v, %v, want %q", report, err, c.check)
			}
			fixed, err := s.Repair(ctx)
			if err != nil {
				t.Fatal(err)
			}
			wantNames(t, s, c.left...)
			after, err := s.Check(ctx)
			if err != nil || !after.OK {
				t.Errorf("after repair %+v: %+v, %v", fixed, after, err)
			}
			if len(c.left) == 0 && (len(fixed.Nameless) != 2 || !slices.Contains(fixed.Nameless, a.manifest.Digest.String())) {
				t.Errorf("images without their names: %+v", fixed)
			}
			if again, err := s.Repair(ctx); err != nil || again.Rebuilt || again.Layout || len(again.Dropped)+len(again.Blobs) > 0 {
				t.Errorf("a second repair found more: %+v, %v", again, err)
			}
			// What was dropped can be had again.
			mustBuild(t, s, "x/b:1", "layer b")
			if _, err := s.Get(ctx, "x/b:1"); err != nil {
				t.Error(err)
			}
		})
	}
}

// A layout of the future is refused, not rewritten.
func TestUnknownLayout(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	mustBuild(t, s, "x/y:1", "layer")
	path := filepath.Join(s.Dir(), "oci-layout")
	future := []byte(`{"imageLayoutVersion":"2.0.0"}`)
	if err := os.WriteFile(path, future, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := build(t.Context(), s, "x/y:2", []byte("layer"))
	wantKind(t, err, fault.Invalid)
	_, err = s.Repair(t.Context())
	wantKind(t, err, fault.Invalid)
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, future) {
		t.Errorf("got %s, %v", b, err)
	}
}

// Reports are plain data with snake_case keys and lists that are never null.
func TestReportsAsJSON(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	mustBuild(t, s, "x/y:1", "layer")
	check, err := s.Check(ctx)
	if err != nil {
		t.Fatal(err)
	}
	repair, err := s.Repair(ctx)
	if err != nil {
		t.Fatal(err)
	}
	prune, err := s.Prune(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		value any
		want  string
	}{
		{check, `{"ok":true,"dir":"` + s.Dir() + `","images":1,"nameless":0,"blobs":3,"bytes":` + fmt.Sprint(check.Bytes) + `,"partials":0,"problems":[],"stray":[]}`},
		{repair, `{"dir":"` + s.Dir() + `","unchanged":true,"images":1,"layout":false,"rebuilt":false,"restored":[],"nameless":[],"dropped":[],"blobs":[],"damaged_as":""}`},
		{prune, `{"entries":[],"blobs":0,"partials":0,"bytes_freed":0}`},
	} {
		if got, err := json.Marshal(c.value); err != nil || string(got) != c.want {
			t.Errorf("got  %s\nwant %s\n%v", got, c.want, err)
		}
	}
}

func TestStray(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	mustBuild(t, s, "x/y:1", "layer")
	want := []string{"blobs/md5", "blobs/sha256/README", "notes.txt", "ingest/notes.txt"}
	for _, name := range want {
		if err := os.WriteFile(filepath.Join(s.Dir(), filepath.FromSlash(name)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	report, err := s.Check(t.Context())
	slices.Sort(report.Stray)
	slices.Sort(want)
	if err != nil || !report.OK || !slices.Equal(report.Stray, want) {
		t.Errorf("got %+v, %v", report, err)
	}
}
