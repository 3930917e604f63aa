package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/builtins"

	"github.com/policyhost/policy/runtime/fault"
)

// Question is a query about an input that was read once, so that several
// policies can be asked the same. It is for one goroutine at a time.
type Question struct {
	query string
	time  time.Time
	input ast.Value
	cache builtins.NDBCache
}

// NewQuestion reads an input, nil when there is none, and what was recorded of the
// functions that are not deterministic (OPA's nd_builtin_cache). What one policy
// draws, another that is asked after it draws as well. At is what time.now_ns()
// says. It fails for text that is not JSON.
func NewQuestion(query, input, cache string, at time.Time) (*Question, error) {
	q := &Question{query: query, time: at, cache: builtins.NDBCache{}}
	if input != "" {
		v, err := decodeJSON(input)
		if err != nil {
			return nil, fmt.Errorf("input: %w", err)
		}
		q.input = v
	}
	if cache == "" {
		return q, nil
	}
	v, err := decodeJSON(cache)
	if err != nil {
		return nil, fmt.Errorf("nd_builtin_cache: %w", err)
	}
	recorded, ok := v.(ast.Object)
	if !ok {
		return q, nil // a mask took it
	}
	recorded.Foreach(func(name, calls *ast.Term) {
		n, isName := name.Value.(ast.String)
		if answers, ok := calls.Value.(ast.Object); ok && isName {
			q.cache[string(n)] = callsOf(answers)
		}
	})
	return q, nil
}

// callsOf turns the keys of a recorded cache, which JSON makes texts, back into
// lists of arguments.
func callsOf(answers ast.Object) ast.Object {
	calls := ast.NewObject()
	answers.Foreach(func(args, answer *ast.Term) {
		if text, ok := args.Value.(ast.String); ok {
			if list, err := decodeJSON(string(text)); err == nil {
				args = ast.NewTerm(list)
			}
		}
		calls.Insert(args, answer)
	})
	return calls
}

// Answer is what a policy says to a [Question].
type Answer struct {
	Defined bool
	Result  json.RawMessage // equal values are equal bytes; nil when undefined or failed
	Err     error           // why it failed
	Live    []string        // functions that were asked anew, since no answer of theirs was recorded; sorted
}

// Ask answers questions in order, on one goroutine. A question that fails is an
// answer, and so is a query that cannot be read; Ask itself fails when ctx ends, or
// when the policy does not compile.
func (b *Bundle) Ask(ctx context.Context, questions []*Question) ([]Answer, error) {
	var answers []Answer
	err := b.workers.do(ctx, func(c *cancelFlag) error {
		mine := make([]Answer, len(questions)) // answers is the caller's: an abandoned job must not write it
		var p *prepared
		var refused error // the query as such
		for i, q := range questions {
			if i == 0 || q.query != questions[i-1].query {
				p, refused = b.prepare(ctx, &Query{Query: q.query}, metrics.NoOp())
				if refused != nil && !errors.Is(refused, fault.Usage) {
					return refused
				}
			}
			if c.Cancelled() {
				return nil
			}
			if mine[i].Err = refused; refused == nil {
				mine[i] = b.answer(ctx, p, q, c)
			}
		}
		if !c.Cancelled() {
			answers = mine
		}
		return nil
	})
	if err == nil && answers == nil {
		err = fault.Of(context.Cause(ctx))
	}
	if err != nil {
		return nil, fromOPA(ctx, b.opts.Name, err)
	}
	return answers, nil
}

func (b *Bundle) answer(ctx context.Context, p *prepared, q *Question, c *cancelFlag) (a Answer) {
	defer func() {
		if a.Err != nil {
			a = Answer{Err: fromOPA(ctx, b.opts.Name, a.Err), Live: a.Live}
		}
	}()
	defer fault.Recover("", &a.Err)
	recorded := drawn(q.cache)
	var failed []topdown.Error
	opts := append(b.evalOptions(&Query{Time: q.time}, q.input, metrics.NoOp(), c),
		rego.EvalNDBuiltinCache(q.cache), rego.EvalBuiltinErrorList(&failed), rego.EvalSeed(sameDraws{}))
	rs, err := p.query.Eval(ctx, opts...)
	a.Live = q.live(recorded, failed)
	if err != nil {
		a.Err = err
		return a
	}
	d, err := p.decision(rs)
	if err != nil {
		a.Err = err
		return a
	}
	a.Defined, a.Result = d.Defined, d.Result
	return a
}

// drawn counts the calls that a cache has answers to, nil when it is empty.
func drawn(cache builtins.NDBCache) map[string]int {
	if len(cache) == 0 {
		return nil
	}
	counts := make(map[string]int, len(cache))
	for name, calls := range cache {
		counts[name] = calls.Len()
	}
	return counts
}

// live names the functions that were asked anew: those whose answers are more than
// before, and those that reach the network, which fail instead.
func (q *Question) live(before map[string]int, failed []topdown.Error) []string {
	if len(q.cache) == 0 && len(failed) == 0 {
		return nil
	}
	names := map[string]struct{}{}
	for name, calls := range q.cache {
		if calls.Len() > before[name] && !reproducible[name] {
			names[name] = struct{}{}
		}
	}
	for _, e := range failed {
		for _, name := range networkBuiltins {
			if strings.HasPrefix(e.Message, name+":") { // OPA has no other mark
				names[name] = struct{}{}
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// reproducible are functions that OPA calls not deterministic and that answer the
// same at the same time.
var reproducible = map[string]bool{"io.jwt.decode_verify": true, "json.verify_schema": true}

// sameDraws is a source of randomness without any: policies that draw get the
// same, run after run.
type sameDraws struct{}

func (sameDraws) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 0x5a
	}
	return len(p), nil
}
