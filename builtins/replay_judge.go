package builtins

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"github.com/policyhost/policy/builtins/internal/engine"
)

// Why documents are left out of a comparison.
const (
	noRecord    = "neither a record nor an input"
	noQuery     = "the record does not say what was asked"
	otherQuery  = "the record is of another query"
	notRecorded = "the record has no decision"
	adHoc       = "the query was typed, its recorded answer is no decision"
	unreadable  = "its input is not JSON"
)

// asked is a record on its way: its question and both answers.
type asked struct {
	document
	engine.Record
	query         string
	question      *engine.Question
	before, after answer
}

// answer is what one side decided.
type answer struct {
	engine.Answer
	verdict Verdict
}

// judge asks both sides about some documents, and counts.
func (r *replayer) judge(ctx context.Context, documents []document) (*tally, error) {
	t := newTally(r.ReplayArgs)
	var all []*asked
	var questions []*engine.Question
	for _, d := range documents {
		a, why := r.prepare(d)
		if why != "" {
			t.leaveOut(why, d)
			continue
		}
		all = append(all, a)
		questions = append(questions, a.question)
	}
	var before []engine.Answer
	var err error
	if r.before.Bundle != nil {
		// First the one that was there first: what it draws, the other draws as well.
		if before, err = r.before.Ask(ctx, questions); err != nil {
			return nil, err
		}
	}
	after, err := r.now.Ask(ctx, questions)
	if err != nil {
		return nil, err
	}
	for i, a := range all {
		if before != nil {
			a.before.Answer = before[i]
		}
		a.after.Answer = after[i]
		a.before.verdict = verdictOf(a.query, a.before.Answer, r.verdict)
		a.after.verdict = verdictOf(a.query, a.after.Answer, r.verdict)
		t.count(r, a)
	}
	return t, nil
}

// prepare makes a question of a document, or says why it is left out.
func (r *replayer) prepare(d document) (a *asked, why string) {
	record, ok := engine.ParseRecord(d.text, r.Inputs)
	if !ok {
		return nil, noRecord
	}
	a = &asked{document: d, Record: record, query: record.Query}
	deeper := r.deeper(record)
	switch {
	case r.Query != "" && record.Query != "" && deeper == nil:
		return nil, otherQuery
	case r.Query != "":
		a.query = r.Query
	case record.Query == "":
		return nil, noQuery
	}
	if r.before.Bundle == nil {
		if record.AdHoc {
			return nil, adHoc
		}
		if a.before.Answer, ok = recordedAnswer(record, deeper); !ok {
			return nil, notRecorded
		}
	}
	at := r.at
	if !r.pinned && !record.Time.IsZero() {
		at = record.Time
	}
	question, err := engine.NewQuestion(a.query, record.Input, record.Cache, at)
	if err != nil {
		return nil, unreadable
	}
	a.question = question
	return a, ""
}

// deeper is the way from what a record was asked to the query that is wanted: none
// to the same, nil where there is no way.
func (r *replayer) deeper(record engine.Record) []string {
	rest, ok := strings.CutPrefix(r.Query, record.Query)
	switch {
	case !ok:
		return nil
	case rest == "":
		return []string{}
	case rest[0] != '.':
		return nil
	}
	return strings.Split(rest[1:], ".")
}

// recordedAnswer is what a record says was decided; ok is false when it does not say.
func recordedAnswer(record engine.Record, deeper []string) (a engine.Answer, ok bool) {
	if record.Failed {
		return engine.Answer{Err: errRecorded}, true
	}
	for _, path := range record.Redacted {
		if path == "/result" || strings.HasPrefix(path, "/result/") {
			return a, false
		}
	}
	if record.Result == "" {
		return a, record.ID != "" && !record.Time.IsZero() // OPA logs no result for what is undefined
	}
	part, defined := engine.Member(record.Result, deeper...)
	if !defined {
		return a, true
	}
	result, err := engine.Canonical(part)
	return engine.Answer{Defined: true, Result: result}, err == nil
}

type recordedError struct{}

func (recordedError) Error() string { return "the recorded decision failed" }

var errRecorded error = recordedError{}

// Verdict is a decision in a word.
type Verdict string

// The verdicts. A decision that says neither yes nor no is a value.
const (
	Allow     Verdict = "allow"
	Deny      Verdict = "deny"
	Undefined Verdict = "undefined"
	Erred     Verdict = "error"
	Other     Verdict = "value"
)

// denying are the beginnings of the names of rules that say no when they are true,
// or have elements.
var denying = []string{"deny", "denied", "violation", "reject", "forbid", "block"}

// verdictOf says what a decision comes down to. Of an object it is what stands at path, or
// under allow or allowed.
func verdictOf(query string, a engine.Answer, path []string) Verdict {
	switch {
	case a.Err != nil:
		return Erred
	case !a.Defined:
		return Undefined
	}
	result := string(a.Result)
	no := saysNo(query)
	switch {
	case len(path) > 0:
		part, _ := engine.Member(result, path...)
		result, no = part, saysNo(path[len(path)-1])
	case result[0] == '{' && !no:
		for _, name := range []string{"allow", "allowed"} {
			if part, ok := engine.Member(result, name); ok {
				result = part
				break
			}
		}
	}
	switch {
	case result == "true" && !no, result == "false" && no, no && (result == "[]" || result == "{}"):
		return Allow
	case result == "false", result == "true", no && result != "" && (result[0] == '[' || result[0] == '{'):
		return Deny
	}
	return Other
}

func saysNo(query string) bool {
	name := query[strings.LastIndexAny(query, ".")+1:]
	for _, word := range denying {
		if strings.HasPrefix(name, word) {
			return true
		}
	}
	return false
}

// differences are those between the answers that matter, nil when there are none.
func (r *replayer) differences(a *asked) []Difference {
	b, n := a.before.Answer, a.after.Answer
	switch {
	case b.Err != nil || n.Err != nil:
		if b.Err != nil && n.Err != nil {
			return nil
		}
		return []Difference{{Change: "changed", Before: valueOf(b), After: valueOf(n)}}
	case b.Defined != n.Defined:
		return []Difference{{Change: "changed", Before: valueOf(b), After: valueOf(n)}}
	case bytes.Equal(b.Result, n.Result):
		return nil
	}
	return differences(b.Result, n.Result, r.ignore)
}

// valueOf is a result as JSON, null where there is none.
func valueOf(a engine.Answer) json.RawMessage {
	if a.Err != nil || !a.Defined {
		return nil
	}
	return a.Result
}
