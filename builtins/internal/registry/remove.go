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
// back. Where the vendor's own API is what deletes, that is asked. It fails with
// NotFound, or Denied where deleting is switched off or this tag cannot go alone.
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
	v := c.host(n.Registry).vendor
	if v.calls.deleteTag != nil {
		return c.ask(ctx, n, func(s *session) error { return v.calls.deleteTag(ctx, s, byTag) })
	}
	del := &deletion{}
	err = c.reg(n.Registry).TagDelete(opContext(ctx, call{repo: n.Repository, write: true, remove: del}), refOf(byTag))
	if err == nil {
		return nil
	}
	if del.refused != nil {
		return cannotDelete(v, n, del.refused)
	}
	// The empty manifest may stand where the tag was.
	ctx = context.WithoutCancel(ctx)
	now, e := c.resolve(ctx, byTag, k)
	if status(e) == http.StatusNotFound {
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
	return cannotDelete(v, n, err)
}

// cannotDelete explains a registry that deletes nothing.
func cannotDelete(v vendor, n artifact.Name, err error) error {
	a, ok := errors.AsType[*answer](err)
	if !ok || a.status != http.StatusMethodNotAllowed && a.status != http.StatusNotImplemented {
		return err
	}
	f := fault.New(fault.Denied, n.String(), "%s does not delete: %w", n.Registry, a)
	if v.undeleted != "" {
		return f.WithHint("%s", about(v.undeleted, n))
	}
	return f.WithHint("deleting is switched on in the registry, REGISTRY_STORAGE_DELETE_ENABLED=true for distribution, or done in its own console")
}

// DeleteRepository removes n's repository with all its tags in one request, and
// reports whether it did: false means that the registry has no such request, or
// none for these credentials, and that its tags have to be removed one by one. It
// fails with NotFound or Denied.
func (c *Client) DeleteRepository(ctx context.Context, n artifact.Name) (bool, error) {
	n.Tag, n.Digest = "", ""
	v := c.host(n.Registry).vendor
	if v.calls.deleteRepository == nil {
		return false, nil
	}
	err := c.ask(ctx, n, func(s *session) error { return v.calls.deleteRepository(ctx, s, n) })
	if errors.Is(err, errUseCatalog) {
		return false, nil
	}
	return err == nil, toFault(ctx, n, err)
}
