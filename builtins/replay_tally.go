package builtins

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/policyhost/policy/builtins/internal/engine"
)

// Comparison is the answer of replay.
type Comparison struct {
	Policy       string         `json:"policy"`        // what judges now
	Image        ManifestDigest `json:"image"`         // its digest; null for files
	Against      string         `json:"against"`       // what judged before; empty: what was recorded
	AgainstImage ManifestDigest `json:"against_image"` // its digest; null for files and records
	Decisions    int64          `json:"decisions"`     // compared
	Same         int64          `json:"same"`          //
	Changed      int64          `json:"changed"`       // the sum of the next five
	AllowToDeny  int64          `json:"allow_to_deny"` //
	DenyToAllow  int64          `json:"deny_to_allow"` //
	Undefined    int64          `json:"undefined"`     // to or from undefined
	Errors       int64          `json:"errors"`        // one of the two fails
	Other        int64          `json:"other"`         // decided alike, with other values
	Percent      float64        `json:"percent"`       // that changed
	Before       Verdicts       `json:"before"`        // what was decided
	After        Verdicts       `json:"after"`         //
	Groups       []FlipGroup    `json:"groups"`        // the changes, the most frequent first
	By           []ChangesBy    `json:"by"`            // counts for each group_by
	Doubts       []Doubt        `json:"doubts"`        // what may differ for another reason than the policy
	LeftOut      []LeftOut      `json:"left_out"`      // documents that were not compared
}

// Verdicts counts decisions by what they come down to.
type Verdicts struct {
	Allow     int64 `json:"allow"`
	Deny      int64 `json:"deny"`
	Undefined int64 `json:"undefined"`
	Errors    int64 `json:"errors"`
	Other     int64 `json:"other"` // neither yes nor no
}

// FlipGroup is the changes of one kind.
type FlipGroup struct {
	Query    string  `json:"query"`
	Before   Verdict `json:"before"`
	After    Verdict `json:"after"`
	Count    int64   `json:"count"`
	Examples []Flip  `json:"examples"` // the first of them, with inputs that differ
}

// Flip is a decision that changed.
type Flip struct {
	ID     string          `json:"id"`     // the decision's id or the case's name; may be empty
	File   string          `json:"file"`   // where it is recorded
	Number int             `json:"number"` // the line there, or the position
	Time   *time.Time      `json:"time"`   // of the decision; null when it is not recorded
	Input  json.RawMessage `json:"input"`  // null when there was none
	Before json.RawMessage `json:"before"` // null when it was undefined or failed
	After  json.RawMessage `json:"after"`
	Error  string          `json:"error"`  // of the side that failed
	Diff   []Difference    `json:"diff"`   // at most 20
	Lost   []RuleFlip      `json:"lost"`   // rules that held before and do not now
	Gained []RuleFlip      `json:"gained"` // rules that hold now and did not before

	Redacted []string `json:"redacted"` // what a mask took out of the record
	question *engine.Question
}

// ChangesBy counts by the values of a part of the records.
type ChangesBy struct {
	Path   string         `json:"path"`
	Values []ChangesValue `json:"values"` // those with the most changes first
	Others int64          `json:"others"` // values that are not listed
}

// ChangesValue is one value of a part of the records.
type ChangesValue struct {
	Value       json.RawMessage `json:"value"` // null where the records lack it
	Decisions   int64           `json:"decisions"`
	Changed     int64           `json:"changed"`
	AllowToDeny int64           `json:"allow_to_deny"`
	DenyToAllow int64           `json:"deny_to_allow"`
}

// Doubt is a reason for which decisions may have changed, or not, other than the policy.
type Doubt struct {
	About     string `json:"about"` // a function, or "redacted"
	Why       string `json:"why"`
	Decisions int64  `json:"decisions"`
	Changed   int64  `json:"changed"` // of these
}

// LeftOut counts documents that were not compared.
type LeftOut struct {
	Reason    string `json:"reason"`
	Documents int64  `json:"documents"`
	First     string `json:"first"` // file:number
}

// maxValues bounds the values that one group_by keeps.
const maxValues = 100_000

// tally counts; tallies of parts of a corpus add up to that of all.
type tally struct {
	args    *ReplayArgs
	c       Comparison
	groups  map[groupKey]*FlipGroup
	by      []map[string]*ChangesValue
	doubts  map[string]*Doubt
	leftOut map[string]*LeftOut
}

