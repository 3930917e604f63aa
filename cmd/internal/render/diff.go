package render

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Values up to this many columns are compared faster by eye than by their
// differences; and beyond so many differences nobody reads on.
const (
	shortValue = 60
	mostLines  = 40
)

// differences are the lines that tell two JSON documents apart: "- .path: value"
// for what was expected, "+ .path: value" for what came instead. They are empty
// for what is no two documents of a kind, and for two that are short.
func differences(expected, actual string) []string {
	if len(expected) <= shortValue && len(actual) <= shortValue {
		return nil
	}
	want, isJSON := decoded(expected)
	got, alsoJSON := decoded(actual)
	if !isJSON || !alsoJSON || reflect.TypeOf(want) != reflect.TypeOf(got) {
		return nil
	}
	switch want.(type) {
	case map[string]any, []any, string:
	default:
		return nil
	}
	var d differ
	d.compare("", want, got)
	if more := len(d.lines) - mostLines; more > 0 {
		d.lines = append(d.lines[:mostLines], fmt.Sprintf("… %d more lines", more))
	}
	return d.lines
}

func decoded(text string) (any, bool) {
	var v any
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	return v, dec.Decode(&v) == nil && !dec.More()
}

// differ gathers differences.
type differ struct{ lines []string }

func (d *differ) add(sign, path string, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		text = fmt.Append(nil, v)
	}
	if path == "" {
		path = "."
	}
	d.lines = append(d.lines, sign+" "+path+": "+string(text))
}

func (d *differ) compare(path string, want, got any) {
	switch w := want.(type) {
	case map[string]any:
		if g, ok := got.(map[string]any); ok {
			d.objects(path, w, g)
			return
		}
	case []any:
		if g, ok := got.([]any); ok {
			d.lists(path, w, g)
			return
		}
	case string:
		if g, ok := got.(string); ok && w != g && strings.Contains(w+g, "\n") {
			d.texts(path, w, g)
			return
		}
	}
	if !reflect.DeepEqual(want, got) {
		d.add("-", path, want)
		d.add("+", path, got)
	}
}

func (d *differ) objects(path string, want, got map[string]any) {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(want)), maps.Keys(got))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		at := path + member(key)
		w, expected := want[key]
		g, there := got[key]
		switch {
		case !there:
			d.add("-", at, w)
		case !expected:
			d.add("+", at, g)
		default:
			d.compare(at, w, g)
		}
	}
}

// member is a key as a step of a path.
func member(key string) string {
	plain := func(r rune) bool {
		return r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	if key != "" && strings.IndexFunc(key, func(r rune) bool { return !plain(r) }) < 0 {
		return "." + key
	}
	return fmt.Sprintf("[%q]", key)
}

// lists pairs what is equal; of what lies between, one by one is compared, and
// the rest was left out or put in.
func (d *differ) lists(path string, want, got []any) {
	between(len(want), len(got), func(i, j int) bool { return reflect.DeepEqual(want[i], got[j]) }, func(i, iEnd, j, jEnd int) {
		for ; i < iEnd && j < jEnd; i, j = i+1, j+1 {
			d.compare(fmt.Sprintf("%s[%d]", path, i), want[i], got[j])
		}
		for ; i < iEnd; i++ {
			d.add("-", fmt.Sprintf("%s[%d]", path, i), want[i])
		}
		for ; j < jEnd; j++ {
			d.add("+", fmt.Sprintf("%s[%d]", path, j), got[j])
		}
	})
}

// texts compares line by line.
func (d *differ) texts(path, want, got string) {
	if path != "" {
		d.lines = append(d.lines, "  "+path+":")
	}
	w, g := slices.Collect(strings.Lines(want)), slices.Collect(strings.Lines(got))
	between(len(w), len(g), func(i, j int) bool { return w[i] == g[j] }, func(i, iEnd, j, jEnd int) {
		for _, line := range w[i:iEnd] {
			d.lines = append(d.lines, "- "+shownLine(line))
		}
		for _, line := range g[j:jEnd] {
			d.lines = append(d.lines, "+ "+shownLine(line))
		}
	})
}

// shownLine is a line of a text; what ends without a newline says so.
func shownLine(line string) string {
	if bare, ok := strings.CutSuffix(line, "\n"); ok {
		return bare
	}
	return line + " (no newline)"
}

// between calls gap with each range of two sequences that a longest common
// subsequence leaves out. Long sequences are compared element by element.
func between(n, m int, equal func(i, j int) bool, gap func(i, iEnd, j, jEnd int)) {
	const most = 1 << 20
	i, j := 0, 0
	if n*m > most {
		for ; i < min(n, m); i++ {
			if !equal(i, i) {
				gap(i, i+1, i, i+1)
			}
		}
		gap(i, n, i, m)
		return
	}
	longest := make([][]int, n+1) // longest[i][j]: of what begins at i and at j
	for i := range longest {
		longest[i] = make([]int, m+1)
	}
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			if equal(i, j) {
				longest[i][j] = longest[i+1][j+1] + 1
			} else {
				longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			}
		}
	}
	from, to := 0, 0
	for i < n && j < m {
		switch {
		case equal(i, j):
			gap(from, i, to, j)
			i, j = i+1, j+1
			from, to = i, j
		case longest[i+1][j] >= longest[i][j+1]:
			i++
		default:
			j++
		}
	}
	gap(from, n, to, m)
}
