package builtins

import (
	"context"
	"errors"
	"maps"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// What the stores of opcr policy need: its v0.1 named layers where an image
// belongs, today's leaves configs out, and a push of it that dies leaves names
// where they do not belong (spec compat.md, O2).

func isLayer(mediaType string) bool { return strings.Contains(mediaType, ".layer.") }

func isConfig(mediaType string) bool {
	return strings.Contains(mediaType, ".config.") || mediaType == "application/vnd.oci.empty.v1+json"
}

// cutShort is the fault about an entry that points at a config.
func cutShort(name string) error {
	return fault.New(fault.Invalid, name, "the name was left at the config of an image by a push of opcr policy that was cut short").
		WithHint("give it back to its image, whose digest is in policy store ls: policy tag DIGEST %s", name)
}

// adopted is the image around a layer that opcr policy v0.1 named: the manifest
// and the config that it made only when it pushed.
type adopted struct {
	manifest   []byte
	descriptor artifact.Descriptor // of the manifest
	blobs      map[artifact.Digest][]byte
}

// adopt gives the manifest the annotations of the entry, as a push of v0.1 did,
// except those that would make the digest depend on what the image is called.
func adopt(entry store.Entry) adopted {
	annotations := maps.Clone(entry.Annotations)
	for _, own := range []string{artifact.AnnotationRefName, artifact.AnnotationTitle, artifact.AnnotationStored, artifact.AnnotationBundleSize} {
		delete(annotations, own)
	}
	raw, d, config, configDescriptor := artifact.NewManifest(
		artifact.Descriptor{MediaType: artifact.MediaTypeLayer, Digest: entry.Digest, Size: entry.Size}, annotations)
	return adopted{raw, d, map[artifact.Digest][]byte{d.Digest: raw, configDescriptor.Digest: config}}
}

// imageDigest is the digest of the manifest that an entry stands for.
func imageDigest(entry store.Entry) artifact.Digest {
	if isLayer(entry.MediaType) {
		return adopt(entry).descriptor.Digest
	}
	return entry.Digest
}

// adoptedBy finds the layers whose image's digest begins with prefix: that is
// what a listing shows of them.
func (e *Env) adoptedBy(ctx context.Context, prefix string) ([]store.Entry, error) {
	all, err := e.Store.List(ctx)
	var found []store.Entry
	for _, entry := range all {
		if isLayer(entry.MediaType) && strings.HasPrefix(imageDigest(entry).Encoded(), strings.TrimPrefix(prefix, "sha256:")) {
			found = append(found, entry)
		}
	}
	return found, err
}

// fill completes what a listing says about an entry that another tool wrote,
// which says nothing of the bundle, from its manifest.
func (e *Env) fill(ctx context.Context, image *Image, entry store.Entry) error {
	if image.Size != nil || isConfig(entry.MediaType) {
		return nil
	}
	raw, err := e.Store.Read(ctx, entry.Descriptor, maxManifest)
	if errors.Is(err, fault.NotFound) || errors.Is(err, fault.Invalid) || errors.Is(err, fault.Limit) {
		return nil // store check says what is wrong with it
	} else if err != nil {
		return err
	}
	m, err := artifact.ParseManifest(raw)
	if err != nil {
		return nil //nolint:nilerr // as above
	}
	stored := image.Created
	image.annotate(m.Annotations)
	if image.Created == nil {
		image.Created = stored
	}
	if layer, err := m.Layer(); err == nil {
		image.Size = &layer.Size
	}
	return nil
}
