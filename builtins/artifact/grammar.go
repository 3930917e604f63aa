package artifact

import "strings"

// The grammar of the OCI distribution specification and of Docker's references.
// It is spelled out, not compiled from regular expressions, since every start of
// the program would pay for those.

// isTag: a letter, digit or _, then at most 127 of those and . -
func isTag(s string) bool {
	if s == "" || len(s) > 128 || s[0] == '.' || s[0] == '-' {
		return false
	}
	return every(s, func(c byte) bool { return isAlphanumeric(c) || strings.IndexByte("_.-", c) >= 0 })
}

// isPathPart: lower-case letters and digits, with single separators between
// them: . _ __ or any number of -
func isPathPart(s string) bool {
	for s != "" {
		run := 0
		for run < len(s) && (isDigit(s[run]) || 'a' <= s[run] && s[run] <= 'z') {
			run++
		}
		if run == 0 {
			return false
		}
		if s = s[run:]; s == "" {
			return true
		}
		rest := s
		switch {
		case s[0] == '-':
			rest = strings.TrimLeft(s, "-")
		case strings.HasPrefix(s, "__"):
			rest = s[2:]
		case s[0] == '.', s[0] == '_':
			rest = s[1:]
		}
		if len(rest) == len(s) {
			return false
		}
		s = rest
	}
	return false
}

// isDomain: a host name or an address, IPv6 in brackets, and maybe a port.
func isDomain(s string) bool {
	host, port := s, "0"
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host, port = s[:i], s[i+1:]
	}
	if port == "" || len(port) > 5 || !every(port, isDigit) {
		return false
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		return ok && inner != "" && every(inner, func(c byte) bool { return c == ':' || isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' })
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' || !every(label, func(c byte) bool { return c == '-' || isAlphanumeric(c) }) {
			return false
		}
	}
	return true
}

func every(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isAlphanumeric(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' }
