package embedded

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
)

// canonical is the algorithm of digests that need not be asked for.
const canonical = "sha256"

// parsed is what a manifest says of others. OCI's and Docker's manifests and
// indexes spell it alike; any other kind is kept as it is.
type parsed struct {
	MediaType    string                `json:"mediaType"`
	ArtifactType string                `json:"artifactType"`
	Config       *artifact.Descriptor  `json:"config"`
	Layers       []artifact.Descriptor `json:"layers"`
	Blobs        []artifact.Descriptor `json:"blobs"`
	Manifests    []artifact.Descriptor `json:"manifests"`
	Subject      *artifact.Descriptor  `json:"subject"`
	Annotations  map[string]string     `json:"annotations"`
}

// parseManifest reads a manifest. Its type is what the request says, and must be
// what the manifest says of itself: else one digest would mean two things.
func parseManifest(body []byte, contentType string) (*parsed, error) {
	invalid := func(message string) error {
		return &problem{http.StatusBadRequest, "MANIFEST_INVALID", message}
	}
	var m parsed
	if err := json.Unmarshal(body, &m); err != nil || len(body) == 0 {
		return nil, invalid("not a manifest in JSON")
	}
	if contentType != "" {
		said, _, err := mime.ParseMediaType(contentType)
		switch {
		case err != nil:
			return nil, invalid("not a media type in Content-Type")
		case m.MediaType != "" && m.MediaType != said:
			return nil, invalid("Content-Type is " + said + ", the manifest calls itself " + m.MediaType)
		}
		m.MediaType = said
	}
	if m.MediaType == "" {
		return nil, invalid("a Content-Type is needed")
	}
	for _, d := range m.all() {
		if d.Size < 0 || d.Digest.Validate() != nil {
			return nil, invalid("not a descriptor: digest " + d.Digest.String())
		}
	}
	return &m, nil
}

// blobs are the parts that are no manifests.
func (m *parsed) blobs() []artifact.Descriptor {
	var all []artifact.Descriptor
	if m.Config != nil {
		all = append(all, *m.Config)
	}
	return append(append(all, m.Layers...), m.Blobs...)
}

func (m *parsed) all() []artifact.Descriptor {
	all := append(m.blobs(), m.Manifests...)
	if m.Subject != nil {
		all = append(all, *m.Subject)
	}
	return all
}

// checkParts makes sure that an image is whole when it can be pulled. A subject
// may be missing, as the specification has it, and so may layers that are kept
// elsewhere by their licence.
func (h *handler) checkParts(ctx context.Context, tx *store.Tx, repository string, m *parsed) error {
	missing := func(d artifact.Descriptor) error {
		return &problem{http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", d.Digest.String() + " is not in " + repository + ": push it first"}
	}
	for _, d := range m.blobs() {
		if !tx.Has(ctx, d) && !elsewhere(d) {
			return missing(d)
		}
	}
	if len(m.Manifests) == 0 {
		return nil
	}
	entries, err := h.store.List(ctx)
	if err != nil {
		return err
	}
	here := map[artifact.Digest]bool{}
	for _, e := range entries {
		if name, _, ok := h.split(e.Name); ok && name == repository {
			here[e.Digest] = true
		}
	}
	for _, d := range m.Manifests {
		if !here[d.Digest] || !tx.Has(ctx, d) {
			return missing(d)
		}
	}
	return nil
}

// Annotations on entries of the store.
const (
	annotationSubject = "io.github.policyhost.subject"    // the digest that the manifest refers to
	annotationType    = "io.github.policyhost.media-type" // the type of a manifest of a kind we do not know
)

// entry is a line of the store's index for the manifest. The store follows what
// has no type by what it says; of a type unknown to it, it would let prune take
// the parts.
func (m *parsed) entry(name string, d artifact.Descriptor) store.Entry {
	e := store.Entry{Name: name, Descriptor: d}
	e.Annotations = map[string]string{}
	if m.Subject != nil {
		e.Annotations[annotationSubject] = m.Subject.Digest.String()
	}
	switch m.MediaType {
	case artifact.MediaTypeManifest, artifact.MediaTypeIndex,
		"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json":
	default:
		e.MediaType, e.Annotations[annotationType] = "", m.MediaType
	}
	return e
}

// typeOf is the media type that the manifest of an entry was pushed with.
func typeOf(e store.Entry) string {
	if e.MediaType == "" {
		return e.Annotations[annotationType]
	}
	return e.MediaType
}

// elsewhere is true for layers that registries must not keep.
func elsewhere(d artifact.Descriptor) bool {
	return len(d.URLs) > 0 && (strings.Contains(d.MediaType, ".nondistributable.") || strings.Contains(d.MediaType, ".foreign."))
}
