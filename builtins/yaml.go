package builtins

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"

	"github.com/policyhost/policy/runtime/fault"
)

// yamlToJSON gives the JSON of a file with one YAML document: keys in their
// order, integers exact, 1.0 still 1.0. It fails with Invalid, naming the file
// and the line.
func yamlToJSON(name string, text []byte) (json.RawMessage, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return json.RawMessage("null"), nil
	} else if err != nil {
		return nil, fault.New(fault.Invalid, name, "not YAML: %w", err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Invalid, name, "holds more than one YAML document").
			WithHint("keep each in a file of its own")
	}
	w := &yamlWriter{left: maxYAMLNodes}
	if err := w.write(&document); err != nil {
		return nil, fault.New(fault.Invalid, name, "%w", err)
	}
	return w.Bytes(), nil
}

// What aliases may unfold to: an alias can stand for many values, or for what it
// stands in.
const (
	maxYAMLNodes = 5_000_000
	maxYAMLDepth = 10_000
)

type yamlWriter struct {
	bytes.Buffer
	left  int // nodes that may still be written
	depth int
}

func (w *yamlWriter) write(n *yaml.Node) error {
	if err := w.enter(n); err != nil {
		return err
	}
	defer func() { w.depth-- }()
	switch n.Kind {
	case yaml.DocumentNode:
		return w.write(n.Content[0])
	case yaml.AliasNode:
		return w.write(n.Alias)
	case yaml.SequenceNode:
		w.WriteByte('[')
		for i, item := range n.Content {
			if i > 0 {
				w.WriteByte(',')
			}
			if err := w.write(item); err != nil {
				return err
			}
		}
		w.WriteByte(']')
		return nil
	case yaml.MappingNode:
		return w.object(n)
	}
	return w.scalar(n)
}

func (w *yamlWriter) enter(n *yaml.Node) error {
	w.left--
	w.depth++
	if w.left < 0 || w.depth > maxYAMLDepth {
		return fmt.Errorf("line %d: its aliases unfold to too much: %d values, %d deep, are the most", n.Line, maxYAMLNodes, maxYAMLDepth)
	}
	return nil
}

// object writes a mapping; what << merges comes after the mapping's own keys and
// yields to them.
func (w *yamlWriter) object(n *yaml.Node) error {
	w.WriteByte('{')
	seen := map[string]bool{}
	if err := w.members(n, seen, false); err != nil {
		return err
	}
	w.WriteByte('}')
	return nil
}

func (w *yamlWriter) members(n *yaml.Node, seen map[string]bool, merged bool) error {
	if err := w.enter(n); err != nil { // a mapping may merge itself
		return err
	}
	defer func() { w.depth-- }()
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		for key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		switch {
		case key.ShortTag() == "!!merge":
			merges = append(merges, value)
			continue
		case key.Kind != yaml.ScalarNode:
			return fmt.Errorf("line %d: a key must be text", key.Line)
		case seen[key.Value] && merged:
			continue
		case seen[key.Value]:
			return fmt.Errorf("line %d: the key %q stands twice", key.Line, key.Value)
		}
		if len(seen) > 0 {
			w.WriteByte(',')
		}
		seen[key.Value] = true
		if err := w.text(key.Value); err != nil {
			return err
		}
		w.WriteByte(':')
		if err := w.write(value); err != nil {
			return err
		}
	}
	for _, m := range merges {
		for m.Kind == yaml.AliasNode {
			m = m.Alias
		}
		from := []*yaml.Node{m}
		if m.Kind == yaml.SequenceNode {
			from = m.Content
		}
		for _, f := range from {
			for f.Kind == yaml.AliasNode {
				f = f.Alias
			}
			if f.Kind != yaml.MappingNode {
				return fmt.Errorf("line %d: only mappings can be merged", f.Line)
			}
			if err := w.members(f, seen, true); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *yamlWriter) scalar(n *yaml.Node) error {
	switch n.ShortTag() {
	case "!!null":
		w.WriteString("null")
		return nil
	case "!!int", "!!float":
		if json.Valid([]byte(n.Value)) {
			w.WriteString(n.Value)
			return nil
		}
		fallthrough
	case "!!bool":
		var v any
		if err := n.Decode(&v); err != nil {
			return err
		}
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("line %d: JSON has no %s", n.Line, n.Value)
		}
		w.Write(text)
		return nil
	}
	return w.text(n.Value)
}

func (w *yamlWriter) text(s string) error {
	text, err := json.Marshal(s)
	w.Write(text)
	return err
}
