package artifact

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/policyhost/policy/runtime/fault"
)

// MaxManifest is how large a manifest may be, in bytes: what registries accept.
const MaxManifest = 4 << 20

// Manifest is an image manifest as it was read: its fields, and the bytes that
// its digest is of.
type Manifest struct {
	v1.Manifest
	Raw []byte `json:"-"`
}

// ParseManifest reads the manifest of an image. It fails with Invalid for what is
// not one: an index, a manifest of another schema, text larger than
// [MaxManifest], JSON that two readers could read differently. Whether it is a
// policy's is for [Manifest.Layer] to say.
func ParseManifest(raw []byte) (*Manifest, error) {
	if len(raw) > MaxManifest {
		return nil, fault.New(fault.Invalid, "", "a manifest of %d bytes, at most %d are allowed", len(raw), MaxManifest)
	}
	if err := validateManifest(raw); err != nil {
		return nil, fault.New(fault.Invalid, "", "not a manifest: %w", err)
	}
	// A manifest and an index share names; which of them it is must not depend on
	// who reads it (CVE-2021-41190).
	var kind struct {
		SchemaVersion int              `json:"schemaVersion"`
		MediaType     string           `json:"mediaType"`
		Config        *json.RawMessage `json:"config"`
		Layers        *json.RawMessage `json:"layers"`
		Manifests     *json.RawMessage `json:"manifests"`
		FSLayers      *json.RawMessage `json:"fsLayers"`
	}
	if err := json.Unmarshal(raw, &kind); err != nil {
		return nil, fault.New(fault.Invalid, "", "not a manifest: %w", plainJSON(err))
	}
	switch {
	case kind.MediaType == MediaTypeIndex || kind.MediaType == dockerList || kind.Manifests != nil:
		return nil, fault.New(fault.Invalid, "", "an image index, not a policy image").
			WithHint("name one of the images in it by digest")
	case kind.FSLayers != nil || kind.SchemaVersion == 1:
		return nil, fault.New(fault.Invalid, "", "a manifest of Docker's old schema 1, not a policy image")
	case kind.SchemaVersion != 2:
		return nil, fault.New(fault.Invalid, "", "not an image manifest: its schemaVersion is %d", kind.SchemaVersion)
	case kind.MediaType != "" && kind.MediaType != MediaTypeManifest && kind.MediaType != dockerManifest:
		return nil, fault.New(fault.Invalid, "", "%q, not a policy image", kind.MediaType)
	case kind.Config == nil || kind.Layers == nil:
		return nil, fault.New(fault.Invalid, "", "not an image manifest: it has no config or no layers")
	}
	m := &Manifest{Raw: bytes.Clone(raw)}
	if err := json.Unmarshal(raw, &m.Manifest); err != nil {
		return nil, fault.New(fault.Invalid, "", "not a manifest: %w", plainJSON(err))
	}
	for i, d := range append([]Descriptor{m.Config}, m.Layers...) {
		what := "the config"
		if i > 0 {
			what = fmt.Sprintf("layer %d", i)
		}
		if err := d.Digest.Validate(); err != nil {
			return nil, fault.New(fault.Invalid, "", "not a manifest: %s: %q: %w", what, d.Digest, err)
		}
		if d.Size < 0 {
			return nil, fault.New(fault.Invalid, "", "not a manifest: %s has a size of %d", what, d.Size)
		}
	}
	return m, nil
}

// validateManifest refuses what encoding/json, which ignores case in keys, would
// read otherwise than others do.
func validateManifest(raw []byte) error {
	known := []string{"schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "fsLayers", "subject", "annotations"}
	s := NewJSONScanner(func(path []string, kind byte) (bool, error) {
		if len(path) == 0 {
			return true, nil
		}
		for _, k := range known {
			if path[0] != k && strings.EqualFold(path[0], k) {
				return false, fmt.Errorf("the key %q should be %q", path[0], k)
			}
		}
		return false, nil
	})
	if _, err := s.Write(raw); err != nil {
		return err
	}
	return s.Close()
}

// plainJSON leaves out of an error of encoding/json which Go type it was for.
func plainJSON(err error) error {
	if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s should not be a %s", te.Field, te.Value)
	}
	return err
}

// Media types of others that are told apart.
const (
	dockerList      = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerManifest  = "application/vnd.docker.distribution.manifest.v2+json"
	dockerLayer     = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	unknownConfig   = "application/vnd.unknown.config.v1+json"
	unknownArtifact = "application/vnd.unknown.artifact.v1"
	conftestPrefix  = "application/vnd.cncf.openpolicyagent."
	conftestConfig  = conftestPrefix + "config.v1+json"
)

// containerConfig is how large the config of a container at least is. Those who
// push a bundle with oras give it {}.
const containerConfig = 128

