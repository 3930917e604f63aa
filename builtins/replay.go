package builtins

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/policyhost/policy/runtime/fault"
)

// ReplayArgs are the arguments of [Replay].
type ReplayArgs struct {
	Policy string   `arg:"" complete:"image,file" help:"What judges now: an image, a bundle tarball, or a folder of sources."`
	Corpus []string `arg:"" complete:"file" help:"What was asked: OPA decision logs, cases or inputs, as JSON lines, JSON or YAML, also compressed with gzip; files, folders, patterns, or - for standard input."`

	Against  string   `placeholder:"POLICY" complete:"image,file" help:"What judged before; without it, the decisions that were recorded."`
	Query    string   `help:"What to ask, for example data.authz.allow; without it, what each record says. Records of other queries are left out."`
	Inputs   bool     `help:"Take every document for an input, also one that looks like a record."`
	Verdict  string   `placeholder:"PATH" help:"Where a decision that is an object says whether it allows, for example result.permitted; by default allow or allowed."`
	Ignore   []string `placeholder:"PATH" help:"Part of the decisions that does not matter, for example reasons or violations.*.at."`
	GroupBy  []string `placeholder:"PATH" help:"Count by a part of the records, for example input.user or labels.app."`
	Top      int      `default:"10" help:"Most values of each --group-by to give, those with the most changes first."`
	Examples int      `default:"3" help:"Most examples of each kind of change to give."`
	Sample   float64  `default:"1" help:"Share of the records to ask, 0 to 1; the same ones each time."`
	First    int      `placeholder:"N" help:"Read no more than the first N documents."`
	Time     string   `placeholder:"TIME" help:"What time.now_ns() says, RFC 3339; without it, the time of each record, else of the run."`

	Data        []string `short:"d" placeholder:"PATH" sep:"none" complete:"file" help:"More data or policies for both: files or folders."`
	Pull        string   `default:"missing" enum:"always,missing,never" help:"When to fetch an image: always, missing or never."`
	RegoVersion string   `default:"rego.v1" enum:"rego.v0,rego.v0v1,rego.v1" help:"Language of folders of sources: rego.v0, rego.v0v1 or rego.v1."`
	Fail        bool     `help:"Fail when a decision changes."`
}

// Replay asks a policy again what was asked before, and compares its decisions
// with those of another policy or those that were recorded. All processors take
// part; memory does not grow with the corpus.
//
// It fails with NotFound when there is no such policy or corpus, Invalid when a
// policy does not compile or a file is no JSON, Usage when no record says
// what was asked. With fail set the answer comes together with a Rejected fault
// when a decision changes.
func Replay(ctx context.Context, e *Env, args *ReplayArgs) (*Comparison, error) {
	r, done, err := args.replayer(ctx, e)
	defer done()
	if err != nil {
		return nil, err
	}
	t := newTally(args)
	if err := r.run(ctx, e, t); err != nil {
		return nil, err
	}
	c := t.comparison()
	if c.Decisions == 0 {
		return nil, args.nothing(c)
	}
	if err := r.allUndefined(c); err != nil {
		return nil, err
	}
	c.Policy, c.Image, c.Against, c.AgainstImage = args.Policy, ManifestDigest(r.now.image), args.Against, ManifestDigest(r.before.image)
	r.explain(ctx, c)
	if args.Fail && c.Changed > 0 {
		return c, fault.New(fault.Rejected, args.Policy, "%d of %d decisions change", c.Changed, c.Decisions)
	}
	return c, nil
}

// replayer has what every record needs.
type replayer struct {
	*ReplayArgs
	now, before opened // before.Bundle is nil: compare with what was recorded
	at          time.Time
	pinned      bool // at holds for records that have a time of their own, too
	ignore      [][]string
	verdict     []string
	groupBy     [][]string
}

func (args *ReplayArgs) replayer(ctx context.Context, e *Env) (*replayer, func(), error) {
	r := &replayer{ReplayArgs: args, at: e.Now(), verdict: dotted(args.Verdict)}
	done := func() {}
	switch {
	case args.Sample <= 0 || args.Sample > 1 || math.IsNaN(args.Sample):
		return nil, done, fault.New(fault.Usage, "", "--sample %v is no share", args.Sample).WithHint("0.1 asks a tenth of the records")
	case args.Top < 0 || args.Examples < 0 || args.First < 0:
		return nil, done, fault.New(fault.Usage, "", "--top, --examples and --first count: want 0 or more")
	case args.Time != "":
		at, err := time.Parse(time.RFC3339Nano, args.Time)
		if err != nil {
			return nil, done, fault.New(fault.Usage, "", "--time %q is no time", args.Time).WithHint("write it as 2026-01-31T12:00:00Z")
		}
		r.at, r.pinned = at, true
	}
	for _, path := range args.Ignore {
		r.ignore = append(r.ignore, dotted(path))
	}
	for _, path := range args.GroupBy {
		r.groupBy = append(r.groupBy, dotted(path))
	}
	var closers []func()
	done = func() {
		for _, c := range closers {
			c()
		}
	}
	open := func(policy string) (opened, error) {
		b, done, err := e.bundle(ctx, opening{policy: policy, pull: args.Pull, regoVersion: args.RegoVersion, data: args.Data, replaying: true})
		if err == nil {
			closers = append(closers, done)
		}
		return b, err
	}
	var err error
	if r.now, err = open(args.Policy); err == nil && args.Against != "" {
		r.before, err = open(args.Against)
	}
	return r, done, err
}

// dotted splits a path such as input.user.name; one that begins with a slash may
// have dots in its keys.
func dotted(path string) []string {
	switch {
	case path == "":
		return nil
	case path[0] == '/':
		return strings.Split(path[1:], "/")
	}
	return strings.Split(path, ".")
}

// nothing says why not a single decision was compared.
func (args *ReplayArgs) nothing(c *Comparison) error {
	f := fault.New(fault.Usage, strings.Join(args.Corpus, " "), "nothing to compare in it")
	if len(c.LeftOut) == 0 {
		return f
	}
	why := slices.MaxFunc(c.LeftOut, func(a, b LeftOut) int { return int(a.Documents - b.Documents) })
	f = fault.New(fault.Usage, strings.Join(args.Corpus, " "), "nothing to compare in it: %s", why.Reason)
	switch why.Reason {
	case noQuery:
		return f.WithHint("say what to ask: --query data.authz.allow")
	case otherQuery:
		return f.WithHint("leave out --query to ask what the records say")
	case notRecorded:
		return f.WithHint("name the policy to compare with: --against POLICY")
	case noRecord:
		return f.WithHint("to take every document for an input: --inputs")
	}
	return f
}

// allUndefined refuses a query that nobody answers: it is misspelled, and a report
// that nothing changes would be taken for good news.
func (r *replayer) allUndefined(c *Comparison) error {
	if r.Query == "" || c.Before.Undefined+c.After.Undefined < 2*c.Decisions {
		return nil
	}
	f := fault.New(fault.Usage, r.Query, "undefined in all of %d decisions, before and now", c.Decisions)
	if near := r.now.Nearest(r.Query); near != "" {
		return f.WithHint("did you mean %s?", near)
	}
	return f
}
