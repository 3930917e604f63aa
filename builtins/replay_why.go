package builtins

import (
	"context"

	"github.com/policyhost/policy/builtins/internal/engine"
)

// RuleFlip is a rule that holds for an input in one policy and not in the other.
type RuleFlip struct {
	Rule   string `json:"rule"`   // data.authz.allow
	At     string `json:"at"`     // file:line
	Edited bool   `json:"edited"` // the other policy does not have this very rule
}

// explain finds out, for the examples, which rules hold in one policy and not in the
// other, those first that are not the same in both. It is a help: where it fails
// there is none.
func (r *replayer) explain(ctx context.Context, c *Comparison) {
	var wasThere, isThere map[string]bool
	for i := range c.Groups {
		for j := range c.Groups[i].Examples {
			x := &c.Groups[i].Examples[j]
			now, err := r.now.Holding(ctx, x.question)
			if err != nil || r.before.Bundle == nil {
				continue
			}
			before, err := r.before.Holding(ctx, x.question)
			if err != nil {
				continue
			}
			if wasThere == nil {
				wasThere, isThere = rulesOf(r.before.Bundle), rulesOf(r.now.Bundle)
			}
			x.Lost, x.Gained = flippedRules(before, now, isThere), flippedRules(now, before, wasThere)
		}
	}
}

func rulesOf(b *engine.Bundle) map[string]bool {
	rules := map[string]bool{}
	for _, r := range b.Rules() {
		rules[r.Name+" "+r.Text] = true
	}
	return rules
}

// flippedRules are the rules of some that the others are not, and whether each is
// known there.
func flippedRules(some, others []engine.Rule, known map[string]bool) []RuleFlip {
	held := make(map[string]bool, len(others))
	for _, r := range others {
		held[r.Name+" "+r.Text] = true
	}
	edited, same := []RuleFlip{}, []RuleFlip{}
	for _, r := range some {
		key := r.Name + " " + r.Text
		switch {
		case held[key]:
		case known[key]:
			same = append(same, RuleFlip{Rule: r.Name, At: r.At})
		default:
			edited = append(edited, RuleFlip{Rule: r.Name, At: r.At, Edited: true})
		}
	}
	return append(edited, same...)
}
