package runtime

import (
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"

	"github.com/policyhost/policy/runtime/fault"
)

// Text is an argument as somebody typed it: the parameter's type says what it
// becomes. A type that has no spelling as a word is read as JSON.
type Text string

// fromGo turns a Go value into what a parameter of type t takes. Documents have
// no tuples, sets, durations or records: a list and a string and a dict become
// what t wants.
func (t *typ) fromGo(value any) (starlark.Value, error) {
	switch value := value.(type) {
	case Text:
		return t.adapt(t.read(string(value)))
	case []Text:
		items := make([]starlark.Value, len(value))
		for i, text := range value {
			items[i] = t.item(i).read(string(text))
		}
		return t.adapt(starlark.NewList(items))
	case map[string]Text:
		d := starlark.NewDict(len(value))
		for key, text := range value {
			if err := d.SetKey(t.item(0).read(key), t.item(1).read(string(text))); err != nil {
				return nil, err
			}
		}
		return t.adapt(d)
	}
	v, err := toStarlark(reflect.ValueOf(value))
	if err != nil {
		return nil, err
	}
	return t.adapt(v)
}

// item is the type of the i-th item of a t; of a dict, keys are 0 and values 1.
func (t *typ) item(i int) *typ {
	switch t.kind {
	case unionKind:
		for _, a := range t.args {
			if a.kind == listKind || a.kind == dictKind || a.kind == setKind || a.kind == tupleKind {
				return a.item(i)
			}
		}
	case listKind, setKind:
		return t.args[0]
	case dictKind, tupleKind:
		return t.args[min(i, len(t.args)-1)]
	}
	return anyType
}

// read makes a value of a word. What t cannot read stays a string, which t will
// refuse.
func (t *typ) read(text string) starlark.Value {
	switch t.kind {
	case unionKind:
		for _, a := range t.args {
			if v := a.read(text); a.kind != anyKind && a.refuses(v) == "" {
				return v
			}
		}
		for _, a := range t.args {
			if v := a.read(text); v.Type() != "string" {
				return v // adapt says what is wrong with it
			}
		}
	case baseKind:
		if v := t.base.read(text); v != nil {
			return v
		}
	case durationKind:
		if d, err := time.ParseDuration(text); err == nil {
			return startime.Duration(d)
		}
	case listKind, setKind, dictKind, tupleKind, recordKind:
		doc, err := fromJSON([]byte(text))
		if err != nil || text == "" {
			break
		}
		if v, err := t.adapt(doc); err == nil {
			return v
		}
		return doc
	}
	return starlark.String(text)
}

// read makes a value of a word, or nil.
func (b *baseType) read(text string) starlark.Value {
	switch b.name {
	case "int":
		if i, ok := new(big.Int).SetString(text, 10); ok {
			return starlark.MakeBigInt(i)
		}
	case "float":
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return starlark.Float(f)
		}
	case "bool":
		if b, err := strconv.ParseBool(strings.ToLower(text)); err == nil {
			return starlark.Bool(b)
		}
	case "None":
		if text == "None" || text == "null" {
			return starlark.None
		}
	}
	return nil
}

// adapt gives v as t wants it, where there is one way to; else v. It fails when
// v should become a record and does not fit.
func (t *typ) adapt(v starlark.Value) (starlark.Value, error) {
	v, err := wholeOf(v)
	if err != nil {
		return nil, err
	}
	switch t.kind {
	case unionKind:
		var failed error
		for _, a := range t.args {
			adapted, err := a.adapt(v)
			if err == nil && a.refuses(adapted) == "" {
				return adapted, nil
			}
			if err != nil {
				failed = err
			}
		}
		return v, failed
	case durationKind:
		if s, ok := v.(starlark.String); ok {
			return t.read(string(s)), nil
		}
	case listKind, setKind, tupleKind:
		return t.adaptItems(v)
	case dictKind, recordKind:
		if d, ok := v.(*starlark.Dict); ok {
			return t.adaptDict(d)
		}
	}
	return v, nil
}

func (t *typ) adaptItems(v starlark.Value) (starlark.Value, error) {
	list, ok := v.(*starlark.List)
	if !ok {
		return v, nil
	}
	if _, made := originOf(list); made && t.kind == listKind {
		return v, nil // a builtin's: another list would not know where it came from
	}
	items := make([]starlark.Value, list.Len())
	for i := range items {
		var err error
		if items[i], err = t.item(i).adapt(list.Index(i)); err != nil {
			return nil, pathTo(err, "item %d", i)
		}
	}
	switch t.kind {
	case tupleKind:
		return starlark.Tuple(items), nil
	case setKind:
		set := starlark.NewSet(len(items))
		for _, item := range items {
			if err := set.Insert(item); err != nil {
				return nil, err
			}
		}
		return set, nil
	}
	return starlark.NewList(items), nil
}

func (t *typ) adaptDict(d *starlark.Dict) (starlark.Value, error) {
	adapted := starlark.NewDict(d.Len())
	var kwargs []starlark.Tuple
	for _, item := range d.Items() {
		key, isText := item[0].(starlark.String)
		value := anyType
		if t.kind == dictKind {
			value = t.args[1]
		} else if isText {
			value = t.rec.typeOf(string(key))
		}
		v, err := value.adapt(item[1])
		if err != nil {
			return nil, pathTo(err, "key %s", item[0])
		}
		if err := adapted.SetKey(item[0], v); err != nil {
			return nil, err
		}
		kwargs = append(kwargs, starlark.Tuple{key, v})
	}
	if t.kind == dictKind {
		return adapted, nil
	}
	r, err := t.rec.CallInternal(nil, nil, kwargs)
	if err != nil {
		f := *fault.Of(err)
		f.Kind = fault.Usage
		return nil, &f
	}
	return r, nil
}

// word says how a word of a command line becomes a t: see [Param.Kind].
func (t *typ) word() string {
	switch t.kind {
	case unionKind:
		var kinds []string
		for _, a := range t.args {
			if a.kind != baseKind || a.base.name != "None" {
				kinds = append(kinds, a.word())
			}
		}
		if len(kinds) == 1 {
			return kinds[0]
		}
	case baseKind:
		switch t.base.name {
		case "str":
			return "string"
		case "int", "float", "bool":
			return t.base.name
		}
	case listKind, setKind, tupleKind:
		if w := t.item(0).word(); w != "list" && w != "dict" {
			return "list"
		}
	case dictKind:
		return "dict"
	case enumKind:
		return "enum"
	case durationKind:
		return "duration"
	case resultKind:
		if isOpaque(t.goes) {
			return "secret"
		}
	}
	return "any"
}
