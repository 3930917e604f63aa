package project

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/policyhost/policy/runtime/fault"
)

// document is a TOML text: its values, and the line of each.
type document struct {
	file   string
	values map[string]any
	lines  map[string]int // by path, see below
	deep   int            // the line of what is deeper than deepest
}

// A path names a value: keys and numbers of items, joined by a byte that no message
// shows.
const joint = "\x00"

func below(path string, key any) string {
	if path == "" {
		return fmt.Sprint(key)
	}
	return path + joint + fmt.Sprint(key)
}

// parseDocument reads a text of the TOML 1.0 language. It fails with Invalid and the
// line.
func parseDocument(file string, text []byte) (*document, error) {
	d := &document{file: file, lines: map[string]int{}}
	d.place(text)
	if d.deep > 0 {
		return nil, inLine(file, d.deep, errors.New("too many tables in one another"))
	}
	if err := toml.Unmarshal(text, &d.values); err != nil {
		if e, ok := errors.AsType[*toml.DecodeError](err); ok {
			line, col := e.Position()
			if isMergeMark(text, line) {
				return nil, fault.New(fault.Invalid, file, "%w", placed{file, line, col, errors.New("a merge was not finished")}).
					WithHint("keep the recipes of both sides and remove the marks of git")
			}
			return nil, fault.New(fault.Invalid, file, "%w", placed{file, line, col, errors.New(strings.TrimPrefix(e.Error(), "toml: "))})
		}
		return nil, fault.New(fault.Invalid, file, "%w", err)
	}
	return d, nil
}

// isMergeMark reports a line that git has left where two branches changed the same.
func isMergeMark(text []byte, line int) bool {
	number := 0
	for l := range bytes.Lines(text) {
		if number++; number == line {
			return bytes.HasPrefix(l, []byte("<<<<<<<"))
		}
	}
	return false
}

// deepest is how many keys and items may be in one another. No key of ours is as
// deep; a text of nothing but depth would take memory by its square.
const deepest = 16

// place finds the lines of the values, as far as the text is sound: reading gives
// values, but not where they stand.
func (d *document) place(text []byte) {
	var p unstable.Parser
	p.Reset(text)
	line, counted := 1, 0
	at := func(r unstable.Range) int { // ranges come in the order of the text
		if offset := int(r.Offset); offset > counted {
			line += bytes.Count(text[counted:offset], []byte("\n"))
			counted = offset
		}
		return line
	}
	table, items := "", map[string]int{}
	for d.deep == 0 && p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = ""
			for key := e.Key(); d.deep == 0 && key.Next(); {
				name := string(key.Node().Data)
				table = below(table, name)
				d.note(table, at(key.Node().Raw))
				if n, isList := items[table]; isList && (!key.IsLast() || e.Kind == unstable.Table) {
					table = below(table, n-1) // the item that was begun last
				}
			}
			if e.Kind == unstable.ArrayTable {
				n := items[table]
				items[table] = n + 1
				line := at(e.Child().Raw)
				table = below(table, n)
				d.note(table, line)
			}
		case unstable.KeyValue:
			d.placeValue(table, e, at)
		}
	}
}

// placeValue notes the lines of a key, of its value and of what is in that.
func (d *document) placeValue(path string, e *unstable.Node, at func(unstable.Range) int) {
	for key := e.Key(); d.deep == 0 && key.Next(); {
		path = below(path, string(key.Node().Data))
		d.note(path, at(key.Node().Raw))
	}
	d.placeInside(path, e.Value(), at)
}

func (d *document) placeInside(path string, value *unstable.Node, at func(unstable.Range) int) {
	switch value.Kind {
	case unstable.InlineTable:
		for pairs := value.Children(); d.deep == 0 && pairs.Next(); {
			d.placeValue(path, pairs.Node(), at)
		}
	case unstable.Array:
		n := 0
		for items := value.Children(); d.deep == 0 && items.Next(); n++ {
			d.note(below(path, n), at(items.Node().Raw))
			d.placeInside(below(path, n), items.Node(), at)
		}
	}
}

// note keeps the first line of a path.
func (d *document) note(path string, line int) {
	if strings.Count(path, joint) >= deepest {
		d.deep = line
	}
	if d.lines[path] == 0 {
		d.lines[path] = line
	}
}

