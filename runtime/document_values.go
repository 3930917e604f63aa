package runtime

import (
	"encoding/json"
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// largeDict is a document that is an object. Its type is not dict to the
// interpreter, which knows how to compare only its own with each other.
type largeDict struct{ d *document }

var (
	_ starlark.IterableMapping = (*largeDict)(nil)
	_ starlark.Sequence        = (*largeDict)(nil)
	_ starlark.Comparable      = (*largeDict)(nil)
	_ starlark.HasBinary       = (*largeDict)(nil)
	_ starlark.HasAttrs        = (*largeDict)(nil)
	_ json.Marshaler           = (*largeDict)(nil)
)

func (l *largeDict) document() *document          { return l.d }
func (l *largeDict) String() string               { return l.d.String() }
func (*largeDict) Type() string                   { return "large dict" }
func (*largeDict) Freeze()                        {} // it never changes
func (*largeDict) Truth() starlark.Bool           { return true }
func (*largeDict) Hash() (uint32, error)          { return 0, fmt.Errorf("unhashable type: dict") }
func (l *largeDict) Len() int                     { return l.d.len() }
func (l *largeDict) MarshalJSON() ([]byte, error) { return l.d.text, nil }
func (*largeDict) AttrNames() []string            { return new(starlark.Dict).AttrNames() }

// Attr is a method of dicts. That of get reads one value, the others all.
func (l *largeDict) Attr(name string) (starlark.Value, error) {
	switch name {
	case "get":
		return starlark.NewBuiltin("get", l.get).BindReceiver(l), nil
	case "keys":
		return starlark.NewBuiltin("keys", l.keys).BindReceiver(l), nil
	}
	return l.d.attr(name)
}

func (l *largeDict) get(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var key, byDefault starlark.Value = nil, starlark.None
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &key, &byDefault); err != nil {
		return nil, err
	}
	if v, found, err := l.Get(key); found || err != nil {
		return v, err
	}
	return byDefault, nil
}

func (l *largeDict) keys(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 0); err != nil {
		return nil, err
	}
	var all []starlark.Value
	for _, key := range l.d.level().keys {
		all = append(all, starlark.String(key))
	}
	return starlark.NewList(all), nil
}

// Get is the value of a key.
func (l *largeDict) Get(key starlark.Value) (starlark.Value, bool, error) {
	name, ok := key.(starlark.String)
	if !ok {
		_, err := key.Hash()
		return nil, false, err
	}
	i, ok := l.d.level().at[string(name)]
	if !ok {
		return nil, false, nil
	}
	v, err := l.d.value(i)
	return v, err == nil, err
}

// Items are the keys with their values, all converted.
func (l *largeDict) Items() []starlark.Tuple {
	var all []starlark.Tuple
	for i, key := range l.d.level().keys {
		all = append(all, starlark.Tuple{starlark.String(key), l.d.must(i)})
	}
	return all
}

// Iterate gives the keys.
func (l *largeDict) Iterate() starlark.Iterator {
	return &walker{len(l.d.level().keys), 0, func(i int) starlark.Value { return starlark.String(l.d.level().keys[i]) }}
}

// Binary is d | other.
func (l *largeDict) Binary(op syntax.Token, y starlark.Value, side starlark.Side) (starlark.Value, error) {
	return l.d.binary(op, y, side)
}

// CompareSameType compares two documents as the dicts that they are.
func (l *largeDict) CompareSameType(op syntax.Token, y starlark.Value, depth int) (bool, error) {
	return l.d.compare(op, y, depth)
}

// largeList is a document that is an array.
type largeList struct{ d *document }

var (
	_ starlark.Sliceable  = (*largeList)(nil)
	_ starlark.Sequence   = (*largeList)(nil)
	_ starlark.Comparable = (*largeList)(nil)
	_ starlark.HasBinary  = (*largeList)(nil)
	_ starlark.HasAttrs   = (*largeList)(nil)
	_ json.Marshaler      = (*largeList)(nil)
)

func (l *largeList) document() *document                      { return l.d }
func (l *largeList) String() string                           { return l.d.String() }
func (*largeList) Type() string                               { return "large list" }
func (*largeList) Freeze()                                    {} // it never changes
func (*largeList) Truth() starlark.Bool                       { return true }
func (*largeList) Hash() (uint32, error)                      { return 0, fmt.Errorf("unhashable type: list") }
func (l *largeList) Len() int                                 { return l.d.len() }
func (l *largeList) MarshalJSON() ([]byte, error)             { return l.d.text, nil }
func (*largeList) AttrNames() []string                        { return new(starlark.List).AttrNames() }
func (l *largeList) Attr(name string) (starlark.Value, error) { return l.d.attr(name) }
func (l *largeList) Index(i int) starlark.Value               { return l.d.must(i) }
func (l *largeList) Iterate() starlark.Iterator               { return &walker{l.d.len(), 0, l.d.must} }

// Slice converts the items of a part.
func (l *largeList) Slice(start, end, step int) starlark.Value {
	var items []starlark.Value
	for i := start; step > 0 && i < end || step < 0 && i > end; i += step {
		items = append(items, l.d.must(i))
	}
	return starlark.NewList(items)
}

// Binary is l + other, and x in l.
func (l *largeList) Binary(op syntax.Token, y starlark.Value, side starlark.Side) (starlark.Value, error) {
	return l.d.binary(op, y, side)
}

// CompareSameType compares two documents as the lists that they are.
func (l *largeList) CompareSameType(op syntax.Token, y starlark.Value, depth int) (bool, error) {
	return l.d.compare(op, y, depth)
}

// walker iterates over what has an index.
type walker struct {
	n, i int
	at   func(int) starlark.Value
}

func (w *walker) Next(p *starlark.Value) bool {
	if w.i >= w.n {
		return false
	}
	*p = w.at(w.i)
	w.i++
	return true
}

func (*walker) Done() {}
