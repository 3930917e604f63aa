package builtins

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Difference is one place where two decisions differ.
type Difference struct {
	Path   string          `json:"path"`   // for example reasons or violations.0.message; empty for the whole decision
	Change string          `json:"change"` // added, removed or changed
	Before json.RawMessage `json:"before"` // null when added
	After  json.RawMessage `json:"after"`  // null when removed
}

// maxDifferences bounds what one decision reports.
const maxDifferences = 20

// differences compares two JSON values, without the parts that are ignored. Lists of
// values, which is what sets become, are compared by their elements; other lists by
// position.
func differences(before, after []byte, ignore [][]string) []Difference {
	var d differ
	d.ignore = ignore
	d.compare(nil, decoded(before), decoded(after))
	return d.found
}

func decoded(text []byte) any {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var v any
	_ = decoder.Decode(&v) // it was encoded just now
	return v
}

type differ struct {
	ignore [][]string
	found  []Difference
}

func (d *differ) compare(path []string, before, after any) {
	if d.ignored(path) || len(d.found) >= maxDifferences {
		return
	}
	switch b := before.(type) {
	case map[string]any:
		if a, ok := after.(map[string]any); ok {
			d.objects(path, b, a)
			return
		}
	case []any:
		if a, ok := after.([]any); ok {
			d.lists(path, b, a)
			return
		}
	case json.Number:
		if a, ok := after.(json.Number); ok && sameNumber(b, a) {
			return
		}
	}
	if !reflect.DeepEqual(before, after) {
		d.add(path, "changed", before, after)
	}
}

func (d *differ) objects(path []string, before, after map[string]any) {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(before)), maps.Keys(after))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		b, was := before[key]
		a, is := after[key]
		at := append(slices.Clip(path), key)
		switch {
		case was && is:
			d.compare(at, b, a)
		case was:
			d.add(at, "removed", b, nil)
		default:
			d.add(at, "added", nil, a)
		}
	}
}

func (d *differ) lists(path []string, before, after []any) {
	if len(before) == len(after) && slices.ContainsFunc(before, isObject) && slices.ContainsFunc(after, isObject) {
		for i := range before {
			d.compare(append(slices.Clip(path), strconv.Itoa(i)), before[i], after[i])
		}
		return
	}
	left := map[string]int{}
	for _, v := range before {
		left[encoded(v)]++
	}
	var added []any
	for _, v := range after {
		if text := encoded(v); left[text] > 0 {
			left[text]--
		} else {
			added = append(added, v)
		}
	}
	for _, v := range before {
		if text := encoded(v); left[text] > 0 {
			left[text]--
			d.add(append(slices.Clip(path), "*"), "removed", v, nil)
		}
	}
	for _, v := range added {
		d.add(append(slices.Clip(path), "*"), "added", nil, v)
	}
}

func (d *differ) add(path []string, change string, before, after any) {
	if d.ignored(path) || len(d.found) >= maxDifferences {
		return
	}
	found := Difference{Path: strings.Join(path, "."), Change: change}
	if change != "added" {
		found.Before = json.RawMessage(encoded(before))
	}
	if change != "removed" {
		found.After = json.RawMessage(encoded(after))
	}
	d.found = append(d.found, found)
}

// ignored reports whether a path is one that does not matter, or lies below one. A *
// stands for any key or position.
func (d *differ) ignored(path []string) bool {
	return slices.ContainsFunc(d.ignore, func(pattern []string) bool {
		if len(pattern) > len(path) {
			return false
		}
		for i, part := range pattern {
			if part != "*" && part != path[i] && path[i] != "*" {
				return false
			}
		}
		return true
	})
}

func isObject(v any) bool {
	_, ok := v.(map[string]any)
	return ok
}

func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	x, errX := a.Float64()
	y, errY := b.Float64()
	const exact = 15 // digits that a float64 keeps
	return errX == nil && errY == nil && x == y && len(a) <= exact && len(b) <= exact
}

func encoded(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // it was decoded from JSON
	return strings.TrimSuffix(b.String(), "\n")
}
