package builtins_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/runtime/fault"
)

const (
	doorThen = `package door

default open := false

open if {
	input.level >= data.door.levels[input.floor]
	not input.badge in data.door.lost
}

why contains "level" if input.level < data.door.levels[input.floor]

why contains "lost" if input.badge in data.door.lost
`
	doorNow = `package door

default open := false

open if {
	input.level > data.door.levels[input.floor]
	not input.badge in data.door.lost
}

open if input.badge == "b7"

why contains "level" if input.level <= data.door.levels[input.floor]

why contains "lost badge" if input.badge in data.door.lost
`
	doorData = `{"levels": {"1": 1, "2": 3, "3": 5}, "lost": ["b3", "b7"]}`
)

// door writes a policy of doors.
func door(t *testing.T, rego string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"door.rego": rego, "door/data.json": doorData} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700), os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// requests writes n records as JSON lines, and gives their inputs by id.
func requests(t *testing.T, n int) (file string, inputs map[string]string) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	var lines strings.Builder
	inputs = map[string]string{}
	for i := range n {
		id := fmt.Sprintf("d%05d", i)
		inputs[id] = fmt.Sprintf(`{"n":%d,"level":%d,"floor":"%d","badge":"b%d"}`, i, random.IntN(7), 1+random.IntN(4), random.IntN(9))
		query := []string{"open", "why"}[random.IntN(2)]
		fmt.Fprintf(&lines, `{"decision_id":%q,"path":"door/%s","input":%s,"timestamp":"2026-03-01T12:00:00Z"}`+"\n", id, query, inputs[id])
	}
	file = filepath.Join(t.TempDir(), "log.jsonl")
	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, inputs
}

func replayArgs(policy, against string, corpus ...string) *builtins.ReplayArgs {
	return &builtins.ReplayArgs{Policy: policy, Against: against, Corpus: corpus, Sample: 1, Top: 10, Examples: 1 << 20, Pull: "missing", RegoVersion: "rego.v1"}
}

// The flips are those that asking one by one finds, each where it belongs.
func TestReplayFindsEveryFlip(t *testing.T) {
	t.Parallel()
	const n = 2000
	then, now := door(t, doorThen), door(t, doorNow)
	file, inputs := requests(t, n)
	env := newEnv(t, t.TempDir(), nil)
	c, err := builtins.Replay(t.Context(), env, replayArgs(now, then, file))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, g := range c.Groups {
		if int64(len(g.Examples)) != g.Count {
			t.Errorf("%v: %d examples of %d", g.Query, len(g.Examples), g.Count)
		}
		for _, x := range g.Examples {
			got[x.ID] = fmt.Sprintf("%s %s %s: %s → %s", g.Query, g.Before, g.After, x.Before, x.After)
		}
	}
	want := map[string]string{}
	log, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(policy, query, input string) string {
		d, err := builtins.Eval(t.Context(), env, &builtins.EvalArgs{Policy: policy, Query: query, InputJSON: input, Pull: "missing", RegoVersion: "rego.v1", Explain: "off"})
		if err != nil {
			t.Fatal(err)
		}
		if !d.Defined {
			return "undefined"
		}
		return string(d.Result)
	}
	verdict := func(query, result string) string {
		switch {
		case result == "undefined":
			return "undefined"
		case query == "data.door.why":
			return "value"
		case result == "true":
			return "allow"
		}
		return "deny"
	}
	for i, line := range strings.Split(strings.TrimSpace(string(log)), "\n") {
		if i%4 != 0 { // one by one takes its time
			continue
		}
		var record struct {
			ID   string `json:"decision_id"`
			Path string
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatal(err)
		}
		query := "data." + strings.ReplaceAll(record.Path, "/", ".")
		before, after := ask(then, query, inputs[record.ID]), ask(now, query, inputs[record.ID])
		flip := ""
		if before != after {
			flip = fmt.Sprintf("%s %s %s: %s → %s", query, verdict(query, before), verdict(query, after), before, after)
			want[record.ID] = flip
		}
		if got[record.ID] != flip {
			t.Errorf("%s: got %q, want %q", record.ID, got[record.ID], flip)
		}
	}
	if c.Decisions != n || c.Same+c.Changed != n || c.Changed != c.AllowToDeny+c.DenyToAllow+c.Undefined+c.Errors+c.Other || int64(len(got)) != c.Changed {
		t.Errorf("the counts do not add up: %+v", c)
	}
	if len(want) < 50 {
		t.Errorf("only %d flips: nothing is shown", len(want))
	}
}

