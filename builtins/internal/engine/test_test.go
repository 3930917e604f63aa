package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/policyhost/policy/builtins/internal/engine"
	"github.com/policyhost/policy/runtime/fault"
)

// folder writes files below a fresh folder.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const authzTest = `package authz_test

import data.authz

test_admin if authz.allow with input as {"user": "alice"}

test_reader_reads if {
	authz.allow with input as {"user": "bob", "method": "GET"}
}

test_bare if authz.allow with input as {"user": "bob"}

test_not if not authz.allow with input as {"user": "alice"}

test_count if count(authz.deny) == 0 with input as {"user": "bob", "method": "DELETE"}

test_set if {
	got := authz.deny with input as {"user": "bob", "method": "DELETE"}
	got == {"nothing"}
}

test_undefined if authz.missing == 1

test_less if {
	n := count(data.users)
	n < 2
}

test_call if {
	name := "bob"
	startswith(name, "al")
}

test_swapped if "admin" == data.users.bob.roles[0]

test_value := count(data.users) == 7

test_table[tc.user] if {
	some tc in [
		{"user": "alice", "want": true},
		{"user": "bob", "want": true},
		{"user": "carol", "want": false},
	]
	got := authz.allow with input as {"user": tc.user}
	got == tc.want
}

test_every if {
	every u in ["alice", "bob"] {
		authz.allow with input as {"user": u}
	}
}

test_print if {
	print("bob has", data.users.bob.roles)
	false
}

test_mocked if {
	r := http.send({"url": "http://x", "method": "GET"}) with http.send as {"status": 200}
	r.status == 200
}

test_conflict if two with input as 1

two := 1 if input == 1

two := 2 if input == 1

