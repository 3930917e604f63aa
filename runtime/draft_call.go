package runtime

import (
	"context"
	"slices"
)

// Signature is the call around a place of a draft: what is called, and which of
// its parameters is being written, -1 for none of them.
type Signature struct {
	Function Function
	Active   int
}

// Signature is about the innermost call that an offset is in. It reports false
// when there is none, or no telling what is called.
func (d *Draft) Signature(ctx context.Context, off int) (Signature, bool) {
	d, end := d.begin()
	defer end()
	c := d.cursorAt(off)
	s := c.call()
	if s == nil || c.in == "comment" || d.inHeader(c) {
		return Signature{}, false
	}
	to := d.callee(ctx, s)
	if to.function == nil {
		return Signature{}, false
	}
	return Signature{*to.function, to.active(s)}, true
}

// called is what a call calls.
type called struct {
	*view
	thing
	members []string // of the enumeration that is called
}

func (d *Draft) callee(ctx context.Context, s *site) called {
	v, x := d.understand(ctx, s.at, s.callee)
	if x == nil {
		return called{view: d.view(ctx, nil)}
	}
	to := called{view: v, thing: v.thingOf(x)}
	if t := v.targetOf(v.m, x); t != nil && t.enum != nil {
		to.members = t.enum.members
	} else if t != nil && t.def != nil {
		*to.function = v.typed(*to.function, t)
	}
	return to
}

// typed adds to the parameters of a function what their types say.
func (v *view) typed(f Function, t *target) Function {
	for i := range f.Params {
		if typ := v.annotated(t.in, t.def, f.Params[i].Name); typ != nil {
			f.Params[i].read(typ)
		}
	}
	return f
}

// active is the parameter that the cursor is at, -1 for none.
func (to called) active(s *site) int {
	if to.function == nil {
		return -1
	}
	params := to.function.Params
	if s.keyword != "" {
		if i := slices.IndexFunc(params, func(p Param) bool { return p.Name == s.keyword }); i >= 0 {
			return i
		}
		return slices.IndexFunc(params, func(p Param) bool { return p.Extra })
	}
	n := 0
	for i, p := range params {
		if p.KeywordOnly || p.Variadic || p.Extra {
			continue
		}
		if n == s.index {
			return i
		}
		n++
	}
	return slices.IndexFunc(params, func(p Param) bool { return p.Variadic })
}

// choices are the texts that the argument at the cursor may be.
func (to called) choices(s *site) []string {
	if to.members != nil {
		return to.members
	}
	i := to.active(s)
	if i < 0 {
		return nil
	}
	return to.function.Params[i].Choices
}

// keywords are the parameters that the call may still name.
func (to called) keywords(s *site) []Candidate {
	if to.function == nil || to.kind == "" {
		return nil
	}
	var all []Candidate
	positional := 0
	for _, p := range to.function.Params {
		if !p.KeywordOnly && !p.Variadic && !p.Extra {
			positional++
			if positional <= s.index-len(s.names) {
				continue // passed by position
			}
		}
		if p.Variadic || p.Extra || slices.Contains(s.names, p.Name) {
			continue
		}
		c := Candidate{Text: p.Name + " = ", Kind: "parameter", Detail: p.Declaration(), Doc: p.Help}
		if !p.Required {
			c.Near = 1
		}
		all = append(all, c)
	}
	return all
}
