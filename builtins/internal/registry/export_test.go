package registry

import "time"

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