todo_test_later if false
`

func TestTest(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"authz.rego": authz, "authz_test.rego": authzTest, "data.json": users, ".git/x.rego": "no rego"})
	rep, err := engine.Test(t.Context(), engine.TestOptions{Paths: []string{dir}, Verbose: true})
	if err != nil {
		t.Fatal(err)
	}
	type want struct{ outcome, expected, actual, message string }
	wants := map[string]want{
		"test_admin":        {outcome: engine.Pass},
		"test_reader_reads": {outcome: engine.Pass},
		"test_mocked":       {outcome: engine.Pass},
		"test_bare":         {engine.Fail, "true", "false", `authz.allow with input as {"user": "bob"}: expected true, got false`},
		"test_not":          {engine.Fail, "false or undefined", "true", ""},
		"test_count":        {engine.Fail, "0", "1", ""},
		"test_set":          {engine.Fail, `["nothing"]`, `["bob may not delete"]`, ""},
		"test_undefined":    {engine.Fail, "1", "undefined", "authz.missing == 1: expected 1, got undefined"},
		"test_less":         {engine.Fail, "< 2", "2", "n < 2: expected < 2, got 2"},
		"test_call":         {engine.Fail, "true", "false", `startswith(name, "al"): expected true, got false`},
		"test_swapped":      {engine.Fail, `"admin"`, `"reader"`, ""},
		"test_value":        {engine.Fail, "true", "false", "it is false"},
		"test_table/alice":  {outcome: engine.Pass},
		"test_table/bob":    {engine.Fail, "true", "false", ""},
		"test_table/carol":  {outcome: engine.Pass},
		"test_every":        {engine.Fail, "true for every element", "false for one", ""},
		"test_print":        {engine.Fail, "true", "false", ""},
		"test_conflict":     {engine.Error, "", "", "eval_conflict_error"},
		"todo_test_later":   {outcome: engine.Skip},
	}
	passed, failed, skipped := 0, 0, 0
	for _, r := range rep.Results {
		name := strings.TrimPrefix(r.Name, "data.authz_test.")
		w, ok := wants[name]
		if !ok {
			t.Errorf("unexpected %s", r.Name)
			continue
		}
		delete(wants, name)
		if r.Outcome != w.outcome || r.Expected != w.expected || r.Actual != w.actual || !strings.Contains(r.Message, w.message) {
			t.Errorf("%s: %s, expected %q, actual %q, %q at %v %v\nwant %+v", name, r.Outcome, r.Expected, r.Actual, r.Message, r.At, r.Vars, w)
		}
		if !strings.HasSuffix(r.File, "/authz_test.rego") || r.Line == 0 {
			t.Errorf("%s: at %s:%d", name, r.File, r.Line)
		}
		if r.Outcome == engine.Fail && r.Trace == "" {
			t.Errorf("%s: no trace", name)
		}
		switch r.Outcome {
		case engine.Pass:
			passed++
		case engine.Skip:
			skipped++
		default:
			failed++
		}
		switch name {
		case "test_print":
			if r.Output != "bob has [\"reader\"]\n" {
				t.Errorf("output %q", r.Output)
			}
		case "test_call", "test_less", "test_table/bob":
			want := map[string]string{"test_call": "map[name:\"bob\"]", "test_less": "map[n:2]", "test_table/bob": `map[got:false tc:{"user":"bob","want":true}]`}[name]
			if got := fmt.Sprint(r.Vars); got != want {
				t.Errorf("%s: variables %s, want %s", name, got, want)
			}
		case "test_set":
			if r.At == nil || r.At.Line != r.Line+2 {
				t.Errorf("%s: at %v, want line %d", name, r.At, r.Line+2)
			}
		}
	}
	for name := range wants {
		t.Errorf("%s did not run", name)
	}
	if rep.Passed != passed || rep.Failed != failed || rep.Skipped != skipped || rep.Duration <= 0 {
		t.Errorf("counts %d %d %d, want %d %d %d", rep.Passed, rep.Failed, rep.Skipped, passed, failed, skipped)
	}
}

func TestTestFilterAndCoverage(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"p.rego":      "package p\n\na if input.x == 1\n\nb if input.x == 2\n",
		"p_test.rego": "package p_test\n\ntest_a if data.p.a with input.x as 1\n\ntest_b if data.p.b with input.x as 2\n",
	})
	run := func(pattern string, threshold float64) *engine.TestReport {
		rep, err := engine.Test(t.Context(), engine.TestOptions{Paths: []string{dir}, Run: pattern, Coverage: true, Threshold: threshold})
		if err != nil {
			t.Fatal(err)
		}
		return rep
	}
	if rep := run("", 100); rep.Passed != 2 || rep.Coverage.Percent != 100 || rep.Coverage.Below {
		t.Errorf("all: %+v %+v", rep, rep.Coverage)
	}
	rep := run(`\.test_a$`, 90)
	if rep.Passed != 1 || len(rep.Results) != 1 || !rep.Coverage.Below || rep.Coverage.Percent != 50 {
		t.Errorf("one: %+v %+v", rep, rep.Coverage)
	}
	if f := rep.Coverage.Files[0]; !strings.HasSuffix(f.File, "/p.rego") || fmt.Sprint(f.Missing) != "[{5 5}]" {
		t.Errorf("file: %+v", f)
	}
}

// What is shown is what was typed, wherever the files really are.
func TestTestTyped(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"sub/a_test.rego": "package a_test\n\ntest_a if 1 == 2\n"})
	rep, err := engine.Test(t.Context(), engine.TestOptions{Paths: []string{dir}, Typed: map[string]string{dir: "./policies"}})
	if err != nil {
		t.Fatal(err)
	}
	if r := rep.Results[0]; r.File != "policies/sub/a_test.rego" || r.At.File != r.File {
		t.Errorf("file %q, at %v", r.File, r.At)
	}
	_, err = engine.Test(t.Context(), engine.TestOptions{Paths: []string{dir + "x"}, Typed: map[string]string{dir + "x": "nowhere"}})
	if err == nil || strings.Contains(err.Error(), dir) {
		t.Errorf("got %v", err)
	}
}

func TestTestRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		files map[string]string
		o     engine.TestOptions
		kind  fault.Kind
		want  string
	}{
		{name: "no compile", files: map[string]string{"a.rego": "package a\nx if y\n"}, kind: fault.Invalid, want: "a.rego:2"},
		{name: "no modules", files: map[string]string{"data.json": "{}"}, kind: fault.NotFound, want: "no .rego"},
		{name: "pattern", files: map[string]string{"a.rego": "package a\n"}, o: engine.TestOptions{Run: "("}, kind: fault.Usage, want: "regular expression"},
		{name: "not there", o: engine.TestOptions{Paths: []string{"nowhere"}}, kind: fault.NotFound, want: "nowhere"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.files != nil {
				c.o.Paths = []string{folder(t, c.files)}
			}
			_, err := engine.Test(t.Context(), c.o)
			if !errors.Is(err, c.kind) || !strings.Contains(fmt.Sprint(err), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A test that does not end is an error of that test; the others go on.
func TestTestTimeout(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"a_test.rego": "package a_test\n\ntest_ok if true\n\ntest_slow if {\n\tx := numbers.range(1, 2000)\n\tcount([1 | x[_]; x[_]; x[_]]) > 0\n}\n",
	})
	rep, err := engine.Test(t.Context(), engine.TestOptions{Paths: []string{dir}, Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Passed != 1 || rep.Failed != 1 || rep.Results[1].Outcome != engine.Error || !strings.Contains(rep.Results[1].Message, "50ms") {
		t.Errorf("%+v", rep.Results)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := engine.Test(ctx, engine.TestOptions{Paths: []string{dir}}); !errors.Is(err, fault.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
}
