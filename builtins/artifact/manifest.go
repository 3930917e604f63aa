package artifact

import (
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Descriptor names content by digest, size in bytes and media type (OCI image
// specification, descriptor).
type Descriptor = v1.Descriptor

// Digest is "sha256:" and 64 hex digits (or another registered algorithm).
type Digest = digest.Digest

// Media types of a policy image (spec artifact.md, image).
const (
	MediaTypeManifest = v1.MediaTypeImageManifest
	MediaTypeIndex    = v1.MediaTypeImageIndex
	MediaTypeConfig   = v1.MediaTypeImageConfig
	MediaTypeLayer    = v1.MediaTypeImageLayerGzip
)

// TypePolicy is the value of [AnnotationType] in a policy image.
const TypePolicy = "policy"

// Annotation keys that policy reads or writes.
const (
	AnnotationRefName     = v1.AnnotationRefName
	AnnotationCreated     = v1.AnnotationCreated
	AnnotationRevision    = v1.AnnotationRevision
	AnnotationSource      = v1.AnnotationSource
	AnnotationTitle       = v1.AnnotationTitle
	AnnotationUnpack      = "io.deis.oras.content.unpack"
	AnnotationType        = "org.openpolicyregistry.type"
	AnnotationRegoVersion = "rego.version"

	// Of an entry in the local store's index, not of the image: what a listing
	// shows without opening a manifest.
	AnnotationBundleSize = "io.github.policyhost.bundle.size" // bytes of the layer, decimal
	AnnotationStored     = "io.github.policyhost.stored"      // RFC 3339, when the entry was written
)
