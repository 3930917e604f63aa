package runtime

import (
	"context"

	"go.starlark.net/syntax"
)

// completeAttribute proposes what may stand behind the dot before the cursor.
func (d *Draft) completeAttribute(ctx context.Context, c cursor) []Candidate {
	last := d.previous(c.before - 1)
	first := d.primary(last)
	if first < 0 {
		return nil
	}
	at := d.tokens[first].start
	v, x := d.understand(ctx, at, string(d.text[at:d.tokens[last].end]))
	if x == nil {
		return nil
	}
	_, names := v.attributes(x)
	var all []Candidate
	for _, name := range names {
		t := v.thingOf(&syntax.DotExpr{X: x, Name: &syntax.Ident{Name: name}})
		kind := t.kind
		if kind == "" {
			kind = "attribute"
		}
		near := 0
		if kind == "method" {
			near = 1
		}
		all = append(all, Candidate{Text: name, Kind: kind, Detail: t.detail, Doc: t.doc, Near: near})
	}
	return all
}
