package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// image is what putImage made.
type image struct {
	manifest, layer artifact.Descriptor
	content         []byte
}

// putImage stores a whole image with this layer, without a name.
func putImage(ctx context.Context, tx *store.Tx, layer []byte) (image, error) {
	config, err := tx.Put(ctx, artifact.MediaTypeConfig, []byte("{}"))
	if err != nil {
		return image{}, err
	}
	d := artifact.Descriptor{MediaType: artifact.MediaTypeLayer, Digest: digest.FromBytes(layer), Size: int64(len(layer))}
	in, err := tx.Create(ctx, d)
	if err != nil {
		return image{}, err
	}
	defer in.Close()
	for part := range slices.Chunk(layer, 4096) {
		if _, err := in.Write(part); err != nil {
			return image{}, err
		}
	}
	if d, err = in.Commit(ctx); err != nil {
		return image{}, err
	}
	b, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": artifact.MediaTypeManifest,
		"config": config, "layers": []artifact.Descriptor{d},
	})
	if err != nil {
		return image{}, err
	}
	m, err := tx.Put(ctx, artifact.MediaTypeManifest, b)
	return image{m, d, layer}, err
}

// build stores an image and tags it, as one command would.
func build(ctx context.Context, s *store.Store, name string, layer []byte) (image, error) {
	tx, err := s.Begin(ctx)
	if err != nil {
		return image{}, err
	}
	defer tx.Close()
	img, err := putImage(ctx, tx, layer)
	if err != nil {
		return image{}, err
	}
	return img, tx.Tag(ctx, store.Entry{Name: name, Descriptor: img.manifest})
}

func mustBuild(t testing.TB, s *store.Store, name, layer string) image {
	t.Helper()
	img, err := build(t.Context(), s, name, []byte(layer))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func names(t testing.TB, s *store.Store) []string {
	t.Helper()
	list, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, e.Name)
	}
	return out
}

func wantSound(t testing.TB, s *store.Store) {
	t.Helper()
	report, err := s.Check(context.Background())
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	if !report.OK || len(report.Stray) > 0 {
		t.Fatalf("store is not sound: %+v", report)
	}
}

func wantKind(t testing.TB, err error, kind fault.Kind) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("got %v, want a fault of kind %v", err, kind)
	}
}

