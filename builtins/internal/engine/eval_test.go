package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/engine"
	"github.com/policyhost/policy/runtime/fault"
)

// tarball packs files, given as name and content, as build would.
func tarball(t testing.TB, files map[string]string) []byte {
	t.Helper()
	list := make([]artifact.File, 0, len(files))
	for name, text := range files {
		list = append(list, artifact.File{Path: name, Size: int64(len(text)), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(text)), nil
		}})
	}
	var buf bytes.Buffer
	if err := artifact.Pack(&buf, list, artifact.PackOptions{}); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func open(t testing.TB, files map[string]string, o engine.OpenOptions) *engine.Bundle {
	t.Helper()
	if o.Name == "" {
		o.Name = "bundle.tar.gz"
	}
	b, err := engine.OpenBundle(t.Context(), bytes.NewReader(tarball(t, files)), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

const authz = `package authz

default allow := false

allow if "admin" in data.users[input.user].roles

allow if {
	input.method == "GET"
	some role in data.users[input.user].roles
	data.roles[role].read
}

deny contains msg if {
	input.method == "DELETE"
	msg := sprintf("%s may not delete", [input.user])
}
`

const users = `{"users":{"alice":{"roles":["admin"]},"bob":{"roles":["reader"]}},"roles":{"reader":{"read":true}}}`

func TestEval(t *testing.T) {
	t.Parallel()
	b := open(t, map[string]string{"authz.rego": authz, "data.json": users}, engine.OpenOptions{})
	for _, c := range []struct {
		query, input string
		want         string // "undefined" for that
		bindings     string
	}{
		{query: "data.authz.allow", input: `{"user":"alice"}`, want: "true"},
		{query: "data.authz.allow", input: `{"user":"bob"}`, want: "false"},
		{query: "data.authz.allow", input: `{"user":"bob","method":"GET"}`, want: "true"},
		{query: "data.authz.allow", input: ``, want: "false"},
		{query: "data.authz.deny", input: `{"user":"bob","method":"DELETE"}`, want: `["bob may not delete"]`},
		{query: "data.authz.nothing", want: "undefined"},
		{query: "data.users.alice.roles[0]", want: `"admin"`},
		{query: "data.users.alice.roles[7]", want: "undefined"},
		{query: "input", input: `12345678901234567890.10`, want: `12345678901234567890.10`},
		{query: "input.n + 1", input: `{"n":9007199254740993}`, want: `9007199254740994`},
		{query: `{1: "a", "b": {3, 2}, [1]: null}`, want: `{"1":"a","[1]":null,"b":[2,3]}`},
		{query: `"<&>\u2603"`, want: `"<&>☃"`},
		{query: "x := 1", want: "true", bindings: `[{"x":1}]`},
		{query: "x := 1; y := x + 1; y", want: "2", bindings: `[{"x":1,"y":2}]`},
		{query: "x := 1; x > 1", want: "undefined"},
		{query: "1 > 2", want: "false"},
		{query: "data.users[name].roles[_] == \"reader\"", want: "[true]", bindings: `[{"name":"bob"}]`},
		{query: "data.users[_].roles[_]", want: `["admin","reader"]`},
		{query: "data.users[name]", want: `[{"roles":["admin"]},{"roles":["reader"]}]`, bindings: `[{"name":"alice"},{"name":"bob"}]`},
		{query: "some x in [3, 4]", want: `[true,true]`, bindings: `[{"x":3},{"x":4}]`},
		{query: "[x | some x in [3, 4]]", want: `[3,4]`},
		{query: "every x in [3, 4] { x > 2 }", want: `true`},
		{query: "u := \"bob\"; data.users[u].roles", want: `["reader"]`, bindings: `[{"u":"bob"}]`},
		{query: "data.users[_].nothing", want: "undefined"},
		{query: "opa.runtime()", want: "{}"},
		{query: "time.now_ns()", want: "1700000000000000000"},
	} {
		t.Run(c.query, func(t *testing.T) {
			t.Parallel()
			q := engine.Query{Query: c.query, Time: time.Unix(1700000000, 0)}
			if c.input != "" {
				q.Input = []byte(c.input)
			}
			d, err := b.Eval(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			got := string(d.Result)
			if !d.Defined {
				got = "undefined"
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			bindings := ""
			if d.Bindings != nil {
				raw, err := json.Marshal(d.Bindings)
				if err != nil {
					t.Fatal(err)
				}
				bindings = string(raw)
			}
			if bindings != c.bindings {
				t.Errorf("bindings %s, want %s", bindings, c.bindings)
			}
		})
	}
}

func TestEvalRefuses(t *testing.T) {
	t.Parallel()
	const net = "package p\nx := http.send({\"method\": \"GET\", \"url\": \"http://127.0.0.1:1/\"})\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		q     engine.Query
		kind  fault.Kind
		want  string // in the error
		hint  string
	}{
		{name: "syntax", files: map[string]string{"p/a.rego": "package a\nallow if {"}, q: engine.Query{Query: "data.a"}, kind: fault.Invalid, want: "p/a.rego:2"},
		{name: "all modules", files: map[string]string{"a.rego": "package a\nallow if foo(1)\n", "b.rego": "package b\nallow if bar(1)\n"},
			q: engine.Query{Query: "data.a.allow"}, kind: fault.Invalid, want: "b.rego:2"},
		{name: "query syntax", q: engine.Query{Query: "data.a ="}, kind: fault.Usage, want: "query data.a ="},
		{name: "query unsafe", q: engine.Query{Query: "x > 1"}, kind: fault.Usage, want: "unsafe"},
		{name: "no query", kind: fault.Usage, want: "the query is empty"},
		{name: "input", q: engine.Query{Query: "input", Input: []byte(`{"a":1,"a":2}`)}, kind: fault.Usage, want: `input: line 1, column 13: duplicate key "a"`},
		{name: "network", files: map[string]string{"p.rego": net}, q: engine.Query{Query: "data.p.x"}, kind: fault.Invalid, want: "http.send", hint: "--allow-net"},
		{name: "network in the query", q: engine.Query{Query: `http.send({"method": "GET", "url": "http://127.0.0.1:1/"})`}, kind: fault.Usage, want: "http.send"},
		{name: "name service", q: engine.Query{Query: `net.lookup_ip_addr("localhost")`}, kind: fault.Usage, want: "net.lookup_ip_addr"},
		{name: "conflict", files: map[string]string{"p.rego": "package p\nx := 1\nx := 2 if input.y\n"}, q: engine.Query{Query: "data.p.x", Input: []byte(`{"y":1}`)}, kind: fault.Invalid, want: "eval_conflict_error"},
		{name: "strict errors", q: engine.Query{Query: `1 / input.n`, Input: []byte(`{"n":0}`), StrictBuiltinErrors: true}, kind: fault.Invalid, want: "divide by zero"},
		{name: "explain", q: engine.Query{Query: "1", Explain: "loudly"}, kind: fault.Usage, want: "loudly"},
		{name: "data over rule", files: map[string]string{"p.rego": "package p\nx := 1\n", "data.json": `{"p":{"x":2}}`}, q: engine.Query{Query: "data.p.x"}, kind: fault.Invalid, want: "conflict"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"empty.rego": "package empty\n"}
			for name, text := range c.files {
				files[name] = text
			}
			d, err := open(t, files, engine.OpenOptions{}).Eval(t.Context(), c.q)
			if err == nil {
				t.Fatalf("accepted: %s", d.Result)
			}
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v: %v, want %v: … %s", fault.Of(err).Kind, err, c.kind, c.want)
			}
			if c.hint != "" && !strings.Contains(fault.Of(err).Hint, c.hint) {
				t.Errorf("hint %q, want %q", fault.Of(err).Hint, c.hint)
			}
		})
	}
}

