package registry

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// vendor is what is peculiar to one registry or one family of them. A vendor's
// own API (to list an organisation, to delete a package) will be one more
// column here.
type vendor struct {
	host     string   // as in a reference; ".suffix" for all hosts that end so
	endpoint string   // host that serves it, when it differs
	realms   []string // hosts, besides its own, that issue its tokens
	page     int      // most entries it gives in one page, 0: no limit known
	denied   string   // hint when credentials do not suffice
	missing  string   // hint when a push finds no repository; %s is the repository
	unlisted bool     // its catalog is closed to users: do not ask
}

// The realms of Docker Hub, GitLab and DigitalOcean are as these services
// answered or documented them; rows without realms use their own host.
var vendors = []vendor{
	{host: "docker.io", endpoint: "registry-1.docker.io", realms: []string{"auth.docker.io"}, unlisted: true},
	{host: "ghcr.io", unlisted: true,
		denied: "the token needs the scopes read:packages write:packages delete:packages: policy login -s ghcr.io -u USER"},
	{host: "registry.gitlab.com", realms: []string{"gitlab.com"}, unlisted: true},
	{host: "quay.io", page: 100},
	{host: "public.ecr.aws", missing: "aws ecr-public create-repository --repository-name %s"},
	{host: ".amazonaws.com", missing: "aws ecr create-repository --repository-name %s",
		denied: "aws ecr get-login-password | policy login -s HOST -u AWS --password-stdin"},
	{host: "registry.digitalocean.com", realms: []string{"api.digitalocean.com"}},
}

// vendorOf finds the row of a host; unknown hosts get a row without peculiarities.
func vendorOf(host string) vendor {
	name := hostname(host)
	for _, v := range vendors {
		if v.host == name || strings.HasPrefix(v.host, ".") && strings.HasSuffix(name, v.host) {
			return v
		}
	}
	return vendor{host: host}
}

// pageSize is how many entries to ask for in one page.
func (v vendor) pageSize() int {
	if v.page > 0 {
		return v.page
	}
	return 1000
}

// hostname is host without its port and brackets.
func hostname(host string) string {
	u := url.URL{Host: host}
	return strings.ToLower(u.Hostname())
}

// isLoopback reports whether host is this machine by its spelling: no name is
// resolved for it.
func isLoopback(host string) bool {
	name := hostname(host)
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}

// origin is scheme, host and port of u, with the port always spelled.
func origin(u *url.URL) string {
	return u.Scheme + "://" + withPort(u.Host, u.Scheme)
}

func withPort(host, scheme string) string {
	u := url.URL{Host: host}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// namedHost reports whether u is https and its host is in a list a user wrote,
// where an entry without a port means 443.
func namedHost(u *url.URL, list []string) bool {
	return u.Scheme == "https" && slices.ContainsFunc(list, func(entry string) bool {
		return withPort(entry, "https") == withPort(u.Host, "https")
	})
}

// mayIssueTokens decides whether the realm in a registry's challenge gets its
// credentials: the registry's own origin; its own host name over https on any
// port; or, over https, a host of the vendor's row or one the user named. A
// neighbour (gitlab.example.com for registry.example.com) has to be named:
// whether two hosts have one owner cannot be read off their names.
func (h *host) mayIssueTokens(realm *url.URL) bool {
	if realm.User != nil {
		return false
	}
	if origin(realm) == origin(h.url("")) {
		return true
	}
	if namedHost(realm, h.config.TokenHosts) || namedHost(realm, h.vendor.realms) {
		return true
	}
	// Two ports of one address, or of this machine, may be two owners.
	_, err := netip.ParseAddr(hostname(h.endpoint))
	return realm.Scheme == "https" && err != nil && !isLoopback(h.endpoint) &&
		hostname(realm.Host) == hostname(h.endpoint)
}
