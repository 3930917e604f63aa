package report

import (
	"fmt"
	"unicode/utf8"
)

// graph is the drawing of the tasks: columns from left to right, each task in the one
// behind all that it waits for.
type graph struct {
	Width, Height int
	Nodes         []node
	Edges         []edge
}

type node struct {
	X, Y, W, H        int
	Name, State, Took string
	Full              string // the name as it is
}

type edge struct{ Path string }

// The measures of the drawing, in pixels.
const (
	boxHeight = 40
	rowGap    = 14
	columnGap = 48
	margin    = 8
	letter    = 8  // of the name, wide
	longest   = 28 // letters of a name
)

// mostNodes is how many tasks are drawn; of more there is the table alone.
const mostNodes = 120

// graph is nil for a run without tasks, or with too many.
func (b *builder) graph(rows []taskRow) *graph {
	if len(rows) == 0 || len(rows) > mostNodes {
		return nil
	}
	column := map[string]int{}
	var columns [][]int // the tasks in each
	for i, t := range b.run.Tasks {
		c := 0
		for _, dep := range t.Deps {
			c = max(c, column[dep]+1)
		}
		column[t.Name] = c
		for len(columns) <= c {
			columns = append(columns, nil)
		}
		columns[c] = append(columns[c], i)
	}
	g := &graph{}
	at := map[string]node{}
	x := margin
	for _, tasks := range columns {
		width := 0
		for _, i := range tasks {
			width = max(width, 32+letter*min(longest, max(utf8.RuneCountInString(rows[i].Name), 8)))
		}
		for row, i := range tasks {
			n := node{
				X: x, Y: margin + row*(boxHeight+rowGap), W: width, H: boxHeight,
				Name: short(rows[i].Name), Full: rows[i].Name, State: rows[i].State, Took: rows[i].Took,
			}
			at[b.run.Tasks[i].Name] = n
			g.Nodes = append(g.Nodes, n)
			g.Height = max(g.Height, n.Y+boxHeight+margin)
		}
		x += width + columnGap
	}
	g.Width = x - columnGap + margin
	for _, t := range b.run.Tasks {
		to := at[t.Name]
		for _, dep := range t.Deps {
			g.Edges = append(g.Edges, edge{curve(at[dep], to)})
		}
	}
	return g
}

func curve(from, to node) string {
	x1, y1 := from.X+from.W, from.Y+boxHeight/2
	x2, y2 := to.X-4, to.Y+boxHeight/2
	bend := columnGap * 2 / 3
	return fmt.Sprintf("M%d %d C%d %d %d %d %d %d", x1, y1, x1+bend, y1, x2-bend, y2, x2, y2)
}

func short(name string) string {
	runes := []rune(name)
	if len(runes) <= longest {
		return name
	}
	return string(runes[:longest-1]) + "…"
}
