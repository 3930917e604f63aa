package render

import (
	"bytes"
	"encoding/json"
	"io"
)

// node is a result as its JSON says it: keys in order, numbers as spelled.
type node struct {
	kind  byte     // '{', '[', '"', or '0' for a number, true, false; 'n' for null
	text  string   // of a string or literal
	keys  []string // of an object, one for each item
	items []node   // of an object or array
}

// toNode reads v through its JSON, so that every rendering has the same keys.
func toNode(v any) (node, error) {
	raw, err := encode(v)
	if err != nil {
		return node{}, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return readNode(d)
}

func readNode(d *json.Decoder) (node, error) {
	token, err := d.Token()
	if err != nil {
		return node{}, err
	}
	switch t := token.(type) {
	case json.Delim:
		return readItems(d, byte(t))
	case string:
		return node{kind: '"', text: t}, nil
	case json.Number:
		return node{kind: '0', text: t.String()}, nil
	case bool:
		if t {
			return node{kind: '0', text: "true"}, nil
		}
		return node{kind: '0', text: "false"}, nil
	}
	return node{kind: 'n', text: "null"}, nil
}

func readItems(d *json.Decoder, open byte) (node, error) {
	n := node{kind: open}
	for d.More() {
		if open == '{' {
			key, err := d.Token()
			if err != nil {
				return n, err
			}
			name, ok := key.(string)
			if !ok {
				return n, io.ErrUnexpectedEOF
			}
			n.keys = append(n.keys, name)
		}
		item, err := readNode(d)
		if err != nil {
			return n, err
		}
		n.items = append(n.items, item)
	}
	_, err := d.Token()
	return n, err
}

// scalar reports whether n is a single value.
func (n node) scalar() bool { return n.kind != '{' && n.kind != '[' }

// empty reports whether a person learns nothing from n.
func (n node) empty() bool {
	switch n.kind {
	case 'n':
		return true
	case '"':
		return n.text == ""
	case '{', '[':
		return len(n.items) == 0
	}
	return false
}

// get is the item under key, null when there is none.
func (n node) get(key string) node {
	for i, k := range n.keys {
		if k == key {
			return n.items[i]
		}
	}
	return node{kind: 'n'}
}

// without is n without some of its keys.
func (n node) without(keys ...string) node {
	drop := map[string]bool{}
	for _, k := range keys {
		drop[k] = true
	}
	c := node{kind: n.kind}
	for i, k := range n.keys {
		if !drop[k] {
			c.keys, c.items = append(c.keys, k), append(c.items, n.items[i])
		}
	}
	return c
}
