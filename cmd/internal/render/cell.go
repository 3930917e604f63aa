package render

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/vbauerster/mpb/v8/decor"
)

// absent stands where a table has nothing to show.
const absent = "-"

// cell writes a value in one line. The key tells sizes from other numbers.
func (p *Printer) cell(key string, n node) string {
	switch {
	case n.empty():
		return absent
	case n.kind == '[' && n.line():
		var all []string
		for _, item := range n.items {
			if item.kind == '"' && item.text == "" {
				item.text = `""` // an empty text among others is something: the root of all data
			}
			all = append(all, p.cell(key, item))
		}
		return strings.Join(all, ", ")
	case !n.scalar():
		return n.compact()
	case n.kind == '0' && isSize(key):
		if bytes, err := strconv.ParseInt(n.text, 10, 64); err == nil {
			return p.size(bytes)
		}
	case n.kind == '"' && isTime(key):
		if t, err := time.Parse(time.RFC3339, n.text); err == nil {
			return p.time(t)
		}
	}
	return Safe(n.text)
}

func isSize(key string) bool {
	return key == "size" || strings.HasPrefix(key, "bytes_") || strings.HasSuffix(key, "_bytes") || key == "bytes"
}

func isTime(key string) bool { return key == "created" || strings.HasSuffix(key, "_at") }

// compact writes n as JSON-like text on one line.
func (n node) compact() string {
	var parts []string
	for i, item := range n.items {
		text := item.compact()
		if n.kind == '{' {
			text = Safe(n.keys[i]) + ": " + text
		}
		parts = append(parts, text)
	}
	switch n.kind {
	case '{':
		return "{" + strings.Join(parts, ", ") + "}"
	case '[':
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return Safe(n.text)
}

// size is 12.3 MB for people, the number of bytes in a pipe.
func (p *Printer) size(bytes int64) string {
	if p.forPeople() {
		return humanSize(bytes)
	}
	return strconv.FormatInt(bytes, 10)
}

// humanSize counts in thousands, as disks and registries do.
func humanSize(bytes int64) string {
	if bytes < 1000 {
		return fmt.Sprintf("%d B", bytes)
	}
	return strings.ToUpper(fmt.Sprintf("% .1f", decor.SizeB1000(bytes)))
}

// time is how long ago for people, RFC 3339 in UTC in a pipe.
func (p *Printer) time(t time.Time) string {
	if ago := p.now().Sub(t); p.forPeople() && ago >= 0 {
		return humanAge(ago)
	}
	return t.UTC().Format(time.RFC3339)
}

func humanAge(d time.Duration) string {
	const day = 24 * time.Hour
	for _, unit := range []struct {
		length, from time.Duration
		name         string
	}{
		{365 * day, 2 * 365 * day, "years"},
		{30 * day, 60 * day, "months"},
		{7 * day, 14 * day, "weeks"},
		{day, 2 * day, "days"},
		{time.Hour, 2 * time.Hour, "hours"},
		{time.Minute, 2 * time.Minute, "minutes"},
		{time.Second, 2 * time.Second, "seconds"},
	} {
		if d >= unit.from {
			return fmt.Sprintf("%d %s ago", d/unit.length, unit.name)
		}
	}
	return "just now"
}

// Size is a number of bytes as people read it: "12.3 MB".
func Size(bytes int64) string { return humanSize(bytes) }
