package engine

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/profiler"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/lineage"

	"github.com/policyhost/policy/runtime/fault"
)

// watchers look on while a query is evaluated, as far as it asks for them.
type watchers struct {
	explain  string
	trace    *topdown.BufferTracer
	profile  *profiler.Profiler
	coverage *cover.Cover
}

func watchersFor(q *Query) (*watchers, error) {
	w := &watchers{explain: q.Explain}
	if q.Explain != "" {
		if _, ok := explanations[q.Explain]; !ok {
			return nil, fault.New(fault.Usage, "", "%q explains nothing", q.Explain).WithHint("one of notes, fails, full, debug")
		}
		w.trace = topdown.NewBufferTracer()
	}
	if q.Profile {
		w.profile = profiler.New()
	}
	if q.Coverage {
		w.coverage = cover.New()
	}
	return w, nil
}

func (w *watchers) options(opts []rego.EvalOption) []rego.EvalOption {
	if w.trace != nil {
		opts = append(opts, rego.EvalQueryTracer(w.trace))
	}
	if w.profile != nil {
		opts = append(opts, rego.EvalQueryTracer(w.profile))
	}
	if w.coverage != nil {
		opts = append(opts, rego.EvalQueryTracer(w.coverage))
	}
	return opts
}

// report puts what they saw into the decision.
func (w *watchers) report(d *Decision, modules func() map[string]*ast.Module) error {
	var err error
	if w.trace != nil {
		var text strings.Builder
		topdown.PrettyTraceWithOpts(&text, explanations[w.explain](*w.trace), topdown.PrettyTraceOptions{Locations: true, ExprVariables: true})
		d.Explain = text.String()
	}
	if w.profile != nil {
		const lines = 10 // as opa eval
		order := []string{"total_time_ns", "num_eval", "num_redo", "num_gen_expr", "file", "line"}
		if d.Profile, err = json.Marshal(w.profile.ReportTopNResults(lines, order)); err != nil {
			return err
		}
	}
	if w.coverage != nil {
		if d.Coverage, err = json.Marshal(w.coverage.Report(modules())); err != nil {
			return err
		}
	}
	return nil
}

// explanations thin out a trace.
var explanations = map[string]func([]*topdown.Event) []*topdown.Event{
	"notes": lineage.Notes,
	"fails": lineage.Fails,
	"full":  lineage.Full,
	"debug": lineage.Debug,
}

// parsedModules are all modules of the bundle that were read, by name.
func (b *Bundle) parsedModules() map[string]*ast.Module {
	b.mu.Lock()
	defer b.mu.Unlock()
	return byName(b.modules)
}

// partial answers a query as far as it goes without the unknowns, which are the
// input unless it says otherwise.
func (b *Bundle) partial(ctx context.Context, q *Query, input ast.Value, c *cancelFlag) (*Decision, error) {
	for _, u := range q.Unknowns {
		t, err := ast.ParseTerm(u)
		if err != nil {
			return nil, fault.New(fault.Usage, u, "not a reference: %w", err)
		}
		if _, ok := t.Value.(ast.Ref); !ok && u != "input" && u != "data" {
			return nil, fault.New(fault.Usage, u, "an unknown is a reference").WithHint("for example input.user")
		}
	}
	m := metrics.NoOp()
	if q.Metrics {
		m = metrics.New()
	}
	watch, err := watchersFor(q)
	if err != nil {
		return nil, err
	}
	pq, err := b.preparePartial(ctx, q, m)
	if err != nil {
		return nil, err
	}
	pqs, err := pq.Partial(ctx, watch.options(b.evalOptions(q, input, m, c))...)
	if err != nil {
		return nil, err
	}
	d := &Decision{Defined: len(pqs.Queries) > 0}
	if q.Metrics {
		d.Metrics = m.All()
	}
	if d.Partial, err = partialJSON(pqs); err != nil {
		return nil, err
	}
	return d, watch.report(d, b.parsedModules)
}

func (b *Bundle) preparePartial(ctx context.Context, q *Query, m metrics.Metrics) (pq rego.PreparedPartialQuery, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	body, err := b.queryBody(q)
	if err != nil {
		return pq, err
	}
	opts, err := b.regoOptions(ctx, body, q, m)
	if err != nil {
		return pq, err
	}
	if len(q.Unknowns) > 0 {
		opts = append(opts, rego.Unknowns(q.Unknowns))
	}
	if pq, err = rego.New(opts...).PrepareForPartial(ctx); err != nil {
		err = b.queryFault(ctx, q, err)
	}
	return pq, err
}

// partialJSON shows the rest of a query as Rego that can be read, stored and
// evaluated elsewhere.
func partialJSON(pqs *rego.PartialQueries) (json.RawMessage, error) {
	answer := struct {
		Queries []string `json:"queries"`
		Support []string `json:"support,omitempty"`
	}{Queries: make([]string, 0, len(pqs.Queries))}
	for _, body := range pqs.Queries {
		// The expressions come from different lines; left so, they are spread.
		for i, e := range body {
			e.Location = ast.NewLocation(nil, "", i+1, 1)
		}
		text, err := format.Ast(body)
		if err != nil {
			return nil, err
		}
		answer.Queries = append(answer.Queries, strings.TrimSpace(string(text)))
	}
	for _, m := range pqs.Support {
		text, err := format.AstWithOpts(m, format.Opts{RegoVersion: ast.RegoV1})
		if err != nil {
			return nil, err
		}
		answer.Support = append(answer.Support, string(text))
	}
	return json.Marshal(answer)
}
