package builtins

import "context"

// ReposArgs are the arguments of [Repos].
type ReposArgs struct {
	Prefix string `arg:"" complete:"repository" help:"Registry or organisation whose repositories to list, for example ghcr.io/acme."`
}

// Repos gives the repositories that a registry has below a path, by name and with
// the registry before it: what tags takes. It fails with NotFound when the registry
// does not list, Denied when it refuses, Unavailable when it cannot answer.
func Repos(ctx context.Context, e *Env, args *ReposArgs) ([]string, error) {
	host, path, err := (&ListArgs{Prefix: args.Prefix, Remote: true}).scope(e)
	if err != nil {
		return nil, err
	}
	found, err := e.repositories(ctx, host, path)
	all := make([]string, len(found))
	for i, n := range found {
		all[i] = n.Registry + "/" + n.Repository
	}
	return all, err
}