// Layer returns the descriptor of the bundle: the one tar+gzip layer. It fails
// with Invalid when the image is something else, and says what; two such layers
// are two policies, and readers differ in which they take.
func (m *Manifest) Layer() (Descriptor, error) {
	if what := m.foreign(); what != "" {
		return Descriptor{}, fault.New(fault.Invalid, "", "not a policy image: %s", what)
	}
	var bundles []Descriptor
	for _, l := range m.Layers {
		if l.MediaType == MediaTypeLayer || l.MediaType == dockerLayer {
			bundles = append(bundles, l)
		}
	}
	if len(bundles) > 1 {
		return Descriptor{}, fault.New(fault.Invalid, "", "not a policy image: it has %d bundles, of which OPA takes the first and conftest all", len(bundles)).
			WithHint("make one of them: policy build A.tar.gz B.tar.gz -t …")
	}
	if len(bundles) == 1 {
		return bundles[0], nil
	}
	f := fault.New(fault.Invalid, "", "not a policy image: no layer is %s, there is %s", MediaTypeLayer, m.layerTypes())
	for _, l := range m.Layers {
		if strings.HasPrefix(l.MediaType, conftestPrefix) {
			f.Err = fmt.Errorf("not a policy image: conftest push made it, with a layer for each file")
			return Descriptor{}, f.WithHint("make one of it: conftest pull …, then policy build policy -t …")
		}
	}
	return Descriptor{}, f
}

// foreign says what the manifest is of when it is surely not of a policy.
func (m *Manifest) foreign() string {
	if kind, ok := m.Annotations[AnnotationType]; ok {
		if kind == TypePolicy {
			return ""
		}
		return fmt.Sprintf("its annotation %s says %q", AnnotationType, kind)
	}
	switch t := m.ArtifactType; {
	case t == "", t == unknownArtifact, t == MediaTypeConfig, strings.HasPrefix(t, conftestPrefix), strings.Contains(t, "openpolicyagent"):
	default:
		return fmt.Sprintf("its artifact type is %q", t)
	}
	switch t := m.Config.MediaType; t {
	case v1.MediaTypeEmptyJSON, unknownConfig, conftestConfig, "application/json":
		return ""
	case MediaTypeConfig, "":
		titled := len(m.Layers) > 0 && m.Layers[0].Annotations[AnnotationTitle] != ""
		if m.Config.Size >= containerConfig && !titled {
			return "it looks like a container image"
		}
		return ""
	case "application/vnd.docker.container.image.v1+json":
		return "it is a container image"
	default:
		return fmt.Sprintf("its config is %q", t)
	}
}

// RegoVersion is the language of modules of which the bundle itself does not say
// it: the annotation's, else rego.v0 for an image that opcr policy made before it
// wrote that annotation, else empty.
func (m *Manifest) RegoVersion() string {
	version := m.Annotations[AnnotationRegoVersion]
	if version == "" && m.Annotations[AnnotationType] == TypePolicy {
		return "rego.v0"
	}
	return version
}

// IsEmpty reports whether d is of the two bytes {}: the config of a policy image,
// which is known though it is nowhere.
func IsEmpty(d Digest) bool { return d == v1.DescriptorEmptyJSON.Digest }

func (m *Manifest) layerTypes() string {
	if len(m.Layers) == 0 {
		return "none at all"
	}
	var types []string
	for _, l := range m.Layers {
		if t := fmt.Sprintf("%q", l.MediaType); len(types) < 3 && !strings.Contains(strings.Join(types, ","), t) {
			types = append(types, t)
		}
	}
	return strings.Join(types, ", ")
}

// NewManifest returns the manifest of a policy image around its layer, of which
// digest and size count, and what must be stored with it: the manifest's bytes and descriptor, the config's
// bytes and descriptor. The same arguments give the same bytes; the name of the
// image is not among them (spec artifact.md, image).
func NewManifest(layer Descriptor, annotations map[string]string) (raw []byte, d Descriptor, config []byte, configDesc Descriptor) {
	config = []byte("{}")
	configDesc = Descriptor{MediaType: MediaTypeConfig, Digest: digest.FromBytes(config), Size: int64(len(config))}
	all := map[string]string{AnnotationType: TypePolicy}
	maps.Copy(all, annotations)
	m := v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: MediaTypeManifest,
		Config:    configDesc,
		Layers: []Descriptor{{
			MediaType: MediaTypeLayer,
			Digest:    layer.Digest,
			Size:      layer.Size,
			// conftest unpacks a layer with these into its policy folder.
			Annotations: map[string]string{AnnotationTitle: ".", AnnotationUnpack: "true"},
		}},
		Annotations: all,
	}
	raw, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return raw, Descriptor{MediaType: MediaTypeManifest, Digest: digest.FromBytes(raw), Size: int64(len(raw))}, config, configDesc
}
