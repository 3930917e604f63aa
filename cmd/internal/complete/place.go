package complete

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Place is what the word under the cursor is. At most one of Commands and Value
// is set; a word that can be neither is a flag, or nothing.
type Place struct {
	Node     *kong.Node
	Commands bool        // a command below Node
	Value    *kong.Value // the value of a flag, or an argument
	Prefix   string      // of the word, before the value: "--target="
	Flags    []*kong.Flag
	Given    []string // earlier words of an argument that takes several
	First    bool     // no argument was given yet
}

// At walks words through the grammar below node. Flags on the way are set in the
// grammar's target, as far as they can be: what is typed after --config or
// --plaintext is asked with them.
func At(node *kong.Node, words []string, typed string) Place {
	w := walk{node: node}
	for _, word := range words {
		w.step(word)
	}
	return w.place(typed)
}

// walk is between two words.
type walk struct {
	node    *kong.Node
	pending *kong.Flag // its value comes next
	used    []*kong.Flag
	at      int // of node.Positional
	given   []string
	literal bool // no flags any more
	lost    bool // a word was no command
}

func (w *walk) step(word string) {
	switch {
	case w.pending != nil:
		set(w.pending, word)
		w.pending = nil
	case w.literal || word == "-" || !strings.HasPrefix(word, "-"):
		w.argument(word)
	case word == "--":
		w.literal = true
	case strings.HasPrefix(word, "--"):
		name, value, inline := strings.Cut(word, "=")
		if f := w.long(name); f != nil {
			w.flag(f, value, inline)
		}
	default:
		_, f, value := w.short(word)
		if f != nil {
			w.flag(f, value, value != "")
		}
	}
}

func (w *walk) argument(word string) {
	if w.at == 0 && len(w.given) == 0 {
		if i := slices.IndexFunc(w.node.Children, func(c *kong.Node) bool { return c.Name == word || slices.Contains(c.Aliases, word) }); i >= 0 {
			w.node = w.node.Children[i]
			return
		}
	}
	value := w.positional()
	switch {
	case value == nil:
		w.lost = true
	case value.Passthrough:
		w.literal = true
		w.given = append(w.given, word)
	case value.IsCumulative():
		w.given = append(w.given, word)
	default:
		w.at++
	}
}

// positional is the argument that comes next.
func (w *walk) positional() *kong.Value {
	if w.at < len(w.node.Positional) {
		return w.node.Positional[w.at]
	}
	return nil
}

func (w *walk) flag(f *kong.Flag, value string, inline bool) {
	w.used = append(w.used, f)
	switch {
	case inline:
		set(f, value)
	case f.IsBool() || f.IsCounter():
		set(f, "")
	default:
		w.pending = f
	}
}

// set gives a flag its value. What cannot be is left for the command to refuse.
func set(f *kong.Flag, value string) {
	if f.IsCounter() || f.Target.Type().Name() == "helpFlag" {
		return
	}
	tokens := []kong.Token{{Type: kong.FlagValueToken, Value: value}}
	if f.IsBool() && value == "" {
		tokens = nil
	}
	_ = f.Parse(kong.ScanFromTokens(tokens...), f.Target)
}

func (w *walk) long(name string) *kong.Flag {
	for _, f := range w.flags() {
		if name == "--"+f.Name || f.Tag.Negatable != "" && name == "--no-"+f.Name {
			return f
		}
	}
	return nil
}

// short reads -abVALUE: the letters before the last flag's value, that flag if it
// is there, and what follows it.
func (w *walk) short(word string) (letters string, last *kong.Flag, value string) {
	for i, r := range word[1:] {
		at := slices.IndexFunc(w.flags(), func(f *kong.Flag) bool { return f.Short == r })
		if at < 0 {
			return word, nil, ""
		}
		last = w.flags()[at]
		if end := 1 + i + len(string(r)); !last.IsBool() && !last.IsCounter() {
			return word[:end], last, word[end:]
		}
		w.used = append(w.used, last)
	}
	return word, last, ""
}

func (w *walk) flags() []*kong.Flag {
	groups := w.node.AllFlags(true)
	slices.Reverse(groups) // the command's own first
	return slices.Concat(groups...)
}

func (w *walk) place(typed string) Place {
	p := Place{Node: w.node, Given: w.given, First: w.at == 0 && len(w.given) == 0 && !w.lost && w.pending == nil}
	flag := !w.literal && strings.HasPrefix(typed, "-") && typed != "-"
	switch name, _, inline := strings.Cut(typed, "="); {
	case w.lost:
	case w.pending != nil:
		p.Value, p.Given = w.pending.Value, nil
	case flag && strings.HasPrefix(typed, "--") && inline:
		if f := w.long(name); f != nil {
			p.Value, p.Prefix, p.Given = f.Value, name+"=", nil
		}
	case flag && !strings.HasPrefix(typed, "--"):
		if letters, f, _ := w.short(typed); f != nil && !f.IsBool() && !f.IsCounter() {
			p.Value, p.Prefix, p.Given = f.Value, letters, nil
		}
	case flag || typed == "-" && !w.literal:
		p.Flags = w.unused()
	case p.First && (len(w.node.Children) > 0 || w.node.Type == kong.ApplicationNode):
		p.Commands = true
	default:
		p.Value = w.positional()
		if p.Value == nil && typed == "" && !w.literal {
			p.Flags = w.unused() // nothing else may follow
		}
	}
	return p
}

// unused are the flags that may still be given.
func (w *walk) unused() []*kong.Flag {
	return slices.DeleteFunc(w.flags(), func(f *kong.Flag) bool {
		return slices.Contains(w.used, f) && !f.IsCumulative() && !f.IsCounter()
	})
}
