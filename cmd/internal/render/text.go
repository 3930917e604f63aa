package render

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/policyhost/policy/builtins"
)

// text writes v for people and pipes: each result by its own rule, what a script
// made up as JSON, a single value as a line.
func (p *Printer) text(v any) (string, error) {
	if line, ok := line(v); ok {
		return line, nil
	}
	switch v := v.(type) {
	case *builtins.Image:
		return p.images(builtins.Images{v}), nil
	case builtins.Images:
		return p.images(v), nil
	case builtins.Listing:
		return p.imageTable(v), nil
	case *builtins.Decision:
		return p.decision(v)
	case *builtins.Inspection:
		return p.inspection(v)
	case *builtins.Plan:
		return p.plan(v), nil
	case *builtins.TestReport:
		return p.testReport(v), nil
	case *builtins.CheckReport:
		return p.checkReport(v), nil
	case *builtins.Comparison:
		return p.comparison(v), nil
	case []any:
		return p.list(v)
	case []string:
		items := make([]any, len(v))
		for i := range v {
			items[i] = v[i]
		}
		return p.list(items)
	}
	return p.plain(v)
}

// line writes a single value; ok is false when v is more than one.
func line(v any) (text string, ok bool) {
	switch v := v.(type) {
	case string:
		return strings.TrimSuffix(SafeLines(v), "\n") + "\n", true
	case builtins.Secret:
		return "***\n", true
	case time.Time:
		return v.Format(time.RFC3339Nano) + "\n", true
	case time.Duration:
		return v.String() + "\n", true
	case json.Number:
		return v.String() + "\n", true
	}
	switch k := reflect.ValueOf(v).Kind(); {
	case k == reflect.Bool, reflect.Int <= k && k <= reflect.Float64:
		text, err := toJSON(v)
		return text, err == nil
	}
	return "", false
}

// list writes images as tokens, single values as lines, anything else as JSON.
func (p *Printer) list(items []any) (string, error) {
	var images builtins.Images
	var lines strings.Builder
	all := true
	for _, item := range items {
		if image, ok := item.(*builtins.Image); ok {
			images = append(images, image)
		}
		text, ok := line(item)
		lines.WriteString(text)
		all = all && ok
	}
	switch {
	case len(images) == len(items):
		return p.images(images), nil
	case all:
		return lines.String(), nil
	}
	return toJSON(items)
}

// plain writes our own structs as sections and tables; data, whose shape only its
// author knows, as JSON.
func (p *Printer) plain(v any) (string, error) {
	if !isReport(v) {
		return toJSON(v)
	}
	n, err := toNode(v)
	if err != nil {
		return "", err
	}
	if n.kind == '[' {
		if reflect.ValueOf(v).Len() == 0 {
			return "", nil // a table without rows has no columns either
		}
		return p.rows(n).render(p), nil
	}
	var b strings.Builder
	p.section(&b, n, "")
	return b.String(), nil
}

// isReport reports whether v is a struct of ours, or a list of them.
func isReport(v any) bool {
	if _, custom := v.(json.Marshaler); custom {
		return false
	}
	t := reflect.TypeOf(v)
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct
}

// decision writes what was decided; undefined writes nothing. What else was
// asked for follows: explanation and counts. The format Table shows solutions as
// one.
func (p *Printer) decision(d *builtins.Decision) (string, error) {
	var b strings.Builder
	if d.Explain != "" {
		b.WriteString(strings.TrimSuffix(SafeLines(d.Explain), "\n") + "\n")
	}
	var parts []any
	switch {
	case d.Partial != nil:
		parts = append(parts, d.Partial)
	case d.Bindings != nil && p.Format == Table:
		text, err := p.bindings(d)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
	case d.Bindings != nil:
		parts = append(parts, d.Bindings)
	case d.Defined:
		parts = append(parts, d.Result)
	}
	for _, extra := range []json.RawMessage{d.Profile, d.Coverage} {
		if extra != nil {
			parts = append(parts, extra)
		}
	}
	if d.Metrics != nil {
		parts = append(parts, d.Metrics)
	}
	for _, part := range parts {
		text, err := toJSON(part)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// inspection leaves out what the reference already says and the manifest, which
// JSON has whole.
func (p *Printer) inspection(i *builtins.Inspection) (string, error) {
	n, err := toNode(i)
	if err != nil {
		return "", err
	}
	n = n.without("repository", "tag", "manifest", "unchanged")
	for at, key := range n.keys {
		if key == "layers" {
			for j, layer := range n.items[at].items {
				n.items[at].items[j] = layer.without("annotations", "urls", "data", "platform")
			}
		}
	}
	var b strings.Builder
	p.section(&b, n, "")
	return b.String(), nil
}

// section writes an object as "key: value" lines, aligned for people; what is
// empty is left out.
func (p *Printer) section(b *strings.Builder, n node, indent string) {
	width := 0
	if p.forPeople() {
		for i, key := range n.keys {
			if n.items[i].line() && !n.items[i].empty() {
				width = max(width, displayWidth(Safe(key)))
			}
		}
	}
	for i, key := range n.keys {
		item := n.items[i]
		if item.empty() {
			continue
		}
		if item.line() {
			fmt.Fprintf(b, "%s%s:%s %s\n", indent, Safe(key), pad(Safe(key), width), p.cell(key, item))
			continue
		}
		fmt.Fprintf(b, "%s%s:\n", indent, Safe(key))
		p.block(b, item, indent+"  ")
	}
}

func (p *Printer) block(b *strings.Builder, n node, indent string) {
	if n.kind == '{' {
		p.section(b, n, indent)
		return
	}
	if t := p.rows(n); t != nil {
		for line := range strings.Lines(t.render(p)) {
			b.WriteString(indent + line)
		}
		return
	}
	for _, item := range n.items {
		fmt.Fprintf(b, "%s- %s\n", indent, p.cell("", item))
	}
}

// line reports whether n fits behind its key: a value, or a few of them.
func (n node) line() bool {
	if n.kind != '[' {
		return n.scalar()
	}
	long := 0
	for _, item := range n.items {
		if !item.scalar() {
			return false
		}
		long += len(item.text) + 2
	}
	return long <= 100
}
