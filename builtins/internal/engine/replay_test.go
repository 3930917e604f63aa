package engine_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/policyhost/policy/builtins/internal/engine"
	"github.com/policyhost/policy/runtime/fault"
)

func split(r io.Reader) (all []string, err error) {
	err = engine.Split("x", r, func(n int, text string) error {
		all = append(all, fmt.Sprint(n, " ", text))
		return nil
	})
	return all, err
}

func TestSplit(t *testing.T) {
	t.Parallel()
	long := `{"a":"` + strings.Repeat("]}\\\"", 200_000) + `"}`
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"blanks", " \n\t\r\n", nil},
		{"one", `{"a": 1}`, []string{`1 {"a": 1}`}},
		{"one over lines", "{\n \"a\": 1\n}\n", []string{"1 {\n \"a\": 1\n}"}},
		{"several over lines", "{\n}\n\n{\"a\":\n1}{}", []string{"1 {\n}", "2 {\"a\":\n1}", "3 {}"}},
		{"lines", "{\"a\": 1}\r\n\n {\"b\": 2} \n{\"c\": 3}", []string{`1 {"a": 1}`, `3 {"b": 2}`, `4 {"c": 3}`}},
		{"lines of other things", "{}\ntime=now level=info\n[1]\n{\"cut", []string{"1 {}", "2 time=now level=info", "3 [1]", `4 {"cut`}},
		{"no JSON first", "level=info\n{}\n", []string{"1 level=info", "2 {}"}},
		{"an array", `[{"a": [1]}, {} ,"x",1,null,[2]]`, []string{`1 {"a": [1]}`, "2 {}", `3 "x"`, "4 1", "5 null", "6 [2]"}},
		{"arrays", "[{}]\n[{\"a\":1}]", []string{"1 {}", `2 {"a":1}`}},
		{"an empty array", "[ ]", nil},
		{"brackets in strings", `[{"a": "]}\"["}]`, []string{`1 {"a": "]}\"["}`}},
		{"long", long, []string{"1 " + long}},
		{"long lines", "{}\n" + long + "\n" + long, []string{"1 {}", "2 " + long, "3 " + long}},
	} {
		var zipped bytes.Buffer
		z := gzip.NewWriter(&zipped)
		_, _ = io.WriteString(z, tt.text)
		_ = z.Close()
		readers := map[string]io.Reader{"": strings.NewReader(tt.text), " in gzip": bytes.NewReader(zipped.Bytes())}
		if len(tt.text) < 1000 {
			readers[" byte by byte"] = iotest.OneByteReader(strings.NewReader(tt.text))
		}
		for how, r := range readers {
			if got, err := split(r); err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%s%s: got %.200q, %v", tt.name, how, got, err)
			}
		}
	}
}

func TestSplitRefuses(t *testing.T) {
	t.Parallel()
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, strings.Repeat(`{"a": 1}`+"\n", 1000))
	_ = z.Close()
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		r    io.Reader
		want error
	}{
		"a document cut off":       {strings.NewReader("{\n\"a\": "), fault.Invalid},
		"an array cut off":         {strings.NewReader("[{},{}"), fault.Invalid},
		"an element cut off":       {strings.NewReader("[{},{"), fault.Invalid},
		"gzip cut off":             {bytes.NewReader(zipped.Bytes()[:zipped.Len()-20]), fault.Invalid},
		"gzip in name only":        {strings.NewReader("\x1f\x8bnothing"), fault.Invalid},
		"a disk that fails":        {io.MultiReader(strings.NewReader("[{},"), iotest.ErrReader(broken)), broken},
		"a document without limit": {io.MultiReader(strings.NewReader(`{"a": "`), endless{}), fault.Limit},
	} {
		if got, err := split(tt.r); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %.200q, %v", name, got, err)
		}
	}
	if err := engine.Split("x", strings.NewReader("{}\n{}\n"), func(int, string) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestParseRecord(t *testing.T) {
	t.Parallel()
	const logged = `{"decision_id":"d","path":"a/b-c","input":{"x":1},"result":true,"timestamp":"2026-03-01T12:00:00.5Z",` +
		`"nd_builtin_cache":{},"erased":["/input/y"],"masked":["/input/z"],"level":"info","msg":"Decision Log"}`
	for _, tt := range []struct {
		text string
		bare bool
		want engine.Record
		ok   bool
	}{
		{logged, false, engine.Record{
			ID: "d", Query: `data.a["b-c"]`, Input: `{"x":1}`, Result: "true", Cache: "{}", Text: logged,
			Time: time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC), Redacted: []string{"/input/y", "/input/z"},
		}, true},
		{logged, true, engine.Record{Input: logged, Text: logged}, true},
		{`{"name":"n","input":1,"want":false}`, false, engine.Record{ID: "n", Input: "1", Result: "false"}, true},
		{`{"input":1,"query":"data.a.b"}`, false, engine.Record{Input: "1", Query: "data.a.b"}, true},
		{`{"input":1,"query":"data.a[i]"}`, false, engine.Record{Input: "1", Query: "data.a[i]", AdHoc: true}, true},
		{`{"decision_id":"e","error":{"code":"x"}}`, false, engine.Record{ID: "e", Failed: true}, true},
		{`{"user":"ada"}`, false, engine.Record{Input: `{"user":"ada"}`}, true},
		{`["ada"]`, false, engine.Record{Input: `["ada"]`}, true},
		{`{"level":"info","msg":"hello"}`, false, engine.Record{Input: `{"level":"info","msg":"hello"}`}, false},
		{`{"decision_id":"cut off`, false, engine.Record{}, false},
		{`{} {}`, false, engine.Record{}, false},
		{"level=info", false, engine.Record{}, false},
		{"", false, engine.Record{}, false},
	} {
		got, ok := engine.ParseRecord(tt.text, tt.bare)
		tt.want.Text, got.Text = "", ""
		if ok != tt.ok || ok && fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", tt.want) {
			t.Errorf("%s: got %+v, %v", tt.text, got, ok)
		}
	}
}

func TestQueryOf(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"authz/allow": "data.authz.allow", "/authz/allow": "data.authz.allow", "": "", "a/1/b.c/d": `data.a["1"]["b.c"].d`, `a/"`: `data.a["\""]`,
	} {
		if got := engine.QueryOf(path); got != want {
			t.Errorf("%s: got %s", path, got)
		}
	}
}

// FuzzRecords takes foreign bytes all the way that a corpus goes.
func FuzzRecords(f *testing.F) {
	for _, s := range []string{
		"", "{}", "[{},{}]", "{\"decision_id\":\"a\",\"input\":{\"b\":[1]},\"path\":\"x/y\"}\n{\"cut", "[1,\"x\",null]", "\x1f\x8b", "{\n}{\n}",
		`{"input":1,"nd_builtin_cache":{"http.send":{"[{\"a\":1}]":{}}},"erased":["/x"],"timestamp":"2026-03-01T12:00:00Z"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		last := 0
		_ = engine.Split("x", bytes.NewReader(text), func(n int, document string) error {
			if n <= last || document == "" {
				t.Fatalf("document %d behind %d: %q", n, last, document)
			}
			last = n
			r, ok := engine.ParseRecord(document, false)
			if !ok {
				return nil
			}
			if _, err := engine.NewQuestion("data.x", r.Input, r.Cache, time.Time{}); err == nil && r.Input != "" && !json.Valid([]byte(r.Input)) {
				t.Fatalf("an input that is not JSON: %q", r.Input)
			}
			_, _ = engine.Canonical(r.Result)
			_, _ = engine.Member(document, "input", "x")
			return nil
		})
	})
}
