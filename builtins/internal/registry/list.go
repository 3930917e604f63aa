package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

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
	err := c.list(ctx, n, "/v2/"+repository+"/tags/list", func(body []byte) error {
		var page struct {
			Tags []string `json:"tags"`
		}
		if err := decode(body, "list of tags", &page); err != nil {
			return err
		}
		return yield(keep(page.Tags, isTag))
	})
	return toFault(ctx, n, err)
}

// Repositories gives yield the repositories of a registry that are prefix or
// below it (all, for ""), page by page, through the vendor's own API where that
// is what lists. It fails with Usage, and says how to name a repository instead,
// where a registry does not list.
func (c *Client) Repositories(ctx context.Context, host, prefix string, yield func(page []string) error) error {
	n := artifact.Name{Registry: host, Repository: strings.Trim(prefix, "/")}
	below := func(page []string) error {
		return yield(keep(page, func(s string) bool {
			return isRepository(s) && (n.Repository == "" || s == n.Repository || strings.HasPrefix(s, n.Repository+"/"))
		}))
	}
	v := c.host(host).vendor
	if v.calls.list != nil {
		err := c.ask(ctx, n, func(s *session) error { return v.calls.list(ctx, s, n.Repository, below) })
		if !errors.Is(err, errUseCatalog) {
			return toFault(ctx, n, err)
		}
	}
	if v.unlisted {
		return cannotList(host, fmt.Errorf("it has no catalog for users"))
	}
	err := c.list(ctx, artifact.Name{Registry: host}, "/v2/_catalog", func(body []byte) error {
		var page struct {
			Repositories []string `json:"repositories"`
		}
		if err := decode(body, "list of repositories", &page); err != nil {
			return err
		}
		return below(page.Repositories)
	})
	if a, ok := errors.AsType[*answer](err); ok && ctx.Err() == nil {
		switch a.status {
		case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
			return cannotList(host, a)
		}
	}
	return toFault(ctx, artifact.Name{Registry: host}, err)
}

func cannotList(host string, why error) error {
	return fault.New(fault.Usage, host, "%s cannot list its repositories: %w", host, why).
		WithHint("name a repository to see its tags: policy tags %s/ORG/NAME", host)
}

// list reads the pages of one of the protocol's own lists.
func (c *Client) list(ctx context.Context, n artifact.Name, path string, read func(body []byte) error) error {
	h := c.host(n.Registry)
	first := h.url(path)
	first.RawQuery = url.Values{"n": {strconv.Itoa(h.vendor.pageSize())}}.Encode()
	return follow(first, func(u *url.URL) (string, error) {
		if !h.is(u) {
			return "", &refusal{host: h.name, reason: "its list goes on at " + u.Host}
		}
		body, header, err := c.get(ctx, n, u)
		if err != nil {
			return "", err
		}
		return nextLink(strings.Join(header.Values("Link"), ",")), read(body)
	})
}

// get reads something small from the registry itself.
func (c *Client) get(ctx context.Context, n artifact.Name, u *url.URL) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(opContext(ctx, call{repo: n.Repository}), http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := (&wire{c: c, home: c.host(n.Registry)}).RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body) // bounded by receive
	return body, resp.Header, err
}

// follow reads the pages of a list, from first until read gives no next address.
// Pages that come again end it: a list's links may run in a circle.
func follow(first *url.URL, read func(u *url.URL) (next string, err error)) error {
	u := first
	seen := map[string]bool{}
	for range maxPages {
		next, err := read(u)
		if err != nil || next == "" {
			return err
		}
		if u, err = u.Parse(next); err != nil {
			return &mismatch{reason: "its list goes on at something that is no address"}
		}
		key := u.Path + "?" + u.Query().Encode()
		if seen[key] {
			return &mismatch{reason: "the pages of its list run in a circle"}
		}
		seen[key] = true
	}
	return &oversize{"the list", maxPages}
}

// decode reads an answer that should be JSON, whatever it calls itself.
func decode(body []byte, what string, into any) error {
	err := json.Unmarshal(body, into)
	switch {
	case err == nil:
		return nil
	case len(bytes.TrimSpace(body)) == 0:
		return &mismatch{reason: "it answered with nothing in place of its " + what}
	case bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")):
		return &mismatch{reason: "it answered with a web page in place of its " + what}
	}
	return &mismatch{reason: fmt.Sprintf("its %s is not what it should be: %v", what, err)}
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
