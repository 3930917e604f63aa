package runtime

import (
	"sync"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// manyValues is how many values a JSON object or array has before a script gets it
// unconverted. It counts values and not bytes, so that equal documents are converted
// alike however they are spaced.
const manyValues = 10_000

// document is a JSON object or array of many values in a script: what is read of it
// is converted then, once, and it goes back to Go as the text it was. It is frozen.
// Objects and arrays that are small, also those inside of it, are dicts and lists.
type document struct {
	text []byte // valid JSON
	list bool

	mu     sync.Mutex
	levels *level         // nil until something is read
	full   starlark.Value // nil until all of it was needed
}

// level is what a document is made of, itself.
type level struct {
	keys   []string // of an object, in their order
	at     map[string]int
	spans  []span
	values []*[chunk]starlark.Value // converted so far, nil where nothing is
}

// chunk is how many converted values are kept together: who reads a few makes room for
// a few.
const chunk = 16

// newDocument is text as a document, nil when it is small or neither object nor array.
func newDocument(text []byte) starlark.Value {
	i := skipSpace(text, 0)
	if i == len(text) || text[i] != '{' && text[i] != '[' || !hasMany(text) {
		return nil
	}
	d := document{text: text, list: text[i] == '['}
	if d.list {
		return &largeList{d: &d}
	}
	return &largeDict{d: &d}
}

// lazy is a document as a value of the language.
type lazy interface {
	starlark.Value
	document() *document
}

func (d *document) level() *level {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.found()
}

// found is what the document is made of, under mu.
func (d *document) found() *level {
	if d.levels == nil {
		l, err := scanLevel(d.text)
		if err != nil {
			panic(err) // a builtin gave what is no JSON
		}
		d.levels = l
	}
	return d.levels
}

func (d *document) len() int { return len(d.level().spans) }

// value converts the value at i.
func (d *document) value(i int) (starlark.Value, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.found()
	if l.values[i/chunk] == nil {
		l.values[i/chunk] = new([chunk]starlark.Value)
	}
	known := &l.values[i/chunk][i%chunk]
	if *known == nil {
		v, err := fromJSON(d.text[l.spans[i].start:l.spans[i].end])
		if err != nil {
			return nil, err
		}
		v.Freeze()
		*known = v
	}
	return *known, nil
}

func (d *document) must(i int) starlark.Value {
	v, err := d.value(i)
	if err != nil {
		panic(err)
	}
	return v
}

// whole is all of it as a dict or list of the language, frozen.
func (d *document) whole() (starlark.Value, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full == nil {
		v, err := decodeJSON(d.text)
		if err != nil {
			return nil, err
		}
		v.Freeze()
		d.full = v
	}
	return d.full, nil
}

// wholeOf is v, or all of the document that it is.
func wholeOf(v starlark.Value) (starlark.Value, error) {
	if l, ok := v.(lazy); ok {
		return l.document().whole()
	}
	return v, nil
}

func (d *document) attr(name string) (starlark.Value, error) {
	v, err := d.whole()
	if err != nil {
		return nil, err
	}
	return v.(starlark.HasAttrs).Attr(name)
}

// binary is an operator of dicts or lists; a repetition would be without bounds.
func (d *document) binary(op syntax.Token, y starlark.Value, side starlark.Side) (starlark.Value, error) {
	if op == syntax.STAR {
		return nil, nil
	}
	v, err := d.whole()
	if err != nil {
		return nil, err
	}
	if y, err = wholeOf(y); err != nil {
		return nil, err
	}
	if side == starlark.Right {
		return starlark.Binary(op, y, v)
	}
	return starlark.Binary(op, v, y)
}

func (d *document) compare(op syntax.Token, y starlark.Value, depth int) (bool, error) {
	other, err := wholeOf(y)
	if err != nil {
		return false, err
	}
	v, err := d.whole()
	if err != nil {
		return false, err
	}
	return starlark.CompareDepth(op, v, other, depth)
}

func (d *document) String() string {
	v, err := d.whole()
	if err != nil {
		return err.Error()
	}
	return v.String()
}

// typeName is what type(v) gives: a document is a dict or a list to a script.
func typeName(v starlark.Value) string {
	if l, ok := v.(lazy); ok {
		if l.document().list {
			return "list"
		}
		return "dict"
	}
	return v.Type()
}

func typeFunction(thread *starlark.Thread, plain *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) == 1 && len(kwargs) == 0 {
		return starlark.String(typeName(args[0])), nil
	}
	return plain.CallInternal(thread, args, kwargs)
}