type groupKey struct {
	query         string
	before, after Verdict
}

func newTally(args *ReplayArgs) *tally {
	t := &tally{args: args, groups: map[groupKey]*FlipGroup{}, doubts: map[string]*Doubt{}, leftOut: map[string]*LeftOut{}}
	for range args.GroupBy {
		t.by = append(t.by, map[string]*ChangesValue{})
	}
	return t
}

func (t *tally) leaveOut(why string, d document) {
	if l := t.leftOut[why]; l != nil {
		l.Documents++
		return
	}
	t.leftOut[why] = &LeftOut{Reason: why, Documents: 1, First: d.where()}
}

func (t *tally) count(r *replayer, a *asked) {
	t.c.Decisions++
	t.c.Before.count(a.before.verdict)
	t.c.After.count(a.after.verdict)
	diff := r.differences(a)
	key := groupKey{a.query, a.before.verdict, a.after.verdict}
	t.countDoubts(r, a, diff != nil)
	for i, path := range r.groupBy {
		t.value(i, a.part(path)).count(key, diff != nil)
	}
	if diff == nil {
		t.c.Same++
		return
	}
	t.c.change(key)
	g := t.groups[key]
	if g == nil {
		g = &FlipGroup{Query: key.query, Before: key.before, After: key.after, Examples: []Flip{}}
		t.groups[key] = g
	}
	if g.Count++; g.wants(t.args, a.Input) {
		g.Examples = append(g.Examples, a.change(diff))
	}
}

// wants reports whether an example with this input tells more than those there are.
func (g *FlipGroup) wants(args *ReplayArgs, input string) bool {
	return len(g.Examples) < args.Examples && !slices.ContainsFunc(g.Examples, func(x Flip) bool { return string(x.Input) == input })
}

func (v *Verdicts) count(verdict Verdict) {
	switch verdict {
	case Allow:
		v.Allow++
	case Deny:
		v.Deny++
	case Undefined:
		v.Undefined++
	case Erred:
		v.Errors++
	default:
		v.Other++
	}
}

func (c *Comparison) change(key groupKey) {
	c.Changed++
	switch {
	case key.before == Erred || key.after == Erred:
		c.Errors++
	case key.before == Undefined || key.after == Undefined:
		c.Undefined++
	case key.before == Allow && key.after == Deny:
		c.AllowToDeny++
	case key.before == Deny && key.after == Allow:
		c.DenyToAllow++
	default:
		c.Other++
	}
}

func (v *ChangesValue) count(key groupKey, changed bool) {
	v.Decisions++
	switch {
	case !changed:
		return
	case key.before == Allow && key.after == Deny:
		v.AllowToDeny++
	case key.before == Deny && key.after == Allow:
		v.DenyToAllow++
	}
	v.Changed++
}

// value is where one value of a part is counted; beyond very many it is thrown away.
func (t *tally) value(i int, text string) *ChangesValue {
	v := t.by[i][text]
	if v == nil {
		v = &ChangesValue{Value: json.RawMessage(text)}
		if len(t.by[i]) < maxValues {
			t.by[i][text] = v
		}
	}
	return v
}

// part is a part of a record, of its input or of what was decided: JSON, null where
// there is none.
func (a *asked) part(path []string) string {
	var text string
	var ok bool
	switch path[0] {
	case "input":
		text, ok = engine.Member(a.Input, path[1:]...)
	case "query":
		text, ok = encoded(a.query), true
	default:
		text, ok = engine.Member(a.Text, path...)
	}
	if !ok {
		return "null"
	}
	value, err := engine.Canonical(text)
	if err != nil {
		return "null"
	}
	return string(value)
}

func (a *asked) change(diff []Difference) Flip {
	x := Flip{
		ID: a.ID, File: a.file, Number: a.n, Diff: diff, Lost: []RuleFlip{}, Gained: []RuleFlip{},
		Before: valueOf(a.before.Answer), After: valueOf(a.after.Answer),
		Redacted: append([]string{}, a.Redacted...), question: a.question,
	}
	if a.Input != "" {
		x.Input = json.RawMessage(a.Input)
	}
	if !a.Time.IsZero() {
		x.Time = &a.Time
	}
	for _, err := range []error{a.before.Err, a.after.Err} {
		if err != nil {
			x.Error = err.Error()
		}
	}
	return x
}

