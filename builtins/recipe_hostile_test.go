package builtins_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// packed is a tarball of empty files of the names, and of what else is written.
func packed(t *testing.T, names []string, more ...*tar.Header) []byte {
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	for _, name := range names {
		more = append(more, &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644})
	}
	for _, h := range more {
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A recipe that somebody else has packed is refused unless it is one that this
// program could have packed.
func TestHostileRecipes(t *testing.T) {
	t.Parallel()
	many := make([]string, 10_000)
	for i := range many {
		many[i] = fmt.Sprintf("%d.star", i)
	}
	good := packed(t, []string{"a.star"})
	config := `{"name":"a","version":"1.0.0","needs":{}}`
	for name, tt := range map[string]struct {
		layer  []byte
		config string
		kind   error
		want   string
	}{
		"sound":             {layer: good},
		"10,000 files":      {layer: packed(t, many), kind: fault.Limit, want: "2000"},
		"climbs":            {layer: packed(t, []string{"../a.star"}), kind: fault.Invalid, want: "../a.star"},
		"absolute":          {layer: packed(t, []string{"a/../../b.star"}), kind: fault.Invalid},
		"escape in a name":  {layer: packed(t, []string{"\x1b[31ma.star"}), kind: fault.Invalid},
		"link":              {layer: packed(t, nil, &tar.Header{Typeflag: tar.TypeSymlink, Name: "a.star", Linkname: "/etc/passwd"}), kind: fault.Invalid, want: "a.star"},
		"twice":             {layer: packed(t, []string{"a.star", "A.star"}), kind: fault.Invalid},
		"no tarball":        {layer: []byte("a.star"), kind: fault.Invalid},
		"cut short":         {layer: good[:len(good)-4], kind: fault.Invalid},
		"no name":           {layer: good, config: `{"version":"1.0.0"}`, kind: fault.Invalid, want: "no name"},
		"no JSON":           {layer: good, config: `{`, kind: fault.Invalid},
		"a key twice":       {layer: good, config: `{"name":"a","name":"b"}`, kind: fault.Invalid},
		"loose dependency":  {layer: good, config: `{"name":"a","deps":{"b":"oci://ghcr.io/acme/b:v1"}}`, kind: fault.Invalid, want: "b: oci://ghcr.io/acme/b:v1 is not pinned to a digest"},
		"need of a climber": {layer: good, config: `{"name":"a","needs":{"files":["../x"]}}`, kind: fault.Invalid, want: "files:../x"},
		"needs no kind has": {layer: good, config: `{"name":"a","needs":{"read":["ghcr.io"]}}`, kind: fault.Invalid, want: "read:ghcr.io"},
		"largest config":    {layer: good, config: `{"name":"` + strings.Repeat("a", 2<<20) + `"}`, kind: fault.Limit},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := newEnv(t, t.TempDir(), nil)
			tx, err := store.New(filepath.Join(env.Settings.Root, "cache", "recipes"), store.Options{}).Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Close()
			put := func(mediaType string, content []byte) artifact.Descriptor {
				d, err := tx.Put(t.Context(), mediaType, content)
				if err != nil {
					t.Fatal(err)
				}
				return d
			}
			if tt.config == "" {
				tt.config = config
			}
			manifest, err := json.Marshal(map[string]any{
				"schemaVersion": 2, "mediaType": artifact.MediaTypeManifest, "artifactType": artifact.ArtifactTypeRecipe,
				"config": put(artifact.MediaTypeRecipeConfig, []byte(tt.config)),
				"layers": []artifact.Descriptor{put(artifact.MediaTypeLayer, tt.layer)},
			})
			if err != nil {
				t.Fatal(err)
			}
			n := recipeName(t, "oci://ghcr.io/acme/a:v1")
			n.Digest = put(artifact.MediaTypeManifest, manifest).Digest
			_, err = env.Recipes("").Open(t.Context(), n)
			if !errors.Is(err, tt.kind) || tt.kind != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %v: …%s…", err, tt.kind, tt.want)
			}
			if err != nil && !strings.Contains(err.Error(), "oci://ghcr.io/acme/a:v1") {
				t.Errorf("%v does not name the recipe", err)
			}
		})
	}
}
