package registry

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/policyhost/policy/runtime/fault"
)

// quota is what an answer's headers say about how often its sender may be asked.
// Documented spellings:
//
//   - X-RateLimit-Limit, -Remaining, -Reset (Unix time): GitHub,
//     https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api,
//     and the API of Docker Hub, with X-Retry-After (Unix time) on a refusal,
//     https://docs.docker.com/reference/api/hub/latest/#tag/rate-limiting
//   - RateLimit-Limit, -Remaining, -Reset (Unix time): GitLab,
//     https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/
//   - RateLimit-Limit and -Remaining as "100;w=21600", requests in a window of so
//     many seconds: the registry of Docker Hub,
//     https://docs.docker.com/docker-hub/usage/pulls/
type quota struct {
	limit  string        // requests that are allowed, "" if not said
	window time.Duration // in so much time, 0 if not said
	spent  bool          // none is left
	reset  time.Duration // until there are some again, 0 if not said
	at     time.Time     // the same as a time of day
}

func quotaOf(h http.Header, now time.Time) quota {
	get := func(name string) string { return cmp.Or(h.Get("X-RateLimit-"+name), h.Get("RateLimit-"+name)) }
	var q quota
	limit, params, _ := strings.Cut(get("Limit"), ";")
	if n, err := strconv.ParseUint(strings.TrimSpace(limit), 10, 31); err == nil {
		q.limit = strconv.FormatUint(n, 10)
	}
	if w, ok := strings.CutPrefix(strings.TrimSpace(params), "w="); ok {
		if n, err := strconv.ParseUint(w, 10, 31); err == nil {
			q.window = time.Duration(n) * time.Second
		}
	}
	remaining, _, _ := strings.Cut(get("Remaining"), ";")
	q.spent = strings.TrimSpace(remaining) == "0"
	q.reset = untilUnix(h.Get("X-Retry-After"), now)
	if q.reset == 0 && q.spent {
		q.reset = untilUnix(get("Reset"), now)
	}
	if q.reset > 0 {
		q.at = now.Add(q.reset)
	}
	return q
}

// untilUnix is the time from now to a Unix time; a number that is too small to be
// one is the time itself, in seconds. What cannot be read or is over gives 0.
func untilUnix(s string, now time.Time) time.Duration {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil || n <= 0 || n > 1<<40 {
		return 0
	}
	if n < 1e9 {
		return time.Duration(n) * time.Second
	}
	return max(0, time.Unix(n, 0).Sub(now).Round(time.Second))
}

// known reports whether it is clear that asking again soon will not do.
func (q quota) known() bool { return q.reset > 0 || q.spent && q.window > 0 }

// exhausted reports whether a refusal is about how often its sender was asked.
// GitHub says so with 403, too.
func (e *answer) exhausted() bool {
	return e.status == http.StatusTooManyRequests ||
		e.status == http.StatusForbidden && (e.quota.spent || e.asked > 0)
}

// wait is how long the sender asks to be left alone, 0 if it does not say.
func (e *answer) wait() time.Duration {
	if e.asked == 0 && e.quota.reset == 0 && e.quota.spent {
		return e.quota.window // at worst
	}
	return max(e.asked, e.quota.reset)
}

// exhaustedFault says when to come back.
func exhaustedFault(a *answer) *fault.Error {
	when := ""
	switch {
	case a.quota.reset > 0:
		when = fmt.Sprintf(", it asks to come back in %s, at %s", spell(a.quota.reset), a.quota.at.UTC().Format("15:04:05 MST"))
	case a.asked > 0:
		when = fmt.Sprintf(", it asks to come back in %s", spell(a.asked))
	case a.quota.limit != "" && a.quota.window > 0:
		when = fmt.Sprintf(", it allows %s in %s", a.quota.limit, spell(a.quota.window))
	}
	f := fault.New(fault.Unavailable, "", "too many requests%s: %w", when, a)
	if !a.sent {
		f.Hint = "registries allow more to those who log in: policy login -s " + a.host + " -u USER"
	}
	return f
}

// spell is a duration without the units that are zero: 6h, 40m, 1m30s.
func spell(d time.Duration) string {
	s := d.Round(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
