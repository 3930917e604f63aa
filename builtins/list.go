package builtins

import (
	"context"
	"slices"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// ListArgs are the arguments of [List].
type ListArgs struct {
	Prefix       string `arg:"" optional:"" complete:"repository" help:"Registry, organisation or repository to list, for example ghcr.io/acme."`
	Server       string `short:"s" placeholder:"HOST" complete:"server" help:"Registry to list; the default domain if only an organisation is given."`
	Organization string `placeholder:"ORG" name:"organization" star:"org" short:"o" help:"Organisation to list: the first part of a repository's path."`
	Remote       bool   `short:"r" help:"Ask the registry instead of the local store."`
	ShowEmpty    bool   `short:"e" help:"Show repositories of the registry that have no tags, too; the local store has none."`
	Long         bool   `short:"l" help:"Ask the registry for each image's digest, size and creation time, too; local images always show them."`
}

// AtRegistry makes List ask the registry: it stands below "policy remote".
func (args *ListArgs) AtRegistry() { args.Remote = true }

// List gives the images of the local store, newest first, or with remote those
// of a registry, by name. It fails with NotFound when the registry does not
// list, Denied when it refuses, Unavailable when it cannot answer.
func List(ctx context.Context, e *Env, args *ListArgs) (Listing, error) {
	args, only, err := args.exact(e)
	if err != nil {
		return nil, err
	}
	host, path, err := args.scope(e)
	if err != nil {
		return nil, err
	}
	if args.Remote {
		images, err := e.listRemote(ctx, args, host, path)
		return only.among(images), err
	}
	entries, err := e.Store.List(ctx)
	if err != nil {
		return nil, err
	}
	images := Listing{}
	for _, entry := range entries {
		image := e.listed(entry)
		// A name without a registry and an organisation is below library/.
		short := host == e.Settings.DefaultDomain && path != "" && !strings.Contains(path, "/")
		if within(image.Repository, host, path) || short && within(image.Repository, host, "library/"+path) {
			if err := e.fill(ctx, image, entry); err != nil {
				return nil, err
			}
			images = append(images, image)
		}
	}
	slices.SortStableFunc(images, newestFirst)
	return only.among(images), nil
}

// one is the image that a whole reference means; the zero value is any.
type one struct{ repository, tag, digest string }

// exact takes what the verbs print, name:tag@digest, for that image alone.
func (args *ListArgs) exact(e *Env) (*ListArgs, one, error) {
	last := args.Prefix[strings.LastIndexByte(args.Prefix, '/')+1:]
	_, after, tagged := strings.Cut(last, ":")
	port := last == args.Prefix && strings.Trim(after, "0123456789") == ""
	if !tagged || port || args.Server != "" || args.Organization != "" {
		return args, one{}, nil
	}
	n, err := artifact.ParseName(args.Prefix, e.Settings.DefaultDomain)
	if err != nil {
		return args, one{}, err
	}
	copied := *args
	copied.Prefix = n.Registry + "/" + n.Repository
	return &copied, one{copied.Prefix, n.Tag, n.Digest.String()}, nil
}

func (o one) among(images Listing) Listing {
	return slices.DeleteFunc(images, func(i *Image) bool {
		return o.repository != "" && i.Repository != o.repository ||
			o.tag != "" && i.Tag != o.tag ||
			o.digest != "" && i.Digest != "" && string(i.Digest) != o.digest
	})
}

func newestFirst(a, b *Image) int {
	switch {
	case a.Created != nil && b.Created != nil && !a.Created.Equal(*b.Created):
		return b.Created.Compare(*a.Created)
	case (a.Created == nil) != (b.Created == nil):
		if a.Created == nil {
			return 1
		}
		return -1
	}
	return strings.Compare(a.Ref, b.Ref)
}

// scope is what to list: a host and a path below it; both may be empty.
func (args *ListArgs) scope(e *Env) (host, path string, err error) {
	host, path = args.Server, args.Organization
	if args.Prefix != "" {
		if host != "" || path != "" {
			return "", "", fault.New(fault.Usage, args.Prefix, "says what to list, and so do --server and --organization").
				WithHint("type one or the other: policy images %s", args.Prefix)
		}
		first, rest, _ := strings.Cut(args.Prefix, "/")
		if strings.ContainsAny(first, ".:") || first == "localhost" {
			host, path = first, rest
		} else {
			host, path = e.Settings.DefaultDomain, args.Prefix
		}
	}
	if host == "" && (path != "" || args.Remote) {
		host = e.Settings.DefaultDomain
	}
	if host != "" {
		// The grammar of references decides what a host and a path may be.
		name, err := artifact.ParseName(host+"/"+strings.Trim(path+"/x", "/"), host)
		if err != nil {
			return "", "", err
		}
		host = name.Registry
	}
	return host, strings.Trim(path, "/"), nil
}

// within reports whether repository lies under host and path, whole parts only.
func within(repository, host, path string) bool {
	if host == "" {
		return true
	}
	rest, ok := strings.CutPrefix(repository, host+"/")
	return ok && (path == "" || rest == path || strings.HasPrefix(rest, path+"/"))
}
