package engine

import (
	"errors"
	"hash/maphash"
	"strings"
	"sync"
	"unicode/utf8"

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
func (n *node) child(key string) (*node, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.childLocked(key)
}

func (n *node) childLocked(key string) (*node, error) {
	if kid := n.kids[key]; kid != nil || n.text == "" {
		return kid, nil
	}
	if err := n.indexLocked(); err != nil {
		return nil, err
	}
	text, ok := n.index.find(n.text, key)
	if !ok {
		return nil, nil
	}
	kid := &node{text: text}
	if n.kids == nil {
		n.kids = map[string]*node{}
	}
	n.kids[key] = kid
	return kid, nil
}

func (n *node) indexLocked() error {
	if n.index != nil {
		return nil
	}
	x, err := newIndex(n.text)
	n.index = x
	return err
}

// lookup walks down path. It returns nil when the path leads nowhere.
func (n *node) lookup(path []string) (*node, error) {
	for _, key := range path {
		var err error
		if n, err = n.child(key); n == nil || err != nil {
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
	if err := n.indexLocked(); err != nil {
		return nil, err
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
	x, err := newIndex(n.text)
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

// index knows where the members of one JSON object, or the elements of one
// array, begin and end: 16 bytes a member, whatever its size.
type index struct {
	array   bool
	entries []entry
	slots   []uint32 // open addressing over the keys: 1 + position in entries
	seed    maphash.Seed
}

type entry struct{ key, start, end uint32 } // key: offset behind its opening quote

// newIndex scans text once, one level deep. Text that is neither an object nor
// an array has no members.
func newIndex(text string) (*index, error) {
	x := &index{array: text[0] == '['}
	if text[0] != '{' && !x.array {
		return x, nil
	}
	if tooLong(text) {
		return nil, fault.New(fault.Limit, "", "a JSON document of more than 4 GiB")
	}
	pos := skipSpace(text, 1)
	for pos < len(text) && text[pos] != '}' && text[pos] != ']' {
		var e entry
		if !x.array {
			if text[pos] != '"' {
				return nil, errMalformed
			}
			e.key = uint32(pos + 1)
			end, _ := stringEnd(text, pos+1)
			if end < 0 {
				return nil, errMalformed
			}
			pos = skipSpace(text, end+1)
			if pos >= len(text) || text[pos] != ':' {
				return nil, errMalformed
			}
			pos = skipSpace(text, pos+1)
		}
		end := skipValue(text, pos)
		if end <= pos {
			return nil, errMalformed
		}
		e.start, e.end = uint32(pos), uint32(end)
		x.entries = append(x.entries, e)
		if pos = skipSpace(text, end); pos < len(text) && text[pos] == ',' {
			pos = skipSpace(text, pos+1)
		}
	}
	if pos >= len(text) {
		return nil, errMalformed
	}
	return x, nil
}

// find returns the text of the member called key. Array elements are called by
// their position, as OPA's stores do it.
func (x *index) find(text, key string) (string, bool) {
	if x.array {
		i, ok := util.Atoi(key)
		if !ok || i < 0 || i >= len(x.entries) {
			return "", false
		}
		return text[x.entries[i].start:x.entries[i].end], true
	}
	const few = 8
	if len(x.entries) <= few {
		for _, e := range x.entries {
			if keyText(text, e.key) == key {
				return text[e.start:e.end], true
			}
		}
		return "", false
	}
	if x.slots == nil {
		x.hash(text)
	}
	mask := uint64(len(x.slots) - 1)
	for h := maphash.String(x.seed, key) & mask; x.slots[h] != 0; h = (h + 1) & mask {
		if e := x.entries[x.slots[h]-1]; keyText(text, e.key) == key {
			return text[e.start:e.end], true
		}
	}
	return "", false
}

func (x *index) hash(text string) {
	size := 16
	for size < 2*len(x.entries) {
		size *= 2
	}
	x.slots, x.seed = make([]uint32, size), maphash.MakeSeed()
	mask := uint64(size - 1)
	for i, e := range x.entries {
		h := maphash.String(x.seed, keyText(text, e.key)) & mask
		for x.slots[h] != 0 {
			h = (h + 1) & mask
		}
		x.slots[h] = uint32(i + 1)
	}
}

func (x *index) keys(text string) []string {
	if x.array {
		return nil
	}
	keys := make([]string, len(x.entries))
	for i, e := range x.entries {
		keys[i] = keyText(text, e.key)
	}
	return keys
}

// keyText is the key whose text starts at the offset, unescaped.
func keyText(text string, start uint32) string {
	end, plain := stringEnd(text, int(start))
	if end < 0 {
		return ""
	}
	raw := text[start:end]
	if plain && utf8.ValidString(raw) {
		return raw
	}
	s, _, err := unescape(raw)
	if err != nil {
		return raw
	}
	return s
}

func skipSpace(text string, pos int) int {
	for pos < len(text) {
		switch text[pos] {
		case ' ', '\n', '\r', '\t':
			pos++
		default:
			return pos
		}
	}
	return pos
}

// skipValue returns where the value at pos ends, or pos when there is none. It
// trusts the syntax, which was checked before, but never reads out of bounds.
func skipValue(text string, pos int) int {
	depth := 0
	for i := pos; i < len(text); {
		switch text[i] {
		case '"':
			end, _ := stringEnd(text, i+1)
			if end < 0 {
				return pos
			}
			i = end
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // the end of the container: the value was a bare word
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\n', '\r', '\t':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	if depth > 0 {
		return pos
	}
	return len(text)
}
