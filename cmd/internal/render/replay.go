package render

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/policyhost/policy/builtins"
)

// comparison writes what changes: a line that says it all, the kinds of changes with
// their examples, the counts by parts of the records, and what is not certain.
func (p *Printer) comparison(c *builtins.Comparison) string {
	var b strings.Builder
	against := c.Against
	if against == "" {
		against = "what was recorded"
	}
	fmt.Fprintf(&b, "%s against %s: %d of %d decisions change", Safe(c.Policy), Safe(against), c.Changed, c.Decisions)
	if c.Changed > 0 {
		fmt.Fprintf(&b, " (%.2f%%)", c.Percent)
	}
	b.WriteByte('\n')
	for _, g := range c.Groups {
		fmt.Fprintf(&b, "\n%s: %s, %d\n", Safe(g.Query), p.flip(g.Before, g.After), g.Count)
		for i := range g.Examples {
			example(&b, &g.Examples[i])
		}
	}
	for _, by := range c.By {
		b.WriteByte('\n')
		t := &table{header: []string{Safe(by.Path), "DECISIONS", "CHANGED", "ALLOW → DENY", "DENY → ALLOW"}}
		for _, v := range by.Values {
			t.add(Safe(string(v.Value)), fmt.Sprint(v.Decisions), fmt.Sprint(v.Changed), fmt.Sprint(v.AllowToDeny), fmt.Sprint(v.DenyToAllow))
		}
		b.WriteString(t.render(p))
		if by.Others > 0 {
			fmt.Fprintf(&b, "and %d more\n", by.Others)
		}
	}
	if len(c.Doubts)+len(c.LeftOut) > 0 {
		b.WriteByte('\n')
	}
	for _, d := range c.Doubts {
		fmt.Fprintf(&b, "uncertain: %s in %s, %d of them changed: %s\n", Safe(d.About), counted(int(d.Decisions), "decision"), d.Changed, Safe(d.Why))
	}
	for _, l := range c.LeftOut {
		fmt.Fprintf(&b, "left out: %s, the first at %s: %s\n", counted(int(l.Documents), "document"), Safe(l.First), Safe(l.Reason))
	}
	return b.String()
}

// flip is "allow → deny", in the colour of where it leads.
func (p *Printer) flip(before, after builtins.Verdict) string {
	color := yellow
	switch after {
	case builtins.Allow:
		color = green
	case builtins.Deny, builtins.Erred:
		color = red
	}
	if before == after {
		return paint(p.Color && p.OutTerminal, yellow, string(after)+", another value")
	}
	return paint(p.Color && p.OutTerminal, color, string(before)+" → "+string(after))
}

// rulesShown bounds the rules of an example; JSON has all.
const rulesShown = 4

func example(b *strings.Builder, x *builtins.Flip) {
	where := fmt.Sprintf("%s:%d", x.File, x.Number)
	if x.ID != "" {
		where = x.ID + " (" + where + ")"
	}
	b.WriteString("  " + Safe(where) + "\n")
	if x.Error != "" {
		detail(b, "error: ", x.Error)
	}
	for _, d := range x.Diff {
		switch {
		case d.Path == "" && x.Error != "":
		case d.Path == "" && len(d.Before)+len(d.After) < 16: // the heading says as much
		case d.Change == "added":
			detail(b, "+ "+d.Path+": ", string(d.After))
		case d.Change == "removed":
			detail(b, "- "+d.Path+": ", string(d.Before))
		default:
			detail(b, "~ "+strings.TrimPrefix(d.Path+": ", ": "), orUndefined(d.Before)+" → "+orUndefined(d.After))
		}
	}
	rules(b, "no longer holds: ", x.Lost)
	rules(b, "holds now: ", x.Gained)
	if len(x.Redacted) > 0 {
		detail(b, "a mask took out: ", strings.Join(x.Redacted, ", "))
	}
}

func orUndefined(text json.RawMessage) string {
	if text == nil {
		return "undefined"
	}
	return string(text)
}

// rules lists those that were edited, else the first of all.
func rules(b *strings.Builder, label string, flips []builtins.RuleFlip) {
	shown := 0
	for _, r := range flips {
		if shown == rulesShown || shown > 0 && !r.Edited {
			break
		}
		what := r.Rule + " (" + r.At + ")"
		if r.Edited {
			what += ", edited"
		}
		detail(b, label, what)
		shown++
	}
	if rest := len(flips) - shown; rest > 0 {
		detail(b, "", fmt.Sprintf("and %d more", rest))
	}
}