// A corpus has one answer, however many take part.
func TestReplayIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	then, now := door(t, doorThen), door(t, doorNow)
	file, _ := requests(t, 1000)
	env := newEnv(t, t.TempDir(), nil)
	args := replayArgs(now, then, file)
	args.Examples, args.GroupBy, args.Sample = 2, []string{"input.badge", "path", "nothing"}, 0.7
	var first []byte
	for range 3 {
		c, err := builtins.Replay(t.Context(), env, args)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = text
			if c.Decisions < 600 || c.Decisions > 800 || len(c.By) != 3 || len(c.By[0].Values) != 9 || string(c.By[2].Values[0].Value) != "null" {
				t.Errorf("got %s", text)
			}
		}
		if string(text) != string(first) {
			t.Errorf("got %s\nand %s", first, text)
		}
	}
}

func TestReplayVerdicts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ query, result, path, want string }{
		{"data.a.allow", "true", "", "allow"},
		{"data.a.allow", "false", "", "deny"},
		{"data.a.deny", "true", "", "deny"},
		{"data.a.deny", "false", "", "allow"},
		{"data.a.deny", `["x"]`, "", "deny"},
		{"data.a.deny", "[]", "", "allow"},
		{"data.a.violations", "{}", "", "allow"},
		{"data.a.violation", `{"x": 1}`, "", "deny"},
		{"data.a.reasons", `["x"]`, "", "value"},
		{"data.a.reasons", "[]", "", "value"},
		{"data.a.answer", `{"allow": true, "x": 1}`, "", "allow"},
		{"data.a.answer", `{"allowed": false}`, "", "deny"},
		{"data.a.answer", `{"result": {"permitted": true}}`, "result.permitted", "allow"},
		{"data.a.answer", `{"denied": true}`, "denied", "deny"},
		{"data.a.answer", `{"x": true}`, "", "value"},
		{"data.a.answer", "7", "", "value"},
		{"data.a.answer", "null", "", "value"},
	} {
		dir := t.TempDir()
		name := tt.query[len("data.a."):]
		rego := fmt.Sprintf("package a\n\n%s := %s\n", name, tt.result)
		file := filepath.Join(dir, "a.rego")
		if err := os.WriteFile(file, []byte(rego), 0o600); err != nil {
			t.Fatal(err)
		}
		input := filepath.Join(dir, "input.json")
		if err := os.WriteFile(input, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
		args := replayArgs(file, file, input)
		args.Query, args.Verdict = tt.query, tt.path
		c, err := builtins.Replay(t.Context(), newEnv(t, dir, nil), args)
		if err != nil {
			t.Errorf("%s: %v", rego, err)
			continue
		}
		got := map[builtins.Verdicts]string{{Allow: 1}: "allow", {Deny: 1}: "deny", {Other: 1}: "value"}[c.After]
		if got != tt.want {
			t.Errorf("%s = %s: got %q, want %q", tt.query, tt.result, got, tt.want)
		}
	}
}

