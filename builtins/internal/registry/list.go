package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/regclient/regclient/scheme"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// maxPages bounds a list, whatever its links say.
const maxPages = 10_000

// Tags gives yield the tags of a repository, page by page as the registry sends
// them. Entries that cannot be tags are left out: no reference could name them.
// It fails with NotFound when there is no such repository, or with yield's error.
func (c *Client) Tags(ctx context.Context, registry, repository string, yield func(page []string) error) error {
	n := artifact.Name{Registry: registry, Repository: repository}
	r := c.reg(registry)
	size := vendorOf(registry).pageSize()
	err := c.pages(ctx, n, func(ctx context.Context) error {
		l, err := r.TagList(ctx, refOf(n), scheme.WithTagLimit(size))
		if err != nil {
			return err
		}
		return yield(keep(l.Tags, isTag))
	})
	return toFault(ctx, n, err)
}

// Repositories gives yield the repositories of a registry that are prefix or
// below it (all, for ""), page by page. It fails with Usage, and says how to name
// a repository instead, where a registry does not list.
func (c *Client) Repositories(ctx context.Context, host, prefix string, yield func(page []string) error) error {
	n := artifact.Name{Registry: host}
	v := vendorOf(host)
	if v.unlisted {
		return cannotList(host, fmt.Errorf("it has no catalog for users"))
	}
	r := c.reg(host)
	below := strings.TrimSuffix(prefix, "/")
	err := c.pages(ctx, n, func(ctx context.Context) error {
		l, err := r.RepoList(ctx, host, scheme.WithRepoLimit(v.pageSize()))
		if err != nil {
			return err
		}
		return yield(keep(l.Repositories, func(s string) bool {
			return isRepository(s) && (below == "" || s == below || strings.HasPrefix(s, below+"/"))
		}))
	})
	if a, ok := errors.AsType[*answer](err); ok && ctx.Err() == nil {
		switch a.status {
		case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
			return cannotList(host, a)
		}
	}
	return toFault(ctx, n, err)
}

func cannotList(host string, why error) error {
	return fault.New(fault.Usage, host, "%s cannot list its repositories: %w", host, why).
		WithHint("name a repository to see its tags: policy tags %s/ORG/NAME", host)
}

// pages calls read for each page of a list, until there is no next one. Pages
// that come again end it: a registry's links may run in a circle.
func (c *Client) pages(ctx context.Context, n artifact.Name, read func(context.Context) error) error {
	p := &page{}
	seen := map[string]bool{}
	for range maxPages {
		if err := read(opContext(ctx, call{repo: n.Repository, page: p})); err != nil {
			return err
		}
		next := nextLink(p.next)
		if next == "" {
			return nil
		}
		base := p.from
		if base == nil {
			base = c.host(n.Registry).url("/v2/" + listPath(n))
		}
		u, err := base.Parse(next)
		if err != nil {
			return &mismatch{reason: "its list goes on at something that is no address"}
		}
		key := u.Path + "?" + u.Query().Encode()
		if seen[key] {
			return &mismatch{reason: "the pages of its list run in a circle"}
		}
		seen[key] = true
		p = &page{from: u}
	}
	return &oversize{"the list", maxPages}
}

func listPath(n artifact.Name) string {
	if n.Repository == "" {
		return "_catalog"
	}
	return (&url.URL{Path: n.Repository + "/tags/list"}).Path
}

// keep filters what a registry listed, in place.
func keep(all []string, ok func(string) bool) []string {
	kept := all[:0]
	for _, s := range all {
		if ok(s) {
			kept = append(kept, s)
		}
	}
	return kept
}

// isTag reports whether s is a tag by the grammar of the specification.
func isTag(s string) bool {
	if s == "" || len(s) > 128 || s[0] == '.' || s[0] == '-' {
		return false
	}
	for _, b := range []byte(s) {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '_', b == '.', b == '-':
		default:
			return false
		}
	}
	return true
}

// isRepository reports whether s can be part of a reference.
func isRepository(s string) bool {
	n, err := artifact.ParseName("x.test/"+s, "x.test")
	return err == nil && n.Repository == s
}
