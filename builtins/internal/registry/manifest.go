package registry

import (
	"context"
	"errors"
	"net/http"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/regclient/regclient/types/errs"
	"github.com/regclient/regclient/types/manifest"

	"encoding/json"

	"github.com/policyhost/policy/builtins/artifact"
)

// maxBlobs is how many blobs one manifest may name.
const maxBlobs = 1000

// Resolve returns the digest, size and media type of what n names, with one
// HEAD request where the registry allows it. It fails with NotFound.
func (c *Client) Resolve(ctx context.Context, n artifact.Name) (artifact.Descriptor, error) {
	d, err := c.resolve(ctx, n, call{repo: n.Repository, mirror: true})
	return d, toFault(ctx, n, err)
}

func (c *Client) resolve(ctx context.Context, n artifact.Name, k call) (artifact.Descriptor, error) {
	m, err := c.reg(n.Registry).ManifestHead(opContext(ctx, k), refOf(n))
	if err == nil {
		d := m.GetDescriptor()
		if d.Digest.Validate() == nil && d.Size > 0 {
			return artifact.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}, nil
		}
	} else if a, ok := errors.AsType[*answer](err); !isHeadless(a, ok) && !errors.Is(err, errs.ErrUnsupportedMediaType) {
		return artifact.Descriptor{}, err
	}
	d, _, err := c.manifest(ctx, n, k)
	return d, err
}

// isHeadless reports whether a registry refused the question, not the answer.
func isHeadless(a *answer, ok bool) bool {
	return ok && (a.status == http.StatusMethodNotAllowed || a.status == http.StatusNotImplemented || a.status == http.StatusBadRequest)
}

// Manifest returns the manifest n names: its descriptor and its bytes, at most
// 4 MiB, which have the digest n or the registry gave. It fails with NotFound,
// Limit when it is larger, Invalid when it is not what it says it is.
func (c *Client) Manifest(ctx context.Context, n artifact.Name) (artifact.Descriptor, []byte, error) {
	d, b, err := c.manifest(ctx, n, call{repo: n.Repository, mirror: true})
	return d, b, toFault(ctx, n, err)
}

func (c *Client) manifest(ctx context.Context, n artifact.Name, k call) (artifact.Descriptor, []byte, error) {
	m, err := c.reg(n.Registry).ManifestGet(opContext(ctx, k), refOf(n))
	if err != nil {
		return artifact.Descriptor{}, nil, err
	}
	b, err := m.RawBody()
	if err != nil {
		return artifact.Descriptor{}, nil, err
	}
	algorithm := digest.Canonical
	if n.Digest != "" {
		algorithm = n.Digest.Algorithm()
	}
	d := artifact.Descriptor{MediaType: m.GetDescriptor().MediaType, Digest: algorithm.FromBytes(b), Size: int64(len(b))}
	if n.Digest != "" && d.Digest != n.Digest {
		return artifact.Descriptor{}, nil, &mismatch{reason: "the manifest has the digest " + d.Digest.String()}
	}
	return d, b, nil
}

// blobs lists what a manifest names, config first, each digest once. Indexes
// and manifests of other shapes are refused.
func blobs(b []byte) ([]artifact.Descriptor, error) {
	var m struct {
		v1.Manifest
		Manifests json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, err
	}
	switch {
	case m.Manifests != nil:
		return nil, &mismatch{reason: "it is an index of several images, not an image"}
	case len(m.Layers) >= maxBlobs:
		return nil, &oversize{"the list of layers", maxBlobs}
	case m.Config.Digest == "":
		return nil, &mismatch{reason: "the manifest names no config"}
	}
	seen := map[artifact.Digest]int64{}
	var all []artifact.Descriptor
	for _, d := range append([]artifact.Descriptor{m.Config}, m.Layers...) {
		if err := d.Digest.Validate(); err != nil {
			return nil, &mismatch{reason: "the manifest names content by something that is no digest"}
		}
		size, dup := seen[d.Digest]
		if d.Size < 0 || dup && size != d.Size {
			return nil, &mismatch{reason: "the manifest gives an impossible size"}
		}
		if !dup {
			seen[d.Digest] = d.Size
			all = append(all, d)
		}
	}
	return all, nil
}

// putManifest writes the manifest under n's tag, or under its digest when n has none.
func (c *Client) putManifest(ctx context.Context, n artifact.Name, b []byte, d artifact.Descriptor) error {
	n.Digest = ""
	if n.Tag == "" {
		n.Digest = d.Digest
	}
	desc := blobOf(d)
	m, err := manifest.New(manifest.WithRaw(b), manifest.WithDesc(desc))
	if err != nil {
		return err
	}
	return c.reg(n.Registry).ManifestPut(opContext(ctx, call{repo: n.Repository, write: true}), refOf(n), m)
}
