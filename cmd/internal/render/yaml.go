package render

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// toYAML writes v with the keys and the numbers of its JSON.
func toYAML(v any) (string, error) {
	n, err := toNode(v)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(n.yaml()); err != nil {
		return "", err
	}
	if err := e.Close(); err != nil {
		return "", err
	}
	return escapeQuoted(b.String(), yamlEscape), nil
}

func (n node) yaml() *yaml.Node {
	switch n.kind {
	case '{':
		y := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for i, item := range n.items {
			y.Content = append(y.Content, yamlString(n.keys[i]), item.yaml())
		}
		return y
	case '[':
		y := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, item := range n.items {
			y.Content = append(y.Content, item.yaml())
		}
		return y
	case '"':
		return yamlString(n.text)
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: n.text}
}

// yamlString quotes what needs it: what readers of YAML 1.1 take for a boolean,
// and what must be escaped afterwards, which is possible in double quotes only.
func yamlString(s string) *yaml.Node {
	y := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off", "":
		y.Style = yaml.DoubleQuotedStyle
	}
	if strings.ContainsFunc(s, func(r rune) bool { return unprintable(r) && r != '\n' }) {
		y.Style = yaml.DoubleQuotedStyle
	}
	return y
}

func yamlEscape(r rune) string {
	if r > 0xffff {
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}
