package artifact_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

var someDigest = digest.FromString("x")

// manifest builds a manifest of others' making: config type and size, layer
// types, and more fields.
func manifest(config string, size int, layers []string, more string) string {
	var l []string
	for _, t := range layers {
		l = append(l, fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":10}`, t, someDigest))
	}
	return fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[%s]%s}`,
		config, someDigest, size, strings.Join(l, ","), more)
}

func TestLayer(t *testing.T) {
	t.Parallel()
	const (
		image  = "application/vnd.oci.image.config.v1+json"
		empty  = "application/vnd.oci.empty.v1+json"
		tgz    = artifact.MediaTypeLayer
		policy = `,"annotations":{"org.openpolicyregistry.type":"policy"}`
	)
	for _, tt := range []struct{ name, raw, want string }{
		{"ours", string(first(artifact.NewManifest(artifact.Descriptor{Digest: someDigest, Size: 10}, nil))), ""},
		{"opcr v0.1, v0.2", manifest(image, 2, []string{tgz}, policy), ""},
		{"opcr today", manifest(empty, 2, []string{tgz}, `,"mediaType":"application/vnd.oci.image.manifest.v1+json"`+policy), ""},
		{"opa build, oras push with a config", manifest(image, 2, []string{tgz}, ""), ""},
		{"oras push", manifest(empty, 2, []string{tgz}, `,"artifactType":"application/vnd.unknown.artifact.v1"`), ""},
		{"oras v0 push", manifest("application/vnd.unknown.config.v1+json", 2, []string{tgz}, ""), ""},
		{"bundle behind a readme", manifest(empty, 2, []string{"text/markdown", tgz}, ""), ""},
		{"docker's types", manifest(image, 2, []string{"application/vnd.docker.image.rootfs.diff.tar.gzip"}, ""), ""},
		{"a container that says it is a policy", manifest(image, 1500, []string{tgz}, policy), ""},
		{
			"a config of some size beside a titled layer",
			fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":%q,"digest":%q,"size":500},"layers":[{"mediaType":%q,"digest":%q,"size":10,"annotations":{"org.opencontainers.image.title":"bundle.tar.gz"}}]}`,
				image, someDigest, tgz, someDigest), "",
		},
		{"container", manifest(image, 1500, []string{tgz, tgz}, ""), "not a policy image: it looks like a container image"},
		{"docker container", manifest("application/vnd.docker.container.image.v1+json", 1500, []string{tgz}, ""), "not a policy image: it is a container image"},
		{"helm", manifest("application/vnd.cncf.helm.config.v1+json", 100, []string{"application/vnd.cncf.helm.chart.content.v1.tar+gzip"}, ""), `not a policy image: its config is "application/vnd.cncf.helm.config.v1+json"`},
		{"recipe", manifest("application/vnd.policyhost.recipe.config.v1+json", 100, []string{tgz}, `,"artifactType":"application/vnd.policyhost.recipe.v1"`), `not a policy image: its artifact type is "application/vnd.policyhost.recipe.v1"`},
		{"other type", manifest(image, 2, []string{tgz}, `,"annotations":{"org.openpolicyregistry.type":"template"}`), `not a policy image: its annotation org.openpolicyregistry.type says "template"`},
		{"conftest push", manifest("application/vnd.cncf.openpolicyagent.config.v1+json", 2, []string{"application/vnd.cncf.openpolicyagent.policy.layer.v1+rego"}, ""), "not a policy image: conftest push made it, with a layer for each file"},
		{"two bundles", manifest(empty, 2, []string{tgz, "text/markdown", tgz}, policy), "not a policy image: it has 2 bundles, of which OPA takes the first and conftest all"},
		{"no layer", manifest(empty, 2, nil, ""), "not a policy image: no layer is " + tgz + ", there is none at all"},
		{"zstd", manifest(empty, 2, []string{"application/vnd.oci.image.layer.v1.tar+zstd"}, ""), "not a policy image: no layer is " + tgz + `, there is "application/vnd.oci.image.layer.v1.tar+zstd"`},
	} {
		m, err := artifact.ParseManifest([]byte(tt.raw))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		l, err := m.Layer()
		if got := message(err); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if err == nil && (l.Digest != someDigest || l.Size != 10) {
			t.Errorf("%s: the layer is %+v", tt.name, l)
		}
		if err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v is not Invalid", tt.name, err)
		}
	}
}

func first[A, B, C, D any](a A, _ B, _ C, _ D) A { return a }