func wantNames(t testing.TB, s *store.Store, want ...string) {
	t.Helper()
	if got := names(t, s); !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func newStore(t testing.TB) *store.Store {
	t.Helper()
	return store.New(filepath.Join(t.TempDir(), "policies-root"), store.Options{})
}

func TestMissingStoreReadsAsEmpty(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	wantNames(t, s)
	_, err := s.Get(ctx, "x/y:1")
	wantKind(t, err, fault.NotFound)
	if fault.Of(err).Hint == "" || err.Error() != "x/y:1: not in the local store" {
		t.Errorf("unhelpful: %v (hint %q)", err, fault.Of(err).Hint)
	}
	hold, err := s.Hold(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(hold.Close(), hold.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = s.Remove(ctx, "x/y:1")
	wantKind(t, err, fault.NotFound)
	if _, err := s.Prune(ctx, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Repair(ctx); err != nil {
		t.Fatal(err)
	}
	wantSound(t, s)
	if _, err := os.Stat(s.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading made the store: %v", err)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	img := mustBuild(t, s, "ghcr.io/acme/authz:1", strings.Repeat("layer", 5000))
	mustBuild(t, s, "ghcr.io/acme/authz:2", "other")
	wantNames(t, s, "ghcr.io/acme/authz:1", "ghcr.io/acme/authz:2")
	e, err := s.Get(ctx, "ghcr.io/acme/authz:1")
	if err != nil {
		t.Fatal(err)
	}
	if e.Digest != img.manifest.Digest || e.Size != img.manifest.Size || e.MediaType != artifact.MediaTypeManifest {
		t.Errorf("got %+v, want %+v", e, img.manifest)
	}
	if _, ok := e.Annotations[artifact.AnnotationRefName]; ok {
		t.Error("the name is among the annotations")
	}
	if _, err := time.Parse(time.RFC3339, e.Annotations[artifact.AnnotationStored]); err != nil {
		t.Error(err)
	}
	b, err := s.Open(ctx, img.layer)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.File() == nil || b.Size() != img.layer.Size {
		t.Errorf("file %v, size %d", b.File(), b.Size())
	}
	got, err := s.Read(ctx, img.layer, 1<<20)
	if err != nil || string(got) != string(img.content) {
		t.Errorf("read: %v", err)
	}
	_, err = s.Read(ctx, img.layer, 10)
	wantKind(t, err, fault.Limit)
	if err := s.Verify(ctx, img.layer); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(filepath.Join(s.Dir(), "blobs", "sha256", img.layer.Digest.Encoded()))
	if err != nil || info.Mode().Perm() != 0o444 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	wantSound(t, s)
}

func TestOpenFaults(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	img := mustBuild(t, s, "x/y:1", "layer")
	wrongSize := img.layer
	wrongSize.Size++
	for _, c := range []struct {
		name string
		d    artifact.Descriptor
		kind fault.Kind
	}{
		{"missing", artifact.Descriptor{Digest: digest.FromString("nowhere")}, fault.NotFound},
		{"size", wrongSize, fault.Invalid},
		{"empty digest", artifact.Descriptor{}, fault.Invalid},
		{"path", artifact.Descriptor{Digest: "sha256:../../index.json"}, fault.Invalid},
		{"algorithm", artifact.Descriptor{Digest: "../../:0123456789"}, fault.Invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := s.Open(t.Context(), c.d)
			wantKind(t, err, c.kind)
			if s.Has(t.Context(), c.d) {
				t.Error("has it")
			}
		})
	}
	if d := (artifact.Descriptor{Digest: img.layer.Digest}); !s.Has(t.Context(), d) {
		t.Error("an unknown size must match")
	}
}

func TestFindDigest(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := mustBuild(t, s, "x/y:1", "a")
	mustBuild(t, s, "x/y:2", "a")
	mustBuild(t, s, "x/y:3", "b")
	hex := a.manifest.Digest.Encoded()
	for _, prefix := range []string{hex[:7], hex, "sha256:" + hex[:12], strings.ToUpper(hex[:9]), a.manifest.Digest.String()} {
		got, err := s.FindDigest(t.Context(), prefix)
		if err != nil || len(got) != 2 || got[0].Name != "x/y:1" || got[1].Name != "x/y:2" {
			t.Errorf("%s: got %v, %v", prefix, got, err)
		}
	}
	for _, prefix := range []string{"zzzzzzz", "sha512:" + hex[:7], hex[1:9]} {
		if got, err := s.FindDigest(t.Context(), prefix); err != nil || len(got) != 0 {
			t.Errorf("%s: got %v, %v", prefix, got, err)
		}
	}
	_, err := s.FindDigest(t.Context(), "sha256:")
	wantKind(t, err, fault.Usage)
}

func TestTagIf(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	img := mustBuild(t, s, "x/y:1", "a")
	tx, err := s.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	exists := fault.New(fault.Conflict, "x/y:1", "exists")
	noClobber := func(old *store.Entry) error {
		if old != nil {
			return exists
		}
		return nil
	}
	err = tx.TagIf(ctx, store.Entry{Name: "x/y:1", Descriptor: img.layer}, noClobber)
	wantKind(t, err, fault.Conflict)
	if e, err := s.Get(ctx, "x/y:1"); err != nil || e.Digest != img.manifest.Digest {
		t.Errorf("it was changed: %v, %v", e, err)
	}
	if err := tx.TagIf(ctx, store.Entry{Name: "x/y:2", Descriptor: img.manifest}, noClobber); err != nil {
		t.Error(err)
	}
	missing := artifact.Descriptor{Digest: digest.FromString("nowhere"), Size: 3}
	wantKind(t, tx.Tag(ctx, store.Entry{Name: "x/y:4", Descriptor: missing}), fault.NotFound)
	if err := tx.Close(); err != nil {
		t.Fatal(err)
	}
	wantKind(t, tx.Tag(ctx, store.Entry{Name: "x/y:5", Descriptor: img.manifest}), fault.Internal)
	wantNames(t, s, "x/y:1", "x/y:2")
}

func TestRemove(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	a := mustBuild(t, s, "x/y:1", "layer a")
	mustBuild(t, s, "x/y:2", "layer a")
	b := mustBuild(t, s, "x/y:3", "layer b")
	_, err := s.Remove(ctx, "x/y:3", "x/y:9", "x/y:8")
	wantKind(t, err, fault.NotFound)
	if !strings.Contains(err.Error(), "x/y:8") || !strings.Contains(err.Error(), "x/y:9") {
		t.Errorf("does not name what is missing: %v", err)
	}
	wantNames(t, s, "x/y:1", "x/y:2", "x/y:3")
	for _, c := range []struct {
		name  string
		freed int64
	}{
		{"x/y:1", 0}, // x/y:2 is the same image
		{"x/y:3", b.manifest.Size + b.layer.Size},
		{"x/y:2", a.manifest.Size + a.layer.Size + 2},
	} {
		got, err := s.Remove(ctx, c.name)
		if err != nil || got.BytesFreed != c.freed || len(got.Entries) != 1 || got.Entries[0].Name != c.name {
			t.Errorf("%s: got %+v, %v, want %d bytes", c.name, got, err, c.freed)
		}
		wantSound(t, s)
	}
	report, err := s.Check(ctx)
	if err != nil || report.Blobs != 0 || report.Images != 0 {
		t.Errorf("left behind: %+v, %v", report, err)
	}
}

func TestRemoveWhileHeldLeavesBlobs(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	img := mustBuild(t, s, "x/y:1", "layer")
	hold, err := s.Hold(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Remove(ctx, "x/y:1"); err != nil || got.BytesFreed != 0 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if err := s.Verify(ctx, img.layer); err != nil {
		t.Errorf("it vanished under a reader: %v", err)
	}
	if err := hold.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := s.Prune(ctx, -time.Hour)
	if err != nil || report.Blobs != 3 {
		t.Errorf("got %+v, %v", report, err)
	}
}

// What this store does not understand, it does not lose.
func TestTagPreservesForeignBytes(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	img := mustBuild(t, s, "x/y:1", "layer")
	path := filepath.Join(s.Dir(), "index.json")
	d := img.manifest.Digest.String()
	entries := []string{
		`{ "mediaType":"application/vnd.oci.image.manifest.v1+json", "digest":"` + d + `","size":1,"annotations":{"org.opencontainers.image.ref.name":"a/a:1","x":"\u00e9\/"},"future":[1,2.50,{"a":null}]}`,
		`{"digest":"` + d + `","size":7,"annotations":{"org.opencontainers.image.ref.name":"a\/b:1"}}`,
		`{"digest":"` + d + `","size":8,"platform":{"architecture":"amd64","os":"linux"}}`,
	}
	for _, c := range []struct{ name, before, after string }{
		{"fields around", `{"x":[1, 2],"schemaVersion":2, "manifests":[` + strings.Join(entries, ",") + `],"annotations":{"k":"v"} }` + "\n",
			`{"x":[1, 2],"schemaVersion":2, "manifests":[` + strings.Join(entries, ",") + `,NEW],"annotations":{"k":"v"} }` + "\n"},
		{"null list", `{"schemaVersion":2,"manifests":null,"y":1}`, `{"schemaVersion":2,"manifests":[NEW],"y":1}`},
		{"no list", `{"schemaVersion":2}`, `{"schemaVersion":2,"manifests":[NEW]}`},
		{"empty object", ` { } `, ` {"manifests":[NEW] } `},
		{"replaced in place", `{"manifests":[` + entries[0] + `,{"digest":"` + d + `","size":1,"annotations":{"org.opencontainers.image.ref.name":"n/e:w"}},` + entries[1] + `]}`,
			`{"manifests":[` + entries[0] + `,NEW,` + entries[1] + `]}`},
	} {
		if err := os.WriteFile(path, []byte(c.before), 0o644); err != nil {
			t.Fatal(err)
		}
		tx, err := s.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		e := store.Entry{Name: "n/e:w", Descriptor: img.manifest}
		e.Annotations = map[string]string{artifact.AnnotationStored: "2026-01-02T03:04:05Z"}
		if err := tx.Tag(ctx, e); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		tx.Close()
		added := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"annotations":{"io.github.policyhost.stored":"2026-01-02T03:04:05Z","org.opencontainers.image.ref.name":"n/e:w"}}`,
			img.manifest.MediaType, d, img.manifest.Size)
		got, err := os.ReadFile(path)
		if want := strings.ReplaceAll(c.after, "NEW", added); err != nil || string(got) != want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, want)
		}
		previous, err := os.ReadFile(path + ".previous")
		if err != nil || string(previous) != c.before {
			t.Errorf("%s: previous generation: %s, %v", c.name, previous, err)
		}
	}
	if e, err := s.Get(ctx, "a/b:1"); err != nil || e.Size != 7 {
		t.Errorf("an escaped name is not found: %+v, %v", e, err)
	}
}

// Tagging what is tagged so already writes nothing.
func TestTagAgainChangesNothing(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := store.New(t.TempDir(), store.Options{Now: func() time.Time { now = now.Add(time.Hour); return now }})
	mustBuild(t, s, "x/y:1", "layer")
	before, err := os.Stat(filepath.Join(s.Dir(), "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	mustBuild(t, s, "x/y:1", "layer")
	after, err := os.Stat(filepath.Join(s.Dir(), "index.json"))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the index was written again: %v", err)
	}
	mustBuild(t, s, "x/y:1", "another layer")
	e, err := s.Get(t.Context(), "x/y:1")
	if want := now.Format(time.RFC3339); err != nil || e.Annotations[artifact.AnnotationStored] > want {
		t.Errorf("stored %v, now %v, %v", e.Annotations, want, err)
	}
}

// Stores of opcr policy v0.1: the entry names the layer, without a media type.
func TestOldEntries(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	tx, err := s.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	layer, err := tx.Put(ctx, "", []byte("\x1f\x8blayer"))
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Tag(ctx, store.Entry{Name: "old/one:1", Descriptor: layer}); err != nil {
		t.Fatal(err)
	}
	tx.Close()
	b, err := os.ReadFile(filepath.Join(s.Dir(), "index.json"))
	if err != nil || strings.Contains(string(b), `"mediaType":""`) {
		t.Errorf("an empty media type was written: %s, %v", b, err)
	}
	wantSound(t, s)
	if report, err := s.Prune(ctx, -time.Hour); err != nil || report.Blobs != 0 {
		t.Errorf("got %+v, %v", report, err)
	}
	if got, err := s.Remove(ctx, "old/one:1"); err != nil || got.BytesFreed != layer.Size {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestManyInOneTransaction(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	img := mustBuild(t, s, "x/y:0", "layer")
	tx, err := s.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	var batch []store.Entry
	for i := range 100 {
		batch = append(batch, store.Entry{Name: fmt.Sprintf("x/y:%d", i%50), Descriptor: img.manifest})
	}
	if err := tx.Tag(ctx, batch...); err != nil {
		t.Fatal(err)
	}
	if got := names(t, s); len(got) != 50 {
		t.Errorf("got %d names", len(got))
	}
}

func TestForeignDuplicates(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	a, b := mustBuild(t, s, "x/y:1", "a"), mustBuild(t, s, "x/y:2", "b")
	line := func(d artifact.Descriptor) string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"annotations":{"org.opencontainers.image.ref.name":"d/d:1"}}`, d.MediaType, d.Digest, d.Size)
	}
	index := `{"schemaVersion":2,"manifests":[` + line(a.manifest) + "," + line(b.manifest) + `]}`
	if err := os.WriteFile(filepath.Join(s.Dir(), "index.json"), []byte(index), 0o644); err != nil {
		t.Fatal(err)
	}
	e, err := s.Get(ctx, "d/d:1")
	if err != nil || e.Digest != b.manifest.Digest {
		t.Errorf("the later entry counts: %v, %v", e, err)
	}
	wantNames(t, s, "d/d:1")
	if got, err := s.Remove(ctx, "d/d:1"); err != nil || len(got.Entries) != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
	wantNames(t, s)
}
