package render

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/policyhost/policy/builtins"
)

// text writes v for people and pipes: each result by its own rule, what a script
// made up as JSON, a single value as a line.
func (p *Printer) text(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return strings.TrimSuffix(SafeLines(v), "\n") + "\n", nil
	case builtins.Secret:
		return "***\n", nil
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
	case *builtins.TestReport:
		return p.testReport(v), nil
	case []any:
		return p.list(v)
	}
	return p.plain(v)
}

// list writes images as tokens, single values as lines, anything else as JSON.
func (p *Printer) list(items []any) (string, error) {
	var images builtins.Images
	lines := true
	for _, item := range items {
		image, ok := item.(*builtins.Image)
		if ok {
			images = append(images, image)
		}
		lines = lines && item != nil && isLine(item)
	}
	if len(images) == len(items) {
		return p.images(images), nil
	}
	if !lines {
		return toJSON(items)
	}
	var b strings.Builder
	for _, item := range items {
		line, err := p.text(item)
		if err != nil {
			return "", err
		}
		b.WriteString(line)
	}
	return b.String(), nil
}

// isLine reports whether text writes v as a single value.
func isLine(v any) bool {
	switch v.(type) {
	case builtins.Secret, json.Number:
		return true
	}
	switch k := reflect.TypeOf(v).Kind(); k {
	case reflect.String, reflect.Bool:
		return true
	default:
		return reflect.Int <= k && k <= reflect.Float64 && k != reflect.Uintptr
	}
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
// asked for follows: explanation and counts.
func (p *Printer) decision(d *builtins.Decision) (string, error) {
	var b strings.Builder
	if d.Explain != "" {
		b.WriteString(strings.TrimSuffix(SafeLines(d.Explain), "\n") + "\n")
	}
	var parts []any
	switch {
	case d.Partial != nil:
		parts = append(parts, d.Partial)
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
				width = max(width, displayWidth(label(key)))
			}
		}
	}
	for i, key := range n.keys {
		item := n.items[i]
		if item.empty() {
			continue
		}
		if item.line() {
			fmt.Fprintf(b, "%s%s:%s %s\n", indent, label(key), pad(label(key), width), p.cell(key, item))
			continue
		}
		fmt.Fprintf(b, "%s%s:\n", indent, label(key))
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

// label is a key as people read it.
func label(key string) string { return Safe(strings.ReplaceAll(key, "_", " ")) }

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
