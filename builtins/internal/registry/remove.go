package registry

import (
	"context"
	"errors"
	"net/http"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// DeleteTag removes n's tag, and only that: other tags of the manifest stay. On
// registries that cannot delete a tag by its name, it is pointed to an empty
// manifest first and that is deleted; if this fails half way, the tag is put
// back. It fails with NotFound, or Denied where deleting is switched off.
func (c *Client) DeleteTag(ctx context.Context, n artifact.Name) error {
	if n.Tag == "" {
		return fault.New(fault.Usage, n.String(), "only a tag can be removed from a registry").
			WithHint("name the tag: policy rm -r %s:TAG", n.Familiar())
	}
	return toFault(ctx, n, c.deleteTag(ctx, n))
}

func (c *Client) deleteTag(ctx context.Context, n artifact.Name) error {
	byTag := n
	byTag.Digest = ""
	k := call{repo: n.Repository, write: true}
	before, err := c.resolve(ctx, byTag, k)
	if err != nil {
		return err
	}
	if n.Digest != "" && n.Digest != before.Digest {
		return fault.New(fault.Conflict, n.String(), "the tag names %s by now", before.Digest)
	}
	del := &deletion{}
	err = c.reg(n.Registry).TagDelete(opContext(ctx, call{repo: n.Repository, write: true, remove: del}), refOf(byTag))
	if err == nil {
		return nil
	}
	if del.refused != nil {
		return cannotDelete(n, del.refused)
	}
	// The empty manifest may stand where the tag was.
	ctx = context.WithoutCancel(ctx)
	now, e := c.resolve(ctx, byTag, k)
	if a, ok := errors.AsType[*answer](e); ok && a.status == http.StatusNotFound {
		return nil // it is gone, however that was answered
	}
	if e == nil && now.Digest != before.Digest {
		byDigest := n
		byDigest.Digest = before.Digest
		d, b, e := c.manifest(ctx, byDigest, k)
		if e == nil {
			e = c.putManifest(ctx, byTag, b, d)
		}
		if e != nil {
			return errors.Join(err, e)
		}
	}
	return cannotDelete(n, err)
}

// cannotDelete explains a registry that deletes nothing.
func cannotDelete(n artifact.Name, err error) error {
	a, ok := errors.AsType[*answer](err)
	if !ok || a.status != http.StatusMethodNotAllowed && a.status != http.StatusNotImplemented {
		return err
	}
	return fault.New(fault.Denied, n.String(), "%s does not delete: %w", n.Registry, a).
		WithHint("deleting is switched on in the registry, REGISTRY_STORAGE_DELETE_ENABLED=true for distribution, or done in its own console")
}
