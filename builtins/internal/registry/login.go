package registry

import (
	"context"

	"github.com/regclient/regclient/types/ref"

	"github.com/policyhost/policy/builtins/artifact"
)

// Login checks cred against the registry, through the scheme it speaks and with
// a token if it deals in tokens. It fails with Denied and what the registry
// answered, or Unavailable. A registry that asks for nothing accepts everything.
func (c *Client) Login(ctx context.Context, host string, cred Credential) error {
	o := c.o
	o.Credentials = func(context.Context, string, string) (Credential, error) { return cred, nil }
	fresh := New(o) // knows no token that somebody else's credentials got
	defer func() { _ = fresh.Close() }()
	n := artifact.Name{Registry: host}
	_, err := fresh.reg(host).Ping(opContext(ctx, call{}), ref.Ref{Scheme: "reg", Registry: host})
	return toFault(ctx, n, err)
}
