package registry

import (
	"net/http"
	"net/url"
	"time"
)

// What the fuzz targets and tables reach into.

// Challenges reads WWW-Authenticate headers as scheme and parameters.
func Challenges(headers []string) (all []map[string]string) {
	for _, c := range parseChallenges(headers) {
		m := map[string]string{"": c.scheme}
		for k, v := range c.params {
			m[k] = v
		}
		all = append(all, m)
	}
	return all
}

var (
	MergeScopes = mergeScopes
	NextLink    = nextLink
	ErrorBody   = errorBody
	RetryAfter  = func(s string, now time.Time) time.Duration { return retryAfter(s, now) }
	Blobs       = blobs
	ParseToken  = func(b []byte) (string, time.Duration, error) {
		t, err := parseToken(b, "server")
		if err != nil {
			return "", 0, err
		}
		return t.value(), t.life(), nil
	}
	Classify = func(method, path string) (string, int) {
		repo, k := classify(method, path)
		return repo, int(k)
	}
)

// MayIssueTokens asks whether a registry's realm is known for it.
func MayIssueTokens(registry, realm string, conf HostConfig) bool {
	u, err := url.Parse(realm)
	return err == nil && testHost(registry, conf).mayIssueTokens(u)
}

// MayGo asks whether a registry may redirect.
func MayGo(registry, from, to string) error {
	f, err := url.Parse(from)
	if err != nil {
		return err
	}
	t, err := url.Parse(to)
	if err != nil {
		return err
	}
	return testHost(registry, HostConfig{}).mayGo(f, t)
}

// MayDial asks whether a name a registry pointed to may resolve to address.
func MayDial(address string) error { return refuseLocal("tcp", address, nil) }

func testHost(registry string, conf HostConfig) *host {
	return New(Options{Host: func(string) HostConfig { return conf }}).host(registry)
}

// VendorOf names the row of a host.
func VendorOf(host string) string { return vendorOf(host).name }

// Quota reads what headers say about how often somebody may be asked.
func Quota(h http.Header, now time.Time) (reset, window time.Duration, spent bool) {
	q := quotaOf(h, now)
	return q.reset, q.window, q.spent
}
