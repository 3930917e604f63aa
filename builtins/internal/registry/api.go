package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// calls are what a vendor's own API does that the distribution protocol has no
// request for, or that the vendor's registry does not do. nil is: nothing.
type calls struct {
	login  func(ctx context.Context, s *session) (http.Header, error) // nil: no credentials are sent
	header http.Header                                                // sent with every request

	list             func(ctx context.Context, s *session, prefix string, yield func([]string) error) error
	deleteTag        func(ctx context.Context, s *session, n artifact.Name) error
	deleteRepository func(ctx context.Context, s *session, n artifact.Name) error
	setPublic        func(ctx context.Context, s *session, n artifact.Name, public bool) error
	unit             func(n artifact.Name) string // what setPublic changes, when it is more than the repository
}

// errUseCatalog is the answer of a list that the protocol's own does better.
var errUseCatalog = errors.New("the catalog lists more")

// unknownAPI stands for the address of an API that nobody has configured.
const unknownAPI = "?"

// session is what one operation asks of a vendor's API, with the registry's
// credentials, through the same transport as everything else.
type session struct {
	ctx  context.Context
	c    *Client
	n    artifact.Name // what the operation is about
	home *host         // its registry
	to   *host         // who is asked
	base *url.URL
	cred Credential
	auth http.Header // what authenticates, from calls.login

	loggingIn bool // calls.login is under way: asking for a token changes nothing
}

// ask opens a session and runs fn with it.
func (c *Client) ask(ctx context.Context, n artifact.Name, fn func(*session) error) error {
	home := c.host(n.Registry)
	s := &session{ctx: ctx, c: c, n: n, home: home, to: home, base: home.url("")}
	switch {
	case home.vendor.api == unknownAPI:
		return fault.New(fault.Usage, n.Registry, "the address of its API is not known").
			WithHint("name it in config.yaml: registries: {%q: {vendor: %s, api: https://…}}", n.Registry, home.vendor.name)
	case home.vendor.api != "":
		base, err := url.Parse(strings.TrimSuffix(home.vendor.api, "/"))
		if err != nil || base.Host == "" {
			return fault.New(fault.Usage, n.Registry, "%q is not the address of an API", home.vendor.api)
		}
		s.base = base
		if !home.is(base) {
			s.to = c.foreign(base, false)
		}
	}
	if home.vendor.calls.login != nil {
		cred, err := c.o.Credentials(ctx, home.name, n.Repository)
		if err != nil {
			return err
		}
		s.cred = cred
		s.loggingIn = true
		if s.auth, err = home.vendor.calls.login(ctx, s); err != nil {
			return err
		}
		s.loggingIn = false
	}
	return fn(s)
}

// send makes one request below the API's address and decodes the answer into
// into, unless that is nil. Parts of path are escaped already.
func (s *session) send(method, path string, body, into any) (http.Header, error) {
	u, err := url.Parse(s.base.String() + path)
	if err != nil {
		return nil, err
	}
	return s.do(method, u, body, into)
}

func (s *session) do(method string, u *url.URL, body, into any) (http.Header, error) {
	if origin(u) != origin(s.base) {
		return nil, &refusal{host: s.home.name, reason: "its API goes on at " + u.Host}
	}
	req, err := http.NewRequestWithContext(s.ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	for _, more := range []http.Header{s.home.vendor.calls.header, s.auth} {
		for name, values := range more {
			req.Header[name] = values
		}
	}
	x := &exchange{
		c: s.c, home: s.home, to: s.to, call: &call{}, req: req, url: u, repo: s.n.Repository, kind: listing,
		attempts: s.c.o.Timeouts.Attempts, anonymous: true, api: u.Host, basic: req.Header.Get("Authorization"), sent: s.cred,
	}
	_, x.secret, _ = strings.Cut(x.basic, " ")
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/json")
		x.size = int64(len(text))
		x.body = func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
	}
	does := method
	if s.loggingIn {
		does = http.MethodGet
	}
	if err := s.c.o.Allow(does, s.home.name, s.n.Repository); err != nil {
		return nil, err
	}
	resp, err := x.carry()
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if into == nil {
		return resp.Header, nil
	}
	text, err := io.ReadAll(resp.Body) // bounded by receive
	if err != nil {
		return nil, err
	}
	return resp.Header, decode(text, "answer", into)
}

// pages reads a list whose pages are linked by Link headers, from path on.
func pages[Item any](s *session, path string, yield func([]Item) error) error {
	first, err := url.Parse(s.base.String() + path)
	if err != nil {
		return err
	}
	return follow(first, func(u *url.URL) (string, error) {
		var items []Item
		header, err := s.do(http.MethodGet, u, nil, &items)
		if err != nil {
			return "", err
		}
		return nextLink(strings.Join(header.Values("Link"), ",")), yield(items)
	})
}

// bearer is the header of a token, none for an empty one.
func bearer(token string) http.Header {
	if token == "" {
		return nil
	}
	return http.Header{"Authorization": {"Bearer " + token}}
}

// secret is what the credential proves itself with.
func (c Credential) secret() string {
	for _, s := range []string{c.Password, c.RegistryToken, c.IdentityToken} {
		if s != "" {
			return s
		}
	}
	return ""
}

// status is the status that err is about, 0 if it is no answer.
func status(err error) int {
	if a, ok := errors.AsType[*answer](err); ok {
		return a.status
	}
	return 0
}
