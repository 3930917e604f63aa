package registry

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// maxRedirects is how many times one request is sent elsewhere.
const maxRedirects = 5

// metadata lists addresses, besides the link-local ones, at which clouds hand
// out the machine's own credentials.
var metadata = []netip.Addr{
	netip.AddrFrom4([4]byte{100, 100, 100, 200}),                           // Alibaba
	netip.AddrFrom16([16]byte{0xfd, 0x00, 0x0e, 0xc2, 14: 0x02, 15: 0x54}), // AWS, IPv6
	netip.AddrFrom4([4]byte{168, 63, 129, 16}),                             // Azure
	netip.AddrFrom16([16]byte{0xfd, 0x20, 0x00, 0xce, 14: 0x02, 15: 0x54}), // Google, IPv6
	netip.AddrFrom4([4]byte{192, 0, 0, 192}),                               // Oracle
}

// forbidden reports whether no registry may send us to ip. Loopback is judged
// by the caller.
func forbidden(ip netip.Addr) bool {
	ip = ip.Unmap()
	if ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() || ip.IsMulticast() || ip.IsUnspecified() {
		return true
	}
	for _, m := range metadata {
		if ip == m {
			return true
		}
	}
	return false
}

// mayGo decides whether a registry may send a request on from one URL to
// another. Names are judged by their spelling here and by the address they
// resolve to when they are dialled (refuseLocal).
func (h *host) mayGo(from, to *url.URL) error {
	no := func(format string, args ...any) error {
		return &refusal{host: h.name, reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case to.Host == "" || to.Scheme != "http" && to.Scheme != "https":
		return no("it redirects to something that is not a web address")
	case to.User != nil:
		return no("it redirects to an address with credentials in it")
	case from.Scheme == "https" && to.Scheme == "http":
		return no("it redirects from https to plain http, at %s", to.Host)
	}
	local := isLoopback(to.Host)
	if ip, err := netip.ParseAddr(hostname(to.Host)); err == nil && forbidden(ip) {
		return no("it redirects to %s, where no registry is", to.Host)
	}
	if local && !isLoopback(h.endpoint) {
		return no("it redirects to this machine, %s", to.Host)
	}
	if h.handler != nil {
		return no("the embedded registry does not redirect")
	}
	return nil
}

// refuseLocal is a dialer's control function: it sees the address a name has
// resolved to, so that no name leads where mayGo would not go.
func refuseLocal(_, address string, _ syscall.RawConn) error {
	hostPort, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	ip, err := netip.ParseAddr(hostPort)
	if err != nil {
		return err
	}
	if ip.Unmap().IsLoopback() || forbidden(ip) {
		return &refusal{host: address, reason: "a redirect leads to " + hostPort + ", where no registry is"}
	}
	return nil
}

// redirected returns where resp sends its request, or nil if it does not. Only
// reads follow 301 to 303; uploads keep method and body or go nowhere.
func redirected(resp *http.Response, method string) (*url.URL, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther:
		if method != http.MethodGet && method != http.MethodHead {
			return nil, nil
		}
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	location := resp.Header.Get("Location")
	if location == "" {
		return nil, nil
	}
	u, err := resp.Request.URL.Parse(location)
	if err != nil || strings.ContainsAny(location, "\r\n") {
		return nil, &mismatch{reason: "it redirects to something that is not a web address"}
	}
	return u, nil
}
