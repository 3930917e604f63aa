package builtins

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// repositories are those that a registry has below a path, sorted.
func (e *Env) repositories(ctx context.Context, host, path string) ([]artifact.Name, error) {
	var found []string
	err := e.Remote.Repositories(ctx, host, path, func(page []string) error {
		for _, r := range page {
			if within(host+"/"+r, host, path) {
				found = append(found, r)
			}
		}
		e.Events.send(Event{State: Counting, Subject: host, Done: int64(len(found))})
		return nil
	})
	if err != nil {
		return nil, fault.In("", host, err)
	}
	slices.Sort(found)
	var all []artifact.Name
	for _, r := range slices.Compact(found) {
		all = append(all, artifact.Name{Registry: host, Repository: r})
	}
	return all, nil
}

// listRemote lists what a registry has below a path, sorted by name. As many
// repositories are asked for at once as the host takes requests.
func (e *Env) listRemote(ctx context.Context, args *ListArgs, host, path string) (Listing, error) {
	repositories, err := e.repositories(ctx, host, path)
	if err != nil {
		return nil, err
	}
	var read atomic.Int64
	lists, err := eachOf(ctx, e.Settings.atOnce(host), repositories, func(ctx context.Context, repository artifact.Name) (Listing, error) {
		list, err := e.listRepository(ctx, args, repository)
		e.Events.send(Event{State: Counting, Subject: host, Done: read.Add(1), Total: int64(len(repositories))})
		return list, err
	})
	return slices.Concat(append([]Listing{{}}, lists...)...), err
}

// atOnce is how many requests a host takes at a time.
func (s Settings) atOnce(host string) int {
	if n := s.Hosts[host].Concurrency; n > 0 {
		return n
	}
	return max(s.Concurrency, registryConcurrency)
}

// registryConcurrency is what a host takes when nobody says otherwise.
const registryConcurrency = 6

// listRepository lists the tags of one repository. That it has none is no
// failure: registries list repositories whose last tag is gone, and do not know
// them when they are asked.
func (e *Env) listRepository(ctx context.Context, args *ListArgs, repository artifact.Name) (Listing, error) {
	names, err := e.tagsOf(ctx, repository, true)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return nil, err
	}
	if len(names) == 0 && args.ShowEmpty {
		return Listing{named(repository, "")}, nil
	}
	slices.SortFunc(names, func(a, b artifact.Name) int { return strings.Compare(a.Tag, b.Tag) })
	list := make(Listing, 0, len(names))
	for _, name := range names {
		image := named(name, "")
		if args.Long {
			d, raw, err := e.Remote.Manifest(ctx, name)
			if err != nil {
				return nil, fault.In("", name.Tagged(), err)
			}
			if m, err := artifact.ParseManifest(raw); err == nil {
				image = describe(name, d.Digest, m)
			} else {
				image = named(name, d.Digest) // something else than a policy image
			}
		}
		list = append(list, image)
	}
	return list, nil
}
