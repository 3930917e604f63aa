package registry

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

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