// With an allowed host the policy compiles, and other hosts stay out of reach.
func TestEvalAllowNet(t *testing.T) {
	t.Parallel()
	b := open(t, map[string]string{"p.rego": "package p\nx := http.send({\"method\": \"GET\", \"url\": input.url, \"raise_error\": true})\n"},
		engine.OpenOptions{AllowNet: []string{"registry.invalid"}})
	_, err := b.Eval(t.Context(), engine.Query{Query: "data.p.x", Input: []byte(`{"url":"http://127.0.0.1:9/"}`), StrictBuiltinErrors: true})
	if err == nil || !strings.Contains(err.Error(), "disallowed host") {
		t.Errorf("got %v, want a refusal of the host", err)
	}
}

// The context's end is the end, also inside functions that know no context.
func TestEvalEndsWithContext(t *testing.T) {
	t.Parallel()
	for _, query := range []string{
		`count(numbers.range(1, 1000000000))`,
		`bits.lsh(1, 4000000000)`,
		`x := numbers.range(1, 3000); count([1 | x[_]; x[_]; x[_]])`,
		`count([i | some i in numbers.range(1, 30000000)])`,
	} {
		t.Run(query, func(t *testing.T) {
			b := open(t, map[string]string{"p.rego": "package p\n"}, engine.OpenOptions{})
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			start := time.Now()
			_, err := b.Eval(ctx, engine.Query{Query: query})
			if !errors.Is(err, fault.Limit) {
				t.Errorf("got %v, want a limit", err)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
	b := open(t, map[string]string{"p.rego": "package p\n"}, engine.OpenOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Eval(ctx, engine.Query{Query: "1"}); !errors.Is(err, fault.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
}

func TestEvalConcurrently(t *testing.T) {
	t.Parallel()
	b := open(t, map[string]string{"authz.rego": authz, "data.json": users}, engine.OpenOptions{Trusted: true})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				user := []string{"alice", "bob"}[(i+j)%2]
				query := []string{"data.authz.allow", "data.authz.allow == true", "data.users[input.user]; data.authz.allow"}[j%3]
				d, err := b.Eval(ctx, engine.Query{Query: query, Input: fmt.Appendf(nil, `{"user":%q}`, user)})
				if err != nil {
					t.Error(err)
					return
				}
				want := fmt.Sprint(user == "alice")
				if j%3 == 2 && user == "bob" {
					want = ""
				}
				if string(d.Result) != want {
					t.Errorf("%s for %s: %s, want %s", query, user, d.Result, want)
				}
			}
		})
	}
	wg.Wait()
}

func TestEvalRequiredBuiltins(t *testing.T) {
	t.Parallel()
	manifest := `{"roots":[""],"metadata":{"required_builtins":{"builtin1":[{"name":"ds.user","decl":{"type":"function","args":[{"type":"any"}],"result":{"type":"any"}}}]}}}`
	b := open(t, map[string]string{".manifest": manifest, "p.rego": "package p\nx := ds.user({\"id\": 1})\ny := 1\n"}, engine.OpenOptions{})
	if d, err := b.Eval(t.Context(), engine.Query{Query: "data.p.y"}); err != nil || string(d.Result) != "1" {
		t.Errorf("beside it: %v, %v", d, err)
	}
	_, err := b.Eval(t.Context(), engine.Query{Query: "data.p.x"})
	if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "ds.user") {
		t.Errorf("got %v, want an error that names ds.user", err)
	}
}

func TestEvalWatched(t *testing.T) {
	t.Parallel()
	b := open(t, map[string]string{"authz.rego": authz, "other.rego": "package other\nx if input.y\n", "data.json": users}, engine.OpenOptions{Trusted: true})
	d, err := b.Eval(t.Context(), engine.Query{
		Query: "data.authz.allow", Input: []byte(`{"user":"bob"}`), Explain: "full", Profile: true, Coverage: true, Metrics: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(d.Explain, "authz.rego:5") {
		t.Errorf("explanation lacks the place:\n%s", d.Explain)
	}
	if !strings.Contains(string(d.Profile), `"file":"authz.rego"`) {
		t.Errorf("profile: %s", d.Profile)
	}
	if !strings.Contains(string(d.Coverage), `"other.rego"`) {
		t.Errorf("coverage lacks a file that was not reached: %s", d.Coverage)
	}
	if _, ok := d.Metrics["timer_rego_query_eval_ns"]; !ok {
		t.Errorf("metrics: %v", d.Metrics)
	}
}

func TestEvalPartial(t *testing.T) {
	t.Parallel()
	b := open(t, map[string]string{"authz.rego": authz, "data.json": users}, engine.OpenOptions{})
	d, err := b.Eval(t.Context(), engine.Query{Query: "data.authz.deny", Partial: true, Unknowns: []string{"input.user"}, Input: []byte(`{"method":"DELETE"}`)})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Queries, Support []string
	}
	if err := json.Unmarshal(d.Partial, &got); err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(append(got.Queries, got.Support...), "\n"); !strings.Contains(text, "input.user") || strings.Contains(text, "input.method") {
		t.Errorf("the rest is\n%s", text)
	}
	if _, err := b.Eval(t.Context(), engine.Query{Query: "data.authz.deny", Partial: true, Unknowns: []string{"1 +"}}); !errors.Is(err, fault.Usage) {
		t.Errorf("an unknown that is none: %v", err)
	}
}

func TestEvalPrint(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var lines []string
	b := open(t, map[string]string{"p.rego": "package p\nx if print(\"user\", input.user)\n"}, engine.OpenOptions{
		Print: func(s string) { mu.Lock(); defer mu.Unlock(); lines = append(lines, s) },
	})
	if _, err := b.Eval(t.Context(), engine.Query{Query: "data.p.x", Input: []byte(`{"user":"bob"}`)}); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(lines) != "[p.rego:2: user bob]" {
		t.Errorf("printed %q", lines)
	}
}
