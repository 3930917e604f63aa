package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// maxManifest is the size up to which a blob is read as a manifest, as in the
// OCI distribution specification.
const maxManifest = 4 << 20

// links are what a manifest names. OCI image manifests and indexes, Docker's, and
// the artifact manifests of OCI 1.1-rc all spell them alike.
type links struct {
	Config    *artifact.Descriptor  `json:"config"`
	Layers    []artifact.Descriptor `json:"layers"`
	Blobs     []artifact.Descriptor `json:"blobs"`
	Manifests []artifact.Descriptor `json:"manifests"`
	Subject   *artifact.Descriptor  `json:"subject"`
}

// needs are the descriptors without which the manifest is not whole. A subject
// is not one of them: the specification lets it be absent.
func (l links) needs() []artifact.Descriptor {
	var all []artifact.Descriptor
	if l.Config != nil {
		all = append(all, *l.Config)
	}
	all = append(all, l.Layers...)
	all = append(all, l.Blobs...)
	return append(all, l.Manifests...)
}

// namesOthers tells manifests from leaves. An entry of the index may lack its
// media type, then the content decides.
func namesOthers(mediaType string) (yes, sure bool) {
	switch {
	case mediaType == "":
		return true, false
	case strings.HasSuffix(mediaType, ".manifest.v1+json"), strings.HasSuffix(mediaType, ".image.index.v1+json"),
		strings.HasSuffix(mediaType, ".manifest.v2+json"), strings.HasSuffix(mediaType, ".manifest.list.v2+json"):
		return true, true
	}
	return false, true
}

// links reads what d names, nothing for a leaf. It fails with NotFound when d is
// not there and with Invalid when it is not what it must be.
func (s *Store) links(ctx context.Context, d artifact.Descriptor) (links, error) {
	var l links
	yes, sure := namesOthers(d.MediaType)
	if !yes {
		return l, nil
	}
	b, err := s.Read(ctx, d, maxManifest)
	switch {
	case !sure && errors.Is(err, fault.Limit):
		return l, nil // a layer that v0.1 tagged
	case errors.Is(err, fault.Limit):
		return l, fault.New(fault.Invalid, d.Digest.String(), "a manifest of more than %d bytes", maxManifest)
	case err != nil:
		return l, err
	case !sure && !bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")):
		return l, nil
	}
	if err := json.Unmarshal(b, &l); err != nil {
		if sure {
			return l, fault.New(fault.Invalid, d.Digest.String(), "not a manifest: %w", err)
		}
		return links{}, nil
	}
	return l, nil
}

// A reach is the set of digests that some entries keep alive. The value says
// whether the digest was followed as a manifest: an image that calls another's
// manifest a layer must not hide what that one needs.
type reach map[artifact.Digest]bool

func (r reach) has(d artifact.Digest) bool {
	_, ok := r[d]
	return ok
}

func (r reach) follows(d artifact.Digest) bool { return r[d] }

// walk adds d and all it leads to. What is missing or damaged leads nowhere: it
// would have to be fetched again with all below it. Any other hindrance ends the
// walk, because nothing may be deleted on a guess.
func (s *Store) walk(ctx context.Context, r reach, d artifact.Descriptor) error {
	todo := []artifact.Descriptor{d}
	for len(todo) > 0 {
		d := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if follow, _ := namesOthers(d.MediaType); !follow {
			r[d.Digest] = r.follows(d.Digest)
			continue
		}
		if r.follows(d.Digest) {
			continue
		}
		r[d.Digest] = true
		l, err := s.links(ctx, d)
		if err != nil && !errors.Is(err, fault.NotFound) && !errors.Is(err, fault.Invalid) {
			return err
		}
		todo = append(todo, l.needs()...)
		if l.Subject != nil {
			todo = append(todo, *l.Subject)
		}
	}
	return nil
}
