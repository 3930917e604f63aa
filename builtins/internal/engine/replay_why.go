package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Rule is a rule of a policy.
type Rule struct {
	Name string // data.authz.allow
	At   string // file:line
	Text string // the rule, laid out the same whatever its file looks like
}

// Holding gives the rules that hold on the way to the answer of a question, sorted.
// It is several times slower than [Bundle.Ask].
func (b *Bundle) Holding(ctx context.Context, q *Question) ([]Rule, error) {
	var held map[spot]struct{}
	err := b.workers.do(ctx, func(c *cancelFlag) error {
		p, err := b.prepare(ctx, &Query{Query: q.query}, metrics.NoOp())
		if err != nil {
			return err
		}
		tracer := rulesHeld{}
		opts := append(b.evalOptions(&Query{Time: q.time}, q.input, metrics.NoOp(), c),
			rego.EvalNDBuiltinCache(maps.Clone(q.cache)), rego.EvalSeed(sameDraws{}), rego.EvalQueryTracer(tracer))
		if _, err := p.query.Eval(ctx, opts...); err != nil {
			return err
		}
		if !c.Cancelled() {
			held = tracer
		}
		return nil
	})
	if err != nil {
		return nil, fromOPA(ctx, b.opts.Name, err)
	}
	var rules []Rule
	for _, r := range b.Rules() {
		if _, ok := held[r.spot]; ok {
			rules = append(rules, r.Rule)
		}
	}
	return rules, nil
}

// PlacedRule is a rule that can be told from all others of its bundle.
type PlacedRule struct {
	Rule
	spot spot
}

type spot struct {
	file     string
	row, col int
}

func spotOf(l *ast.Location) spot {
	if l == nil {
		return spot{}
	}
	return spot{l.File, l.Row, l.Col}
}

// Rules gives the rules of all modules that were read so far, sorted by name and
// spot. What the compiler makes of a rule, it leaves at the rule's place.
func (b *Bundle) Rules() []PlacedRule {
	var rules []PlacedRule
	for _, m := range b.parsedModules() {
		for _, rule := range m.Rules {
			for r := rule; r != nil; r = r.Else {
				p := spotOf(r.Location)
				rules = append(rules, PlacedRule{
					Rule{Name: rule.Ref().GroundPrefix().String(), At: fmt.Sprintf("%s:%d", p.file, p.row), Text: r.String()}, p,
				})
			}
		}
	}
	slices.SortFunc(rules, func(x, y PlacedRule) int {
		if c := strings.Compare(x.Name, y.Name); c != 0 {
			return c
		}
		if c := strings.Compare(x.spot.file, y.spot.file); c != 0 {
			return c
		}
		return x.spot.row - y.spot.row
	})
	return rules
}

// rulesHeld is a tracer that keeps where the rules are whose body was true.
type rulesHeld map[spot]struct{}

func (rulesHeld) Enabled() bool               { return true }
func (rulesHeld) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

func (h rulesHeld) TraceEvent(e topdown.Event) {
	if rule, ok := e.Node.(*ast.Rule); ok && e.Op == topdown.ExitOp {
		h[spotOf(rule.Location)] = struct{}{}
	}
}
