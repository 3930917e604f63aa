package engine

import (
	"encoding/json"
	"strings"
	"time"
)

// Record is one question that was asked of a policy: an event of OPA's decision
// log, a test case, or an input alone. Its parts are JSON, empty where it has none.
type Record struct {
	ID       string // the decision's id, or the case's name
	Query    string // what was asked: data.authz.allow, or a query that was typed; empty when it does not say
	AdHoc    bool   // Query was typed: its answer is a list of bindings
	Input    string
	Result   string    // what was decided
	Failed   bool      // it was not decided: there was an error
	Cache    string    // nd_builtin_cache: what the functions answered that are not deterministic
	Time     time.Time // of the decision; zero when it does not say
	Redacted []string  // paths that a mask erased or replaced, such as /input/password
	Text     string    // the whole document
}

// ParseRecord reads a document of a corpus. One that has an input, a decision_id, or
// both, is a record; every other is an input, and so is each of them if bare is
// set. ok is false for what is neither, such as a line of another log; parts are
// not checked before they are used.
func ParseRecord(text string, bare bool) (r Record, ok bool) {
	if text == "" {
		return r, false
	}
	r.Text = text
	if bare || text[0] != '{' {
		r.Input = text
		return r, bare || text[0] == '['
	}
	x, _, err := newIndex(text, nil)
	if err != nil || skipSpace(text, x.end) != len(text) {
		return r, false
	}
	isRecord, isLog := false, false
	for _, e := range x.entries {
		part := text[e.start:e.end]
		switch keyText(text, e.key) {
		case "input":
			r.Input, isRecord = part, true
		case "decision_id":
			r.ID, isRecord = stringOf(part), true
		case "name":
			if r.ID == "" {
				r.ID = stringOf(part)
			}
		case "path":
			r.Query = QueryOf(stringOf(part))
		case "query":
			if typed := stringOf(part); typed != "" {
				r.Query, r.AdHoc = typed, !isPath(typed)
			}
		case "result":
			r.Result = part
		case "want", "allow": // of a case
			if r.Result == "" {
				r.Result = part
			}
		case "error":
			r.Failed = part != "null"
		case "nd_builtin_cache":
			r.Cache = part
		case "timestamp":
			r.Time, _ = time.Parse(time.RFC3339Nano, stringOf(part))
		case "erased", "masked":
			var paths []string
			_ = json.Unmarshal([]byte(part), &paths)
			r.Redacted = append(r.Redacted, paths...)
		case "level", "msg":
			isLog = true
		}
	}
	if isRecord {
		return r, true
	}
	return Record{Input: text, Text: text}, !isLog
}

// QueryOf is the query that asks for a path as decision logs have it: authz/allow
// is data.authz.allow.
func QueryOf(path string) string {
	path = strings.Trim(path, "/")
	if path == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString("data")
	for part := range strings.SplitSeq(path, "/") {
		if isWord(part) {
			b.WriteString("." + part)
			continue
		}
		quoted, _ := json.Marshal(part)
		b.WriteString("[" + string(quoted) + "]")
	}
	return b.String()
}

// isPath reports whether a query is just the name of a document.
func isPath(query string) bool {
	if query != "data" && !strings.HasPrefix(query, "data.") {
		return false
	}
	for part := range strings.SplitSeq(query, ".") {
		if !isWord(part) {
			return false
		}
	}
	return true
}

func isWord(s string) bool {
	for i, c := range s {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

func stringOf(part string) string {
	if len(part) > 1 && part[0] == '"' && strings.IndexByte(part, '\\') < 0 {
		return part[1 : len(part)-1]
	}
	var s string
	_ = json.Unmarshal([]byte(part), &s) // what is no string names nothing
	return s
}

// Member gives the part of a JSON document that a path of keys leads to, as it is
// written there.
func Member(text string, path ...string) (string, bool) {
	for _, key := range path {
		start := skipSpace(text, 0)
		if start >= len(text) || text[start] != '{' && text[start] != '[' {
			return "", false
		}
		x, _, err := newIndex(text[start:], nil)
		if err != nil {
			return "", false
		}
		part, ok := x.find(text[start:], key)
		if !ok {
			return "", false
		}
		text = part
	}
	return text, true
}

// Canonical is JSON as decisions have it: keys sorted, no blanks, numbers exact. It fails
// for text that is not JSON.
func Canonical(text string) (json.RawMessage, error) {
	v, err := decodeJSON(text)
	if err != nil {
		return nil, err
	}
	return appendJSON(nil, v)
}