func TestReplayDifferences(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		before, after string
		ignore        []string
		want          []string
	}{
		{`{"a": 1, "b": 2}`, `{"b": 2, "c": 3}`, nil, []string{"a removed 1 ", "c added  3"}},
		{`{"a": {"b": 1}}`, `{"a": {"b": "1"}}`, nil, []string{`a.b changed 1 "1"`}},
		{`["x", "y"]`, `["y", "z"]`, nil, []string{`* removed "x" `, `* added  "z"`}},
		{`[{"n": 1}, {"n": 2}]`, `[{"n": 1}, {"n": 3}]`, nil, []string{"1.n changed 2 3"}},
		{`{"v": [{"at": 1, "m": "x"}]}`, `{"v": [{"at": 2, "m": "x"}]}`, []string{"v.*.at"}, nil},
		{`{"v": ["x"], "w": 1}`, `{"v": ["y"], "w": 2}`, []string{"v"}, []string{"w changed 1 2"}},
		{`{"a.b": 1}`, `{"a.b": 2}`, []string{"/a.b"}, nil},
		{`["x"]`, `["y"]`, []string{"*"}, nil},
		{"1", "1.0", nil, nil},
		{"12345678901234567890", "12345678901234567891", nil, []string{" changed 12345678901234567890 12345678901234567891"}},
		{"null", "false", nil, []string{" changed null false"}},
	} {
		dir := t.TempDir()
		log := filepath.Join(dir, "log.json")
		policy := filepath.Join(dir, "a.rego")
		record := fmt.Sprintf(`{"decision_id": "d", "path": "a/x", "input": {}, "result": %s}`, tt.before)
		if err := errors.Join(os.WriteFile(log, []byte(record), 0o600), os.WriteFile(policy, []byte("package a\n\nx := "+tt.after+"\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
		args := replayArgs(policy, "", log)
		args.Ignore = tt.ignore
		c, err := builtins.Replay(t.Context(), newEnv(t, dir, nil), args)
		if err != nil {
			t.Errorf("%s: %v", tt.before, err)
			continue
		}
		var got []string
		for _, g := range c.Groups {
			for _, d := range g.Examples[0].Diff {
				got = append(got, fmt.Sprintf("%s %s %s %s", d.Path, d.Change, d.Before, d.After))
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s, %s: got %q, want %q", tt.before, tt.after, got, tt.want)
		}
	}
}

// A policy that fails for an input changes that decision, and no other.
func TestReplayFailures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	policy, corpus := filepath.Join(dir, "a.rego"), filepath.Join(dir, "log.jsonl")
	lines := `{"decision_id": "fails", "path": "a/x", "input": {"n": 1}, "result": 1, "timestamp": "2026-03-01T12:00:00Z"}
{"decision_id": "same", "path": "a/x", "input": {"n": 2}, "result": 2, "timestamp": "2026-03-01T12:00:00Z"}
{"decision_id": "failed", "path": "a/x", "input": {"n": 3}, "error": {"code": "eval_conflict_error"}, "timestamp": "2026-03-01T12:00:00Z"}
{"decision_id": "undefined", "path": "a/y", "input": {}, "timestamp": "2026-03-01T12:00:00Z"}
{"decision_id": "typed", "query": "data.a[", "input": {}, "timestamp": "2026-03-01T12:00:00Z"}
`
	rego := "package a\n\nx := input.n\n\nx := 7 if input.n == 1\n"
	if err := errors.Join(os.WriteFile(policy, []byte(rego), 0o600), os.WriteFile(corpus, []byte(lines), 0o600)); err != nil {
		t.Fatal(err)
	}
	env := newEnv(t, dir, nil)
	c, err := builtins.Replay(t.Context(), env, replayArgs(policy, "", corpus))
	if err != nil {
		t.Fatal(err)
	}
	if c.Decisions != 4 || c.Errors != 2 || c.Changed != 2 || len(c.LeftOut) != 1 {
		t.Errorf("got %+v", c)
	}
	if x := c.Groups[0].Examples[0]; x.ID+c.Groups[1].Examples[0].ID != "failsfailed" && x.ID+c.Groups[1].Examples[0].ID != "failedfails" {
		t.Errorf("got %+v", c.Groups)
	}
	if c, err = builtins.Replay(t.Context(), env, replayArgs(policy, policy, corpus)); err != nil || c.Decisions != 5 || c.Changed != 0 || c.After.Errors != 2 {
		t.Errorf("a query that cannot be read: got %+v, %v", c, err)
	}
	if err := os.WriteFile(policy, []byte("package a\n\nx := y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := builtins.Replay(t.Context(), env, replayArgs(policy, "", corpus)); !errors.Is(err, fault.Invalid) {
		t.Errorf("a policy that does not compile: %v", err)
	}
}
