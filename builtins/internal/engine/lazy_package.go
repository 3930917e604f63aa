package engine

import (
	"strings"
	"unicode"
)

// scanPackage reads a module's package clause without parsing the module: of 500
// modules a query may reach five. It gives up on anything unusual.
func scanPackage(src string) ([]string, bool) {
	src = strings.TrimPrefix(src, "\ufeff")
	for {
		src = strings.TrimLeft(src, " \t\r\n")
		if !strings.HasPrefix(src, "#") {
			break
		}
		end := strings.IndexByte(src, '\n')
		if end < 0 {
			return nil, false
		}
		src = src[end+1:]
	}
	rest, ok := strings.CutPrefix(src, "package")
	if !ok || rest == "" || (rest[0] != ' ' && rest[0] != '\t') {
		return nil, false
	}
	rest = strings.TrimLeft(rest, " \t")
	var path []string
	name, rest := word(rest)
	if name == "" {
		return nil, false
	}
	path = append(path, name)
	for rest != "" {
		switch rest[0] {
		case '.':
			if name, rest = word(rest[1:]); name == "" {
				return nil, false
			}
			path = append(path, name)
		case '[':
			text, after, ok := strings.Cut(strings.TrimPrefix(rest, `["`), `"]`)
			if !ok || len(text) == len(rest) || strings.ContainsAny(text, "\"\\\n") {
				return nil, false
			}
			path = append(path, text)
			rest = after
		default:
			rest = strings.TrimLeft(rest, " \t")
			return path, rest == "" || strings.IndexByte("\r\n;#", rest[0]) >= 0
		}
	}
	return path, true
}

// word takes an identifier from the front of s.
func word(s string) (string, string) {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return s[:i], s[i:]
		}
	}
	return s, ""
}
