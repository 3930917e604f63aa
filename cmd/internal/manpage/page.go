package manpage

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Source is what all pages say at their top and bottom.
type Source struct {
	Version string // "policy 1.2.0"
	Date    string // 2026-01-31
}

// Note is a section of the caller's: a heading, and terms with their texts.
type Note struct {
	Title string
	Text  string // above the terms
	Items []Item
}

// Item is a term and what it means.
type Item struct{ Term, Text string }

// Command gives the page of a command and of those below it, with notes.
func Command(src Source, node *kong.Node, notes ...Note) string {
	r := new(roff)
	words := wordsOf(node)
	r.head(src, strings.Join(words, "-"), node.Help)
	r.request("SH", "SYNOPSIS")
	leaves := leavesOf(node)
	for i, leaf := range leaves {
		if i > 0 {
			r.request("br")
		}
		r.synopsis(leaf)
	}
	about, example := split(node.Detail)
	r.request("SH", "DESCRIPTION")
	r.paragraphs(node.Help + "\n\n" + others(node) + "\n\n" + about)
	if node.Leaf() {
		r.values("SH", node)
	} else {
		r.request("SH", "COMMANDS")
		for _, leaf := range leaves {
			r.request("SS", strings.Join(wordsOf(leaf), " "))
			about, code := split(leaf.Detail)
			r.paragraphs(leaf.Help + "\n\n" + about)
			r.values("", leaf)
			example += "\n    " + code
		}
	}
	r.request("SH", "GLOBAL FLAGS")
	r.line("See ", bold("policy"), "(1).")
	if example = strings.TrimSpace(example); example != "" {
		r.request("SH", "EXAMPLES")
		r.paragraphs("    " + example)
	}
	r.notes(notes)
	r.request("SH", "SEE ALSO")
	r.line(bold("policy"), "(1)")
	return r.String()
}

// Overview gives the page of the whole: its commands by group, and the flags that
// they share.
func Overview(src Source, app *kong.Application, groups []kong.Group, variable func(flag string) string, notes ...Note) string {
	r := new(roff)
	r.head(src, app.Name, app.Help)
	r.request("SH", "SYNOPSIS")
	r.line(bold(app.Name), " ", italic("COMMAND"), " [", italic("FLAGS"), "] [", italic("ARGUMENTS"), "]")
	r.request("SH", "DESCRIPTION")
	r.paragraphs(app.Help)
	var pages []string
	for _, group := range groups {
		title := strings.TrimSuffix(group.Title, ":")
		for _, c := range app.Children {
			if c.Group == nil || c.Group.Key != group.Key || c.Hidden {
				continue
			}
			if title != "" {
				r.request("SH", strings.ToUpper(title))
				title = ""
			}
			page := strings.Join(wordsOf(c), "-")
			r.item(bold(page)+"(1)", c.Help)
			pages = append(pages, page)
		}
	}
	r.request("SH", "GLOBAL FLAGS")
	r.line(Text("They may stand before and after the command."))
	for _, f := range visible(app.Flags) {
		text := f.Help
		if v := variable(f.Name); v != "" {
			text += " $" + v + " sets it, too."
		}
		r.item(flagTerm(f), text)
	}
	r.notes(notes)
	r.request("SH", "SEE ALSO")
	slices.Sort(pages)
	for i, page := range pages {
		r.line(bold(page), "(1)", strings.Repeat(",", min(1, len(pages)-1-i)))
	}
	return r.String()
}

// Alias gives a page that is another.
func Alias(page string) string { return ".so man1/" + page + ".1\n" }

func (r *roff) head(src Source, name, summary string) {
	r.line(".TH ", Text(strings.ToUpper(name)), " 1 ", src.Date, ` "`, Text(src.Version), `" "policy"`)
	r.request("nh") // variables and flags stay whole
	r.request("SH", "NAME")
	r.line(Text(name), ` \- `, Text(strings.TrimSuffix(summary, ".")))
}

func (r *roff) synopsis(leaf *kong.Node) {
	parts := []string{bold(strings.Join(wordsOf(leaf), " ")), " [", italic("FLAGS"), "]"}
	for _, p := range leaf.Positional {
		term := italic(strings.ToUpper(p.Name))
		if p.IsCumulative() {
			term += " ..."
		}
		if !p.Required {
			term = "[" + term + "]"
		}
		parts = append(parts, " ", term)
	}
	r.line(parts...)
}

// values writes arguments and flags, under headings of their own if there is a
// macro for them.
func (r *roff) values(macro string, node *kong.Node) {
	heading := func(title string) {
		if macro != "" {
			r.request(macro, title)
		}
	}
	for i, p := range node.Positional {
		if i == 0 {
			heading("ARGUMENTS")
		}
		r.item(italic(strings.ToUpper(p.Name)), p.Help)
	}
	flags := visible(node.Flags)
	for i, f := range flags {
		if i == 0 {
			heading("FLAGS")
		}
		text := f.Help
		switch {
		case f.Default == "true":
			text += " It is on by default."
		case f.HasDefault && f.Default != "":
			text += fmt.Sprintf(" The default is %s.", f.Default)
		}
		r.item(flagTerm(f), text)
	}
}

func (r *roff) notes(notes []Note) {
	for _, n := range notes {
		r.request("SH", strings.ToUpper(n.Title))
		r.paragraphs(n.Text)
		for _, i := range n.Items {
			r.item(bold(i.Term), i.Text)
		}
	}
}

// flagTerm is what to type: -f, --file=FILE, --[no-]cache.
func flagTerm(f *kong.Flag) string {
	name := "--" + f.Name
	if f.Tag.Negatable != "" {
		name = "--[no-]" + f.Name
	}
	term := bold(name)
	if f.Short != 0 {
		term = bold("-"+string(f.Short)) + ", " + term
	}
	if !f.IsBool() && !f.IsCounter() {
		value := strings.ToUpper(f.Name)
		switch {
		case f.PlaceHolder != "":
			value = f.PlaceHolder
		case f.IsMap():
			value = "KEY=VALUE"
		}
		term += "=" + italic(value)
	}
	return term
}

func visible(flags []*kong.Flag) []*kong.Flag {
	return slices.DeleteFunc(slices.Clone(flags), func(f *kong.Flag) bool { return f.Hidden })
}

// others says under which names a command goes, too.
func others(node *kong.Node) string {
	if len(node.Aliases) == 0 {
		return ""
	}
	return "It is called " + strings.Join(node.Aliases, ", ") + ", too."
}

// split takes the example off a detailed help.
func split(detail string) (about, example string) {
	about, example, _ = strings.Cut("\n"+detail, "\nExample:\n")
	return strings.TrimSpace(about), strings.TrimSpace(example)
}

// wordsOf is what to type for a command: policy, store, prune.
func wordsOf(node *kong.Node) []string {
	var words []string
	for ; node != nil; node = node.Parent {
		words = append(words, node.Name)
	}
	slices.Reverse(words)
	return words
}

func leavesOf(node *kong.Node) []*kong.Node {
	if node.Leaf() {
		return []*kong.Node{node}
	}
	return node.Leaves(true)
}