func TestParseManifestRefuses(t *testing.T) {
	t.Parallel()
	good := manifest("application/vnd.oci.empty.v1+json", 2, []string{artifact.MediaTypeLayer}, "")
	if _, err := artifact.ParseManifest([]byte(good)); err != nil {
		t.Fatal(err)
	}
	many := strings.Repeat(fmt.Sprintf(`{"mediaType":"x","digest":%q,"size":1},`, someDigest), 60_000)
	for _, tt := range []struct{ name, raw, want string }{
		{"nothing", "", "empty"},
		{"garbage", "\x1f\x8b\x08", "not a manifest"},
		{"HTML", "<html>", "not a manifest"},
		{"a list", "[]", "not a manifest"},
		{"index by type", `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json"}`, "an image index, not a policy image"},
		{"index by content", `{"schemaVersion":2,"manifests":[]}`, "an image index, not a policy image"},
		{"both", strings.Replace(good, "{", `{"manifests":[],`, 1), "an image index, not a policy image"},
		{"both, in capitals", strings.Replace(good, "{", `{"Manifests":[],`, 1), `the key "Manifests" should be "manifests"`},
		{"docker list", `{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json"}`, "an image index"},
		{"schema 1", `{"schemaVersion":1,"fsLayers":[]}`, "schema 1"},
		{"schema 3", strings.Replace(good, `"schemaVersion":2`, `"schemaVersion":3`, 1), "its schemaVersion is 3"},
		{"artifact manifest", `{"schemaVersion":2,"mediaType":"application/vnd.oci.artifact.manifest.v1+json"}`, "not a policy image"},
		{"no config", `{"schemaVersion":2,"layers":[]}`, "no config or no layers"},
		{"no layers", `{"schemaVersion":2,"config":{}}`, "no config or no layers"},
		{"bad digest", strings.Replace(good, "sha256:", "sha256:../", 1), "the config"},
		{"negative size", strings.Replace(good, `"size":10`, `"size":-1`, 1), "layer 1 has a size of -1"},
		{"size as a word", strings.Replace(good, `"size":10`, `"size":"x"`, 1), "should not be a string"},
		{"a key twice", strings.Replace(good, "{", `{"schemaVersion":2,`, 1), "there twice"},
		{"too large", `{"schemaVersion":2,"config":{},"layers":[` + strings.TrimSuffix(many, ",") + "]}", "at most 4194304"},
		{"deep", strings.Repeat("[", 1_000_000), "nested deeper"},
	} {
		_, err := artifact.ParseManifest([]byte(tt.raw))
		if err == nil || !strings.Contains(err.Error(), tt.want) || !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, want Invalid with %q", tt.name, err, tt.want)
		}
	}
}

// The bytes of a manifest are its identity: this text must never change.
func TestNewManifestBytes(t *testing.T) {
	t.Parallel()
	layer := artifact.Descriptor{MediaType: "whatever", Digest: someDigest, Size: 7, Annotations: map[string]string{"no": "no"}}
	raw, d, config, configDesc := artifact.NewManifest(layer, map[string]string{"rego.version": "rego.v1", "b": "<&>", "a": "1"})
	const want = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
		`"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},` +
		`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881","size":7,` +
		`"annotations":{"io.deis.oras.content.unpack":"true","org.opencontainers.image.title":"."}}],` +
		`"annotations":{"a":"1","b":"\u003c\u0026\u003e","org.openpolicyregistry.type":"policy","rego.version":"rego.v1"}}`
	if string(raw) != want {
		t.Errorf("got  %s\nwant %s", raw, want)
	}
	if d.Digest != digest.FromBytes(raw) || d.Size != int64(len(raw)) || d.MediaType != artifact.MediaTypeManifest {
		t.Errorf("descriptor %+v does not describe the manifest", d)
	}
	if string(config) != "{}" || configDesc.Digest != digest.FromBytes(config) {
		t.Errorf("config %s, %+v", config, configDesc)
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(manifest("application/vnd.oci.empty.v1+json", 2, []string{artifact.MediaTypeLayer}, "")))
	f.Add([]byte(`{"schemaVersion":2,"manifests":[]}`))
	f.Add([]byte(`{"schemaVersion":2,"config":{},"layers":[{}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := artifact.ParseManifest(raw)
		if err != nil {
			if !errors.Is(err, fault.Invalid) {
				t.Fatalf("%v is not Invalid", err)
			}
			return
		}
		if !json.Valid(raw) || string(m.Raw) != string(raw) {
			t.Fatal("accepted what is not JSON, or kept other bytes")
		}
		if l, err := m.Layer(); err == nil && l.Digest.Validate() != nil {
			t.Fatalf("layer %+v", l)
		}
	})
}