func (t *tally) countDoubts(r *replayer, a *asked, changed bool) {
	about := map[string]string{}
	for _, path := range a.Redacted {
		if path != "/nd_builtin_cache" && !strings.HasPrefix(path, "/result") {
			about["redacted"] = "a mask took something out of the record that the policy may look at"
		}
	}
	for _, side := range []answer{a.before, a.after} {
		for _, name := range side.Live {
			switch {
			case name != "time.now_ns":
				about[name] = "the record has no answer of it (nd_builtin_cache)"
			case !r.pinned && a.Time.IsZero():
				about[name] = "the record has no time; --time sets one"
			}
		}
	}
	for name, why := range about {
		d := t.doubts[name]
		if d == nil {
			d = &Doubt{About: name, Why: why}
			t.doubts[name] = d
		}
		d.Decisions++
		if changed {
			d.Changed++
		}
	}
}

// add adds the tally of what comes next in the corpus.
func (t *tally) add(o *tally) {
	c, oc := &t.c, &o.c
	c.Decisions += oc.Decisions
	c.Same += oc.Same
	c.Changed += oc.Changed
	c.AllowToDeny += oc.AllowToDeny
	c.DenyToAllow += oc.DenyToAllow
	c.Undefined += oc.Undefined
	c.Errors += oc.Errors
	c.Other += oc.Other
	c.Before.add(oc.Before)
	c.After.add(oc.After)
	for key, og := range o.groups {
		g := t.groups[key]
		if g == nil {
			t.groups[key] = og
			continue
		}
		g.Count += og.Count
		for _, x := range og.Examples {
			if g.wants(t.args, string(x.Input)) {
				g.Examples = append(g.Examples, x)
			}
		}
	}
	for i := range o.by {
		for text, ov := range o.by[i] {
			v := t.value(i, text)
			v.Decisions += ov.Decisions
			v.Changed += ov.Changed
			v.AllowToDeny += ov.AllowToDeny
			v.DenyToAllow += ov.DenyToAllow
		}
	}
	for name, od := range o.doubts {
		if d := t.doubts[name]; d != nil {
			d.Decisions += od.Decisions
			d.Changed += od.Changed
		} else {
			t.doubts[name] = od
		}
	}
	for why, ol := range o.leftOut {
		if l := t.leftOut[why]; l != nil {
			l.Documents += ol.Documents
		} else {
			t.leftOut[why] = ol
		}
	}
}

func (v *Verdicts) add(o Verdicts) {
	v.Allow += o.Allow
	v.Deny += o.Deny
	v.Undefined += o.Undefined
	v.Errors += o.Errors
	v.Other += o.Other
}

// comparison is the answer, in an order that does not depend on chance.
func (t *tally) comparison() *Comparison {
	c := t.c
	c.Groups, c.By, c.Doubts, c.LeftOut = []FlipGroup{}, []ChangesBy{}, []Doubt{}, []LeftOut{}
	if c.Decisions > 0 {
		c.Percent = 100 * float64(c.Changed) / float64(c.Decisions)
	}
	for _, g := range t.groups {
		c.Groups = append(c.Groups, *g)
	}
	slices.SortFunc(c.Groups, func(a, b FlipGroup) int {
		return cmp.Or(-cmp.Compare(a.Count, b.Count), cmp.Compare(a.Query, b.Query), cmp.Compare(a.Before, b.Before), cmp.Compare(a.After, b.After))
	})
	for i, path := range t.args.GroupBy {
		values := []ChangesValue{}
		for _, v := range t.by[i] {
			values = append(values, *v)
		}
		slices.SortFunc(values, func(a, b ChangesValue) int {
			return cmp.Or(-cmp.Compare(a.Changed, b.Changed), -cmp.Compare(a.Decisions, b.Decisions), cmp.Compare(string(a.Value), string(b.Value)))
		})
		shown := min(len(values), t.args.Top)
		c.By = append(c.By, ChangesBy{Path: path, Values: values[:shown], Others: int64(len(values) - shown)})
	}
	for _, name := range slices.Sorted(maps.Keys(t.doubts)) {
		c.Doubts = append(c.Doubts, *t.doubts[name])
	}
	for _, why := range slices.Sorted(maps.Keys(t.leftOut)) {
		c.LeftOut = append(c.LeftOut, *t.leftOut[why])
	}
	return &c
}
