package registry

import (
	"slices"
	"strings"
)

// challenge is one way to authenticate, from a WWW-Authenticate header.
type challenge struct {
	scheme string // lower case: basic, bearer
	params map[string]string
}

// parseChallenges reads WWW-Authenticate headers as servers write them: several
// challenges in one header, quoted and bare values, stray commas. What it
// cannot read it skips.
func parseChallenges(headers []string) []challenge {
	var all []challenge
	for _, s := range headers {
		first := len(all)
		for {
			s = strings.TrimLeft(s, " \t,")
			if s == "" {
				break
			}
			n := tokenLen(s)
			if n == 0 {
				s = s[1:]
				continue
			}
			word := strings.ToLower(s[:n])
			rest := strings.TrimLeft(s[n:], " \t")
			if !strings.HasPrefix(rest, "=") || len(all) == first {
				all = append(all, challenge{scheme: word, params: map[string]string{}})
				s = s[n:]
				continue
			}
			var value string
			value, s = paramValue(strings.TrimLeft(rest[1:], " \t"))
			if c := all[len(all)-1]; c.params[word] == "" {
				c.params[word] = value
			}
		}
	}
	return all
}

// tokenLen is the length of the HTTP token s begins with.
func tokenLen(s string) int {
	i := strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
	if i < 0 {
		return len(s)
	}
	return i
}

// paramValue reads a quoted or bare value and returns what follows it.
func paramValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		// Bare values are tokens by the grammar; realms in the wild are URLs.
		if i := strings.IndexAny(s, ", \t"); i >= 0 {
			return s[:i], s[i:]
		}
		return s, ""
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

// mergeScopes joins scopes such as repository:NAME:pull,push: one entry for
// each resource with all actions asked for, sorted.
func mergeScopes(scopes ...string) []string {
	actions := map[string][]string{}
	for _, s := range scopes {
		for _, s := range strings.Fields(s) {
			i := strings.LastIndexByte(s, ':')
			if i < 0 {
				actions[s] = nil
				continue
			}
			for a := range strings.SplitSeq(s[i+1:], ",") {
				if a != "" && !slices.Contains(actions[s[:i+1]], a) {
					actions[s[:i+1]] = append(actions[s[:i+1]], a)
				}
			}
		}
	}
	var merged []string
	for resource, a := range actions {
		slices.Sort(a)
		merged = append(merged, resource+strings.Join(a, ","))
	}
	slices.Sort(merged)
	return merged
}
