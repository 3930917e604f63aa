package registry

import (
	"context"
	"net/http"
	"net/url"

	"github.com/policyhost/policy/builtins/artifact"
)

// azure is what Azure's registry adds to the protocol on the same host and with
// the same tokens, as documented at
// https://learn.microsoft.com/rest/api/containerregistry/: it deletes a tag and a
// whole repository, and answers 202.
func azure() calls {
	return calls{
		deleteTag: func(ctx context.Context, s *session, n artifact.Name) error {
			return s.c.deletePath(ctx, n, "/acr/v1/"+n.Repository+"/_tags/"+url.PathEscape(n.Tag))
		},
		deleteRepository: func(ctx context.Context, s *session, n artifact.Name) error {
			return s.c.deletePath(ctx, n, "/acr/v1/"+n.Repository)
		},
	}
}

// deletePath deletes something of the registry itself, as the user of the registry.
func (c *Client) deletePath(ctx context.Context, n artifact.Name, path string) error {
	h := c.host(n.Registry)
	req, err := http.NewRequestWithContext(opContext(ctx, call{repo: n.Repository, write: true}), http.MethodDelete, h.url(path).String(), nil)
	if err != nil {
		return err
	}
	resp, err := (&wire{c: c, home: h}).RoundTrip(req)
	if err == nil {
		drop(resp)
	}
	return err
}
