package render

import (
	"slices"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// table is rows of cells that are safe to print. For people its columns are
// aligned by display width; in a pipe they are separated by tabs.
type table struct {
	header []string
	cells  [][]string
}

const widest = 3 // columns between two cells, where there is room

func (t *table) add(cells ...string) { t.cells = append(t.cells, cells) }

func (t *table) render(p *Printer) string {
	var b strings.Builder
	if !p.forPeople() {
		for _, row := range t.all() {
			for i, cell := range row {
				if i > 0 {
					b.WriteByte('\t')
				}
				b.WriteString(cell)
			}
			b.WriteByte('\n')
		}
		return b.String()
	}
	widths, gap := t.widths(), widest
	if p.OutTerminal && p.Width > 0 {
		for gap > 1 && total(widths, gap) > p.Width {
			gap--
		}
		if total(widths, widest) > 2*p.Width {
			return t.records()
		}
	}
	for _, row := range t.all() {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(pad(cell, widths[i]+gap))
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// records shows each row as lines of "HEADER value": what a row becomes when the
// terminal would fold it more than once. Nothing is ever cut, since people copy
// references.
func (t *table) records() string {
	width := 0
	for _, h := range t.header {
		width = max(width, displayWidth(h))
	}
	var b strings.Builder
	for i, row := range t.cells {
		if i > 0 {
			b.WriteByte('\n')
		}
		for j, cell := range row {
			if cell == absent {
				continue
			}
			b.WriteString(t.header[j] + pad(t.header[j], width) + "  " + cell + "\n")
		}
	}
	return b.String()
}

func (t *table) all() [][]string { return append([][]string{t.header}, t.cells...) }

func (t *table) widths() []int {
	widths := make([]int, len(t.header))
	for _, row := range t.all() {
		for i, cell := range row {
			widths[i] = max(widths[i], displayWidth(cell))
		}
	}
	return widths
}

func total(widths []int, gap int) int {
	sum := gap * (len(widths) - 1)
	for _, w := range widths {
		sum += w
	}
	return sum
}

// displayWidth is the number of terminal columns s takes.
func displayWidth(s string) int { return runewidth.StringWidth(s) }

// pad is the space after s in a column of the given width.
func pad(s string, width int) string {
	return strings.Repeat(" ", max(0, width-displayWidth(s)))
}

// rows makes a table of a list of objects: a column for each key, in the order
// they first appear, leaving out those that are empty everywhere. It is nil when
// n is no such list.
func (p *Printer) rows(n node) *table {
	var keys []string
	filled := map[string]bool{}
	for _, item := range n.items {
		if item.kind != '{' {
			return nil
		}
		for i, key := range item.keys {
			if _, seen := filled[key]; !seen {
				keys = append(keys, key)
			}
			filled[key] = filled[key] || !item.items[i].empty()
		}
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return !filled[key] })
	t := new(table)
	for _, key := range keys {
		t.header = append(t.header, heading(key))
	}
	for _, item := range n.items {
		var row []string
		for _, key := range keys {
			row = append(row, p.cell(key, item.get(key)))
		}
		t.add(row...)
	}
	return t
}

// heading is a key as a column's title: BYTES FREED, MEDIA TYPE.
func heading(key string) string {
	var b strings.Builder
	for i, r := range key {
		if r == '_' || i > 0 && unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		if r != '_' {
			b.WriteRune(unicode.ToUpper(r))
		}
	}
	return Safe(b.String())
}
