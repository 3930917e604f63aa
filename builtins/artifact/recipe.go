package artifact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/policyhost/policy/runtime/fault"
)

// Media types of a recipe (spec recipes.md, image). Its layer is that of a policy
// image, a tarball.
const (
	ArtifactTypeRecipe    = "application/vnd.policyhost.recipe.v1"
	MediaTypeRecipeConfig = "application/vnd.policyhost.recipe.config.v1+json"
)

// RecipeScheme begins a reference to a recipe: "oci://ghcr.io/acme/recipes:v1".
const RecipeScheme = "oci://"

// RecipeConfig is what a recipe says of itself: the config of its image.
type RecipeConfig struct {
	Name        string            `json:"name"`
	Version     string            `json:"version"` // semantic
	Description string            `json:"description,omitempty"`
	Source      string            `json:"source,omitempty"`   // where its sources are kept, a URL
	Licenses    string            `json:"licenses,omitempty"` // an SPDX expression
	MinPolicy   string            `json:"min_policy,omitempty"`
	Deps        map[string]string `json:"deps,omitempty"` // by alias: reference and digest
	Needs       Needs             `json:"needs"`
	Exports     []string          `json:"exports,omitempty"` // "gates.star require_clean(image: Image)", sorted
}

// ParseRecipeName reads a reference to a recipe, with or without oci:// before it.
// It names its registry, and a tag or a digest, else it fails with Usage.
func ParseRecipeName(ref string) (Name, error) {
	typed := strings.TrimPrefix(ref, RecipeScheme)
	n, err := ParseName(typed, DefaultDomain)
	if err != nil {
		return n, err
	}
	registry, tag := Typed(typed)
	switch {
	case !registry:
		return n, fault.New(fault.Usage, ref, "names no registry").WithHint("for example oci://ghcr.io/%s/%s:v1", "acme", "recipes")
	case !tag:
		return n, fault.New(fault.Usage, ref, "names no version").WithHint("add a tag: %s%s:v1", RecipeScheme, strings.TrimPrefix(typed, RecipeScheme))
	}
	return n, nil
}

// ParseRecipeConfig reads the config of a recipe. It fails with Invalid when it is
// none, or has dependencies that are not pinned to a digest.
func ParseRecipeConfig(raw []byte) (RecipeConfig, error) {
	var c RecipeConfig
	bad := func(format string, args ...any) (RecipeConfig, error) {
		return RecipeConfig{}, fault.New(fault.Invalid, "", "the recipe's config: %w", fmt.Errorf(format, args...))
	}
	if err := ValidateJSON(bytes.NewReader(raw)); err != nil {
		return bad("%w", err)
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return bad("%w", plainJSON(err))
	}
	if c.Name == "" {
		return bad("no name")
	}
	texts := append([]string{c.Name, c.Version, c.Description, c.Source, c.Licenses, c.MinPolicy}, c.Exports...)
	for _, text := range slices.AppendSeq(texts, maps.Keys(c.Deps)) {
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return bad("%q is not one line of text", text)
		}
	}
	for _, alias := range slices.Sorted(maps.Keys(c.Deps)) {
		n, err := ParseRecipeName(c.Deps[alias])
		if err != nil {
			return bad("%s: %w", alias, err)
		}
		if n.Digest == "" {
			return bad("%s: %s is not pinned to a digest", alias, c.Deps[alias])
		}
	}
	var checked Needs
	for need := range c.Needs.All() {
		if err := checked.Add(need); err != nil {
			return bad("%w", err)
		}
	}
	c.Needs = checked
	return c, nil
}

// Annotations are what registries and their users see of a recipe.
func (c RecipeConfig) Annotations() map[string]string {
	all := map[string]string{v1.AnnotationTitle: c.Name, v1.AnnotationVersion: c.Version}
	for key, value := range map[string]string{
		v1.AnnotationDescription: c.Description,
		v1.AnnotationSource:      c.Source,
		v1.AnnotationLicenses:    c.Licenses,
	} {
		if value != "" {
			all[key] = value
		}
	}
	return all
}

// RecipeImage is what is stored of a recipe beside its layer.
type RecipeImage struct {
	Manifest, Config                     []byte
	ManifestDescriptor, ConfigDescriptor Descriptor
}

// NewRecipeImage makes the image of a recipe around its layer, of which digest and
// size count. The same arguments give the same bytes; the name of the image is not
// among them.
func NewRecipeImage(layer Descriptor, c RecipeConfig) (RecipeImage, error) {
	var image RecipeImage
	var err error
	if image.Config, err = plainly(c); err != nil {
		return image, err
	}
	image.ConfigDescriptor = described(MediaTypeRecipeConfig, image.Config)
	image.Manifest, err = json.Marshal(v1.Manifest{
		Versioned:    specs.Versioned{SchemaVersion: 2},
		MediaType:    MediaTypeManifest,
		ArtifactType: ArtifactTypeRecipe,
		Config:       image.ConfigDescriptor,
		Layers:       []Descriptor{{MediaType: MediaTypeLayer, Digest: layer.Digest, Size: layer.Size}},
		Annotations:  c.Annotations(),
	})
	image.ManifestDescriptor = described(MediaTypeManifest, image.Manifest)
	return image, err
}

// plainly is v as JSON in which < and > are themselves.
func plainly(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func described(mediaType string, content []byte) Descriptor {
	return Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
}

// RecipeLayer gives the layer of a recipe. It fails with Invalid when the image is
// something else, and says what.
func (m *Manifest) RecipeLayer() (Descriptor, error) {
	switch {
	case m.Config.MediaType == MediaTypeRecipeConfig && len(m.Layers) == 1 && m.Layers[0].MediaType == MediaTypeLayer:
		return m.Layers[0], nil
	case m.Config.MediaType == MediaTypeRecipeConfig:
		return Descriptor{}, fault.New(fault.Invalid, "", "a recipe of a version that this policy does not know").
			WithHint("use a newer policy: policy version")
	}
	what := m.foreign()
	if _, err := m.Layer(); err == nil {
		what = "it is a policy image"
	}
	if what == "" {
		what = "no layer of it is one, there is " + m.layerTypes()
	}
	return Descriptor{}, fault.New(fault.Invalid, "", "not a recipe: %s", what)
}
