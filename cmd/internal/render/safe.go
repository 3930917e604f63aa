package render

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Safe shows what a terminal would obey instead of print: control, escape, C1
// and direction-changing characters, invisible ones and broken UTF-8 become
// \xNN, \uNNNN or \UNNNNNNNN. Newlines and tabs, too: the result is one line.
// Safe of a safe text is the text itself.
func Safe(s string) string { return escape(s, "") }

// SafeLines is [Safe] for a text that may have several lines: newlines and tabs
// stay, and a carriage return before a newline is dropped.
func SafeLines(s string) string {
	return escape(strings.ReplaceAll(s, "\r\n", "\n"), "\n\t")
}

func escape(s, keep string) string {
	bad := func(r rune) bool { return unprintable(r) && !strings.ContainsRune(keep, r) }
	if utf8.ValidString(s) && strings.IndexFunc(s, bad) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !bad(r):
			b.WriteRune(r)
		case r <= 0xff:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += size
	}
	return b.String()
}

// unprintable reports whether a terminal may obey r, or hide it.
func unprintable(r rune) bool {
	switch {
	case r < 0x20:
		return true
	case r < 0x7f:
		return false
	case r < 0xa0:
		return true
	case r == '\u200c' || r == '\u200d': // joiners, which spell words and emoji
		return false
	}
	return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}