// line is that of a path, or of what it is in.
func (d *document) line(path string) int {
	for {
		if line := d.lines[path]; line > 0 {
			return line
		}
		i := strings.LastIndex(path, joint)
		if i < 0 {
			return 1
		}
		path = path[:i]
	}
}

// fault is Invalid about the value at path.
func (d *document) fault(path, format string, args ...any) *fault.Error {
	return inLine(d.file, d.line(path), fmt.Errorf(format, args...))
}

func inLine(file string, line int, err error) *fault.Error {
	return fault.New(fault.Invalid, file, "%w", placed{file, line, 0, err})
}

// placed is an error in a line of a file.
type placed struct {
	file      string
	line, col int
	err       error
}

func (p placed) Error() string { return fmt.Sprintf("line %d: %v", p.line, p.err) }
func (p placed) Unwrap() error { return p.err }

// Places is where the error is.
func (p placed) Places() []fault.Place {
	return []fault.Place{{File: p.file, Line: p.line, Col: p.col, Message: p.err.Error()}}
}

// dotted is a path as people write it.
func dotted(path string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(path, joint) {
		if _, err := strconv.Atoi(part); err == nil {
			continue // the number of an item: the line says which
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		if strings.Contains(part, ".") {
			part = strconv.Quote(part)
		}
		b.WriteString(part)
	}
	return b.String()
}

// take is how a value becomes part of the project.
type take func(path string, value any) error

// table takes each key of a table, in the order of the lines. A key that is not
// among them is refused.
func (d *document) table(keys map[string]take) take {
	return func(path string, value any) error {
		table, ok := value.(map[string]any)
		if !ok {
			return d.wrongType(path, value, "a table")
		}
		return d.each(path, table, func(key string, value any) error {
			known := keys[key]
			if known != nil {
				return known(below(path, key), value)
			}
			in := ""
			if path != "" {
				in = " in " + dotted(path)
			}
			names := slices.Sorted(maps.Keys(keys))
			f := d.fault(below(path, key), "unknown key %q%s", key, in)
			if near := fault.Nearest(key, names); near != "" {
				return f.WithHint("did you mean %q?", near)
			}
			return f.WithHint("the keys%s are %s", in, strings.Join(names, ", "))
		})
	}
}

// each calls fn for the keys of a table, in the order of their lines.
func (d *document) each(path string, table map[string]any, fn func(key string, value any) error) error {
	keys := slices.Sorted(maps.Keys(table))
	slices.SortStableFunc(keys, func(a, b string) int { return d.line(below(path, a)) - d.line(below(path, b)) })
	for _, key := range keys {
		if err := fn(key, table[key]); err != nil {
			return err
		}
	}
	return nil
}

// list takes each item of an array.
func (d *document) list(of string, item take) take {
	return func(path string, value any) error {
		all, ok := value.([]any)
		if !ok {
			return d.wrongType(path, value, "a list of "+of)
		}
		for i, v := range all {
			if err := item(below(path, i), v); err != nil {
				return err
			}
		}
		return nil
	}
}

// text takes a string that passes check.
func (d *document) text(to *string, check func(string) error) take {
	return func(path string, value any) error {
		s, ok := value.(string)
		if !ok {
			return d.wrongType(path, value, "a text")
		}
		if err := check(s); err != nil {
			f := d.fault(path, "%s: %w", dotted(path), err)
			f.Hint = fault.Of(err).Hint
			return f
		}
		*to = s
		return nil
	}
}

// texts takes a list of strings that pass check.
func (d *document) texts(to *[]string, check func(string) error) take {
	return d.list("texts", func(path string, value any) error {
		var s string
		if err := d.text(&s, check)(path, value); err != nil {
			return err
		}
		*to = append(*to, s)
		return nil
	})
}

func (d *document) wrongType(path string, value any, want string) error {
	got := "a date"
	switch value.(type) {
	case string:
		got = "a text"
	case bool:
		got = "true or false"
	case int64, float64:
		got = "a number"
	case []any:
		got = "a list"
	case map[string]any:
		got = "a table"
	}
	return d.fault(path, "%s must be %s, not %s", dotted(path), want, got)
}
