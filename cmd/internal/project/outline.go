package project

import (
	"bytes"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// outline is a text and where its recipes stand in it. It has one of three forms,
// which TOML does not let anybody mix: a table of its own, [recipes]; an inline
// table, recipes = {…}; and dotted keys, recipes.acme = ….
type outline struct {
	text   []byte
	pairs  []pair
	header int // an offset in the line of [recipes]; -1: there is none
	inline unstable.Range
	dotted bool
}

// pair is a line of a recipe.
type pair struct {
	alias      string
	ref        string
	all, value unstable.Range
}

const recipesKey = "recipes"

// outlined looks through a text that was parsed already.
func outlined(text []byte) *outline {
	o := &outline{text: text, header: -1}
	var p unstable.Parser
	p.Reset(text)
	top, inside := true, false
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind != unstable.KeyValue {
			key := e.Key()
			key.Next()
			inside = key.IsLast() && string(key.Node().Data) == recipesKey
			if top = false; inside {
				o.header = int(key.Node().Raw.Offset)
			}
			continue
		}
		key := e.Key()
		key.Next()
		switch named := top && string(key.Node().Data) == recipesKey; {
		case inside:
			o.add(string(key.Node().Data), e)
		case named && key.IsLast():
			o.readInline(&p, e)
		case named:
			o.dotted = true
			key.Next()
			o.add(string(key.Node().Data), e)
		}
	}
	return o
}

func (o *outline) add(alias string, e *unstable.Node) {
	o.pairs = append(o.pairs, pair{alias, string(e.Value().Data), e.Raw, e.Value().Raw})
}

func (o *outline) readInline(p *unstable.Parser, e *unstable.Node) {
	// The library gives only the brace as the place of an inline table.
	start, end := e.Value().Raw.Offset, e.Raw.Offset+uint32(len(bytes.TrimRight(p.Raw(e.Raw), " \t")))
	o.inline = unstable.Range{Offset: start, Length: end - start}
	for pairs := e.Value().Children(); pairs.Next(); {
		key := pairs.Node().Key()
		key.Next()
		o.add(string(key.Node().Data), pairs.Node())
	}
}

// with is the text with a line for the alias.
func (o *outline) with(alias, ref string) []byte {
	known := -1
	for i, p := range o.pairs {
		if p.alias == alias {
			known = i
		}
	}
	end := "\n"
	if bytes.Contains(o.text, []byte("\r\n")) {
		end = "\r\n"
	}
	fresh := line(alias, ref) + end
	switch {
	case known >= 0:
		return o.replace(o.pairs[known].value, quoted(ref))
	case o.inline.Length > 0:
		return o.replace(o.inline, inlined(append(o.pairs, pair{alias: alias, ref: ref})))
	case len(o.pairs) > 0:
		last := o.pairs[len(o.pairs)-1].all
		start := o.lineStart(int(last.Offset))
		indent := string(o.text[start:last.Offset])
		if o.dotted {
			fresh = recipesKey + "." + fresh
		}
		return o.insert(o.lineEnd(int(last.Offset+last.Length)), indent+fresh, end)
	case o.header >= 0:
		return o.insert(o.lineEnd(o.header), fresh, end)
	}
	section := "[" + recipesKey + "]" + end + fresh
	if len(o.text) > 0 {
		section = end + section
	}
	return o.insert(len(o.text), section, end)
}

// without is the text without the line of the alias.
func (o *outline) without(alias string) []byte {
	var rest []pair
	var gone pair
	for _, p := range o.pairs {
		if p.alias == alias {
			gone = p
		} else {
			rest = append(rest, p)
		}
	}
	if o.inline.Length > 0 {
		return o.replace(o.inline, inlined(rest))
	}
	start, end := o.lineStart(int(gone.all.Offset)), o.lineEnd(int(gone.all.Offset+gone.all.Length))
	return o.replace(unstable.Range{Offset: uint32(start), Length: uint32(end - start)}, "")
}

// inlined are pairs as an inline table.
func inlined(pairs []pair) string {
	var all []string
	for _, p := range pairs {
		all = append(all, line(p.alias, p.ref))
	}
	if len(all) == 0 {
		return "{}"
	}
	return "{ " + strings.Join(all, ", ") + " }"
}

func (o *outline) replace(r unstable.Range, by string) []byte {
	return bytes.Join([][]byte{o.text[:r.Offset], []byte(by), o.text[r.Offset+r.Length:]}, nil)
}

// insert puts text in front of an offset, on a line of its own.
func (o *outline) insert(at int, text, end string) []byte {
	if at > 0 && o.text[at-1] != '\n' {
		text = end + text
	}
	return o.replace(unstable.Range{Offset: uint32(at)}, text)
}

// lineStart is where the line of an offset begins, lineEnd where the next one does.
func (o *outline) lineStart(at int) int { return bytes.LastIndexByte(o.text[:at], '\n') + 1 }

func (o *outline) lineEnd(at int) int {
	if i := bytes.IndexByte(o.text[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(o.text)
}
