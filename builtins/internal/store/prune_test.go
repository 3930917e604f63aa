package store_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
)

func putJSON(t *testing.T, tx *store.Tx, mediaType string, v any) artifact.Descriptor {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	d, err := tx.Put(t.Context(), mediaType, b)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Prune keeps what a name reaches by any way, and removes the rest once it is
// old enough.
func TestPrune(t *testing.T) {
	t.Parallel()
	ctx, now := t.Context(), time.Now()
	s := store.New(filepath.Join(t.TempDir(), "root"), store.Options{Now: func() time.Time { return now }})
	tx := begin(t, s)
	image := func(layer string) image {
		img, err := putImage(ctx, tx, []byte(layer))
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	tag := func(name string, d artifact.Descriptor) {
		if err := tx.Tag(ctx, store.Entry{Name: name, Descriptor: d}); err != nil {
			t.Fatal(err)
		}
	}
	refers := func(subject artifact.Descriptor, layer string) artifact.Descriptor {
		img := image(layer)
		return putJSON(t, tx, artifact.MediaTypeManifest, map[string]any{
			"schemaVersion": 2, "config": img.layer, "layers": []any{img.layer}, "subject": subject})
	}

	inIndex, named, nameless, gone := image("in an index"), image("named"), image("nameless"), image("no entry")
	// An image that calls another's manifest a layer must not hide its layers.
	tag("a/liar:1", putJSON(t, tx, artifact.MediaTypeManifest, map[string]any{"schemaVersion": 2,
		"config": inIndex.layer, "layers": []any{artifact.Descriptor{MediaType: "x/y", Digest: named.manifest.Digest, Size: named.manifest.Size}}}))
	child := putJSON(t, tx, artifact.MediaTypeIndex, map[string]any{"schemaVersion": 2, "manifests": []any{inIndex.manifest}})
	tag("x/index:1", putJSON(t, tx, artifact.MediaTypeIndex, map[string]any{"schemaVersion": 2, "manifests": []any{child}}))
	tag("x/named:1", named.manifest)
	tag("", nameless.manifest)
	signature := refers(named.manifest, "signature")
	tag("", signature)
	countersign := refers(signature, "signature of the signature")
	tag("", countersign)
	orphan := refers(gone.manifest, "signature of what goes")
	tag("", orphan)
	subject := image("subject of a name")
	tag("x/attestation:1", refers(subject.manifest, "attestation"))
	in := create(t, tx, bodyDesc)
	if _, err := in.Write(body[:10]); err != nil {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	stray := filepath.Join(s.Dir(), "ingest", "tmp-OF-A-KILLED-PROCESS")
	if err := os.WriteFile(stray, []byte("123"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := tx.Close(); err != nil {
		t.Fatal(err)
	}

	got, err := s.Prune(ctx, 24*time.Hour)
	if err != nil || got.Blobs != 0 || len(got.Entries) != 0 || got.Partials != 1 || got.BytesFreed != 3 {
		t.Fatalf("too young: %+v, %v", got, err)
	}
	now = now.Add(25 * time.Hour)
	got, err = s.Prune(ctx, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Entries) != 2 || got.Entries[0].Digest != nameless.manifest.Digest || got.Entries[1].Digest != orphan.Digest {
		t.Errorf("entries %+v", got.Entries)
	}
	if got.Blobs != 10 || got.Partials != 1 {
		t.Errorf("got %+v", got)
	}
	for _, d := range []artifact.Descriptor{inIndex.layer, named.layer, signature, countersign, subject.layer} {
		if !s.Has(ctx, d) {
			t.Errorf("%s is gone", d.Digest)
		}
	}
	for _, d := range []artifact.Descriptor{nameless.layer, nameless.manifest, gone.layer, gone.manifest, orphan} {
		if s.Has(ctx, d) {
			t.Errorf("%s is still there", d.Digest)
		}
	}
	wantSound(t, s)
}

// A broken image does not keep prune from its work, and loses nothing more.
func TestPruneAroundDamage(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	good, bad := mustBuild(t, s, "x/good:1", "good"), mustBuild(t, s, "x/bad:1", "bad")
	if err := os.Remove(filepath.Join(s.Dir(), "blobs", "sha256", bad.manifest.Digest.Encoded())); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prune(ctx, -time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(ctx, good.layer); err != nil {
		t.Error(err)
	}
	wantNames(t, s, "x/good:1", "x/bad:1")
}
