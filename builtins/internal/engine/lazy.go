package engine

import (
	"errors"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/policyhost/policy/runtime/fault"
)

var errMalformed = errors.New("malformed JSON")

// node is one place in the data: a JSON text that nobody looked into yet, or a
// folder made of the files of a bundle. What is asked for is indexed one level
// at a time and decoded once; the rest stays text. Safe for concurrent use.
type node struct {
	text string // the JSON of the value; empty for a folder

	mu    sync.Mutex
	index *index           // members of the text, once asked for
	kids  map[string]*node // of a folder: all; of a text: those asked for
	value ast.Value        // decoded, once asked for
}

// isObject reports whether members can be added to n.
func (n *node) isObject() bool { return n.text == "" || n.text[0] == '{' }

// child returns the member of an object or element of an array called key, nil
// when there is none. It fails on malformed text only.
func (n *node) child(key string) (*node, error) { return n.step([]string{key}) }

// step returns the child that path starts with. What has to be scanned for it is
// scanned for the rest of the path, too.
func (n *node) step(path []string) (*node, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if kid := n.kids[path[0]]; kid != nil || n.text == "" {
		return kid, nil
	}
	if n.kids == nil {
		n.kids = map[string]*node{}
	}
	if n.index == nil {
		x, kid, err := newIndex(n.text, path)
		if err != nil {
			return nil, err
		}
		if n.index = x; kid != nil {
			n.kids[path[0]] = kid
			return kid, nil
		}
	}
	text, ok := n.index.find(n.text, path[0])
	if !ok {
		return nil, nil
	}
	kid := &node{text: text}
	n.kids[path[0]] = kid
	return kid, nil
}

// lookup walks down path. It returns nil when the path leads nowhere.
func (n *node) lookup(path []string) (*node, error) {
	for i := range path {
		var err error
		if n, err = n.step(path[i:]); n == nil || err != nil {
			return nil, err
		}
	}
	return n, nil
}

// decode returns the whole value below n, decoded once.
func (n *node) decode() (ast.Value, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.value != nil {
		return n.value, nil
	}
	if n.text != "" {
		v, err := decodeChecked(n.text)
		n.value = v
		return v, err
	}
	items := make([][2]*ast.Term, 0, len(n.kids))
	for _, key := range util.KeysSorted(n.kids) {
		v, err := n.kids[key].decode()
		if err != nil {
			return nil, err
		}
		items = append(items, [2]*ast.Term{ast.StringTerm(key), ast.NewTerm(v)})
	}
	n.value = ast.NewObject(items...)
	return n.value, nil
}

// keys lists the members of an object.
func (n *node) keys() ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.text == "" {
		return util.KeysSorted(n.kids), nil
	}
	if n.index == nil {
		x, _, err := newIndex(n.text, nil)
		if err != nil {
			return nil, err
		}
		n.index = x
	}
	return n.index.keys(n.text), nil
}

// insert puts a document at path, which is made of folders where it is missing.
// Objects merge; two values for one place are Invalid. Not for concurrent use:
// the tree is complete before anyone reads it.
func (n *node) insert(path []string, doc *node) error {
	for i, key := range path {
		if !n.isObject() {
			return conflict(path[:i])
		}
		if err := n.open(); err != nil {
			return err
		}
		kid := n.kids[key]
		if kid == nil {
			kid = &node{}
			n.kids[key] = kid
			if i == len(path)-1 {
				n.kids[key] = doc
				return nil
			}
		}
		n = kid
	}
	return n.merge(path, doc)
}

func (n *node) merge(path []string, doc *node) error {
	if n.text == "" && len(n.kids) == 0 && doc.isObject() {
		n.text, n.kids = doc.text, doc.kids
		return nil
	}
	if !n.isObject() || !doc.isObject() {
		return conflict(path)
	}
	if err := errors.Join(n.open(), doc.open()); err != nil {
		return err
	}
	for key, kid := range doc.kids {
		mine := n.kids[key]
		if mine == nil {
			n.kids[key] = kid
			continue
		}
		if err := mine.merge(append(path[:len(path):len(path)], key), kid); err != nil {
			return err
		}
	}
	return nil
}

// open turns an object's text into a folder of its members' texts, so that
// others can be added.
func (n *node) open() error {
	if n.text == "" {
		if n.kids == nil {
			n.kids = map[string]*node{}
		}
		return nil
	}
	x, _, err := newIndex(n.text, nil)
	if err != nil {
		return err
	}
	kids := make(map[string]*node, len(x.entries))
	for _, e := range x.entries {
		kids[keyText(n.text, e.key)] = &node{text: n.text[e.start:e.end]}
	}
	n.text, n.index, n.kids = "", nil, kids
	return nil
}

func conflict(path []string) error {
	return fault.New(fault.Invalid, "data."+strings.Join(path, "."), "two files give it a value")
}
