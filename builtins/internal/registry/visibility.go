package registry

import (
	"context"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// VisibilityUnit says in words what SetVisibility would change besides n's
// repository, "" when it is the repository alone. It asks nobody.
func (c *Client) VisibilityUnit(n artifact.Name) string {
	if unit := c.host(n.Registry).vendor.calls.unit; unit != nil {
		return unit(n)
	}
	return ""
}

// SetVisibility lets everybody read n's repository, or only those who are named
// in the registry. It fails with Denied, saying where to do it by hand, where the
// registry has no API for it.
func (c *Client) SetVisibility(ctx context.Context, n artifact.Name, public bool) error {
	n.Tag, n.Digest = "", ""
	v := c.host(n.Registry).vendor
	if v.calls.setPublic == nil {
		f := fault.New(fault.Denied, n.Familiar(), "the visibility of repositories at %s cannot be changed from here", n.Registry)
		if v.visibility != "" {
			return f.WithHint("%s", about(v.visibility, n))
		}
		return f.WithHint("change it in the registry's own console or configuration; if it is another vendor's: registries: {%q: {vendor: NAME}} in config.yaml", n.Registry)
	}
	return toFault(ctx, n, c.ask(ctx, n, func(s *session) error { return v.calls.setPublic(ctx, s, n, public) }))
}
