package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

func load(t *testing.T, text string) *runtime.Program {
	t.Helper()
	p, err := testHost(t).Load(t.Context(), runtime.Source{Name: "f.star", Text: []byte(text)})
	if err != nil {
		t.Fatal(show(err))
	}
	return p
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	p := load(t, `"""A pipeline.

    Indented by four.
"""
load("@std//semver.star", "semver")
def zeta(version, *, registry = "ghcr.io", latest = True, n = 3, r = 0.5, tags = ["a"], labels = {}, any = None, fn = len):
    """Release the policy.

    More words
      kept as they are.

    Args:
      version: semantic version
        to publish
      registry (string): where: to publish
      *rest: ignored

    Returns:
      the image
    """
def alpha(first, second = 1, *rest, **more): pass
def _private(): pass
also = alpha
value = 3
`)
	if got, want := p.Doc(), "A pipeline.\n\n    Indented by four."; got != want {
		t.Errorf("doc: got %q, want %q", got, want)
	}
	var names []string
	for _, f := range p.Functions() {
		names = append(names, f.Name)
	}
	if got := strings.Join(names, " "); got != "zeta alpha also" {
		t.Fatalf("functions: %s", got)
	}
	f := p.Functions()[0]
	if f.Summary != "Release the policy." || f.Doc != "Release the policy.\n\nMore words\n  kept as they are.\n\nReturns:\n  the image" {
		t.Errorf("summary %q, doc %q", f.Summary, f.Doc)
	}
	if f.Pos != (runtime.Position{File: "f.star", Line: 6, Col: 1}) {
		t.Errorf("position %v", f.Pos)
	}
	want := []runtime.Param{
		{Name: "version", Help: "semantic version to publish", Required: true, Kind: "string"},
		{Name: "registry", Help: "where: to publish", KeywordOnly: true, Kind: "string", Default: "ghcr.io"},
		{Name: "latest", KeywordOnly: true, Kind: "bool", Default: true},
		{Name: "n", KeywordOnly: true, Kind: "int", Default: int64(3)},
		{Name: "r", KeywordOnly: true, Kind: "float", Default: 0.5},
		{Name: "tags", KeywordOnly: true, Kind: "list", Default: []any{"a"}},
		{Name: "labels", KeywordOnly: true, Kind: "dict", Default: runtime.Map{}},
		{Name: "any", KeywordOnly: true, Kind: "any"},
		{Name: "fn", KeywordOnly: true, Kind: "any"},
	}
	if !reflect.DeepEqual(f.Params, want) {
		t.Errorf("params:\ngot  %+v\nwant %+v", f.Params, want)
	}
	want = []runtime.Param{
		{Name: "first", Required: true, Kind: "string"},
		{Name: "second", Kind: "int", Default: int64(1)},
		{Name: "rest", Variadic: true, Kind: "string"},
		{Name: "more", Extra: true, Kind: "string"},
	}
	if got := p.Functions()[1].Params; !reflect.DeepEqual(got, want) {
		t.Errorf("params:\ngot  %+v\nwant %+v", got, want)
	}
}

func TestCallArguments(t *testing.T) {
	t.Parallel()
	p := load(t, `
def plain(a, b = 2, *, c = 3): return [a, b, c]
def rest(a, b = 2, *more, c = 3): return [a, b, more, c]
def open(a = 1, **kw): return [a, kw]
def none(): return []
def kwonly(*, must): return must
def _private(): pass
`)
	for _, tt := range []struct {
		name    string
		args    map[string]any
		varargs []any
		want    string // JSON, or an error that starts with "!"
	}{
		{"plain", map[string]any{"a": "x"}, nil, `["x",2,3]`},
		{"plain", map[string]any{"a": 1, "c": true, "b": []string{"p"}}, nil, `[1,["p"],true]`},
		{"plain", map[string]any{"a": runtime.Map{{Key: "z", Value: 1}, {Key: "a", Value: nil}}}, nil, `[{"z":1,"a":null},2,3]`},
		{"plain", map[string]any{"a": json.RawMessage(`{"z": [1, 1.0]}`)}, nil, `[{"z":[1,1.0]},2,3]`},
		{"plain", map[string]any{"a": json.Number("12345678901234567890")}, nil, `[12345678901234567890,2,3]`},
		{"plain", map[string]any{"a": map[string]any{"b": 1, "a": []any{nil, 0.5}}}, nil, `[{"a":[null,0.5],"b":1},2,3]`},
		{"rest", map[string]any{"a": 1}, []any{"x", "y"}, `[1,2,["x","y"],3]`},
		{"rest", map[string]any{"a": 1, "b": 5, "c": 6}, []any{"x"}, `[1,5,["x"],6]`},
		{"rest", map[string]any{"a": 1, "c": 6}, nil, `[1,2,[],6]`},
		{"open", map[string]any{"x": 1, "a": 0}, nil, `[0,{"x":1}]`},
		{"none", nil, nil, `[]`},
		{"kwonly", map[string]any{"must": 1}, nil, `1`},

		{"plain", nil, nil, `!plain: missing argument a`},
		{"kwonly", nil, nil, `!kwonly: missing argument must`},
		{"rest", map[string]any{"b": 1}, []any{"x"}, `!rest: missing argument a`},
		{"plain", map[string]any{"a": 1, "cc": 1}, nil, `!plain: unknown parameter cc | did you mean "c"?`},
		{"plain", map[string]any{"a": 1, "zzz": 1}, nil, `!plain: unknown parameter zzz | its parameters are a, b, c`},
		{"none", map[string]any{"a": 1}, nil, `!none: unknown parameter a | it takes none`},
		{"plain", map[string]any{"a": 1}, []any{"x"}, `!plain: takes no further arguments`},
		{"plain", map[string]any{"a": make(chan int)}, nil, `!plain: parameter a: a Go chan int has no counterpart in Starlark`},
		{"plian", nil, nil, `!f.star: there is no function "plian" | did you mean "plain"?`},
		{"zzzzzzzz", nil, nil, `!f.star: there is no function "zzzzzzzz" | its functions are plain, rest, open, none, kwonly`},
		{"_private", nil, nil, `!f.star: there is no function "_private"`},
	} {
		got, err := p.Call(t.Context(), tt.name, tt.args, tt.varargs)
		if want, fails := strings.CutPrefix(tt.want, "!"); fails {
			if !errors.Is(err, fault.Usage) {
				t.Errorf("%s(%v): got %v, want usage", tt.name, tt.args, err)
				continue
			}
			if text := err.Error() + " | " + fault.Of(err).Hint; !strings.HasPrefix(text, want) {
				t.Errorf("%s(%v): got %s, want %s", tt.name, tt.args, text, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s(%v): %s", tt.name, tt.args, show(err))
			continue
		}
		if text, err := json.Marshal(got); err != nil || string(text) != tt.want {
			t.Errorf("%s(%v): got %s %v, want %s", tt.name, tt.args, text, err, tt.want)
		}
	}
}

// TestResults is about what a script's value is in Go.
func TestResults(t *testing.T) {
	t.Parallel()
	host := testHost(t)
	big70, _ := new(big.Int).SetString("1180591620717411303424", 10)
	for _, tt := range []struct {
		expr string
		want any
	}{
		{"", nil},
		{"None", nil},
		{"x = 1", nil},
		{"True", true},
		{"7", int64(7)},
		{"1 << 70", json.Number(big70.String())},
		{"1.5", 1.5},
		{"1.0", json.Number("1.0")},
		{"'s'", "s"},
		{"b'b'", []byte("b")},
		{"[1, 'a', None]", []any{int64(1), "a", nil}},
		{"(1,)", []any{int64(1)}},
		{"set([1])", []any{int64(1)}},
		{"range(2)", []any{int64(0), int64(1)}},
		{"{'z': 1, 'a': 2}", runtime.Map{{Key: "z", Value: int64(1)}, {Key: "a", Value: int64(2)}}},
		{"struct(b = 1, a = 2)", runtime.Map{{Key: "a", Value: int64(2)}, {Key: "b", Value: int64(1)}}},
		{"time.now()", host.Now},
		{"2 * time.second", 2 * time.Second},
		{"push('a')", image("a")},
		{"push(['a', 'b'])", Images{image("a"), image("b")}},
		{"images('none')", Images{}},
		{"images('x')", Images{image("listed/x/false")}},
		{"[i for i in push(['a', 'b'])]", Images{image("a"), image("b")}},
		{"reversed(push(['a', 'b']))", []any{image("b"), image("a")}},
		{"push(['a', 'b'])[:1]", []any{image("a")}},
		{"[push('a')]", []any{image("a")}},
		{"{'i': push('a')}", runtime.Map{{Key: "i", Value: image("a")}}},
		{"password()", Password{"hunter22"}},
		{"if 1:\n  return 5\n6", int64(5)},
		{"load('@std//semver.star', 'semver')\nsemver.bump('1.0.0')", "1.0.1"},
	} {
		got, err := host.Eval(t.Context(), runtime.Source{Name: "-e", Text: []byte(tt.expr)})
		if err != nil {
			t.Errorf("%s: %s", tt.expr, show(err))
		} else if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %#v, want %#v", tt.expr, got, tt.want)
		}
	}
	for expr, want := range map[string]string{
		"lambda: 1":                    "main: the value it returns: a function is no data",
		"[len]":                        "main: the value it returns: item 0: a builtin_function_or_method is no data",
		"{1: 2}":                       "main: the value it returns: key 1: got int, want string",
		"x = []\nx.append(x)\nx":       "contains itself",
		"struct(a = {'b': lambda: 1})": "field a: key \"b\": a function is no data",
		"json":                         "a module is no data",
	} {
		_, err := host.Eval(t.Context(), runtime.Source{Name: "-e", Text: []byte(expr)})
		if !errors.Is(err, fault.Script) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", expr, err, want)
		}
	}
}

func TestMap(t *testing.T) {
	t.Parallel()
	m := runtime.Map{{Key: "b", Value: 1}, {Key: "a", Value: []any{nil}}}
	if v, ok := m.Get("b"); v != 1 || !ok {
		t.Errorf("Get: %v %v", v, ok)
	}
	if _, ok := m.Get("c"); ok {
		t.Error("Get found what is not there")
	}
	if text, err := json.Marshal(m); err != nil || string(text) != `{"b":1,"a":[null]}` {
		t.Errorf("%s %v", text, err)
	}
	if _, err := json.Marshal(runtime.Map{{Key: "x", Value: make(chan int)}}); err == nil {
		t.Error("a channel has JSON")
	}
}

// TestTrace is the promise that an error three calls deep across modules shows
// every frame with its line, its column and its source.
func TestTrace(t *testing.T) {
	t.Parallel()
	host := testHost(t)
	host.Root, host.Files = "", fstest.MapFS{
		"lib/a.star": {Data: []byte("load(\":b.star\", \"b\")\r\n\r\ndef a(x):\r\n    return b(x)\r\n")},
		"lib/b.star": {Data: []byte("def b(x):\n    for r in x:\n        push( r, **{\"forc\": True} )\n")},
	}
	p, err := host.Load(t.Context(), runtime.Source{Name: "some/where/lib/main.star", Dir: "lib", Text: []byte(
		"load(\"//lib/a.star\", \"a\")\n\ndef main():\n    y = [a(x) for x in [[\"i\"]]]\n")})
	if err != nil {
		t.Fatal(show(err))
	}
	_, err = p.Call(t.Context(), "main", nil, nil)
	f := fault.Of(err)
	want := []fault.Frame{
		{Func: "main", File: "some/where/lib/main.star", Line: 4, Col: 10, Source: `    y = [a(x) for x in [["i"]]]`},
		{Func: "a", File: "some/where/lib/a.star", Line: 4, Col: 12, Source: "    return b(x)"},
		{Func: "b", File: "some/where/lib/b.star", Line: 3, Col: 9, Source: `        push( r, **{"forc": True} )`},
	}
	if !reflect.DeepEqual(f.Trace, want) {
		t.Errorf("got %s", show(err))
	}
	if f.Kind != fault.Usage || !strings.HasPrefix(f.Hint, `did you mean "force"?`) {
		t.Errorf("got %s | %s", f, f.Hint)
	}

	host.Files = fstest.MapFS{
		"a.star": {Data: []byte("load(\":b.star\", \"b\")\n")},
		"b.star": {Data: []byte("def f():\n    return {}[1]\nb = f()\n")},
	}
	_, err = host.Load(t.Context(), runtime.Source{Name: "m.star", Text: []byte("load(\":a.star\", \"b\")\n")})
	f = fault.Of(err)
	want = []fault.Frame{
		{Func: "<toplevel>", File: "m.star", Line: 1, Col: 1, Source: `load(":a.star", "b")`},
		{Func: "<toplevel>", File: "a.star", Line: 1, Col: 1, Source: `load(":b.star", "b")`},
		{Func: "<toplevel>", File: "b.star", Line: 3, Col: 5, Source: "b = f()"},
		{Func: "f", File: "b.star", Line: 2, Col: 14, Source: "    return {}[1]"},
	}
	if !reflect.DeepEqual(f.Trace, want) || f.Kind != fault.Script || f.Error() != "b.star:2:14: key 1 not in dict" {
		t.Errorf("got %s", show(err))
	}
}

// TestCauses holds that a script between a builtin and its caller hides nothing.
func TestCauses(t *testing.T) {
	t.Parallel()
	host := testHost(t)
	eval := func(expr string) error {
		_, err := host.Eval(t.Context(), runtime.Source{Name: "-e", Text: []byte(expr)})
		return err
	}
	if err := eval("sorted(['gone'], key = push)"); !errors.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	err := eval(`fail("no", push("a"))`)
	failure, ok := errors.AsType[*runtime.Failure](err)
	if !ok || failure.Message != "no" || !reflect.DeepEqual(failure.Value, image("a")) {
		t.Errorf("got %#v", failure)
	}
	if f := fault.Of(eval("crash()")); f.Kind != fault.Internal || len(f.Trace) != 1 || f.Trace[0].Line != 1 {
		t.Errorf("got %s", show(f))
	}
}

func TestConcurrentCalls(t *testing.T) {
	t.Parallel()
	p := load(t, "IMAGES = [1, 2]\ndef main(n): return [n, push(['a', 'b']), take(names = [n])['names'], IMAGES]\n")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			n := fmt.Sprint(i)
			got, err := p.Call(t.Context(), "main", map[string]any{"n": n}, nil)
			want := []any{n, Images{image("a"), image("b")}, []any{n}, []any{int64(1), int64(2)}}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %v %v", got, err)
			}
		})
	}
	wg.Wait()
}

// TestModules holds that each module is asked for once and gets its own builtins.
func TestModules(t *testing.T) {
	t.Parallel()
	var asked []string
	host := &runtime.Host{
		Files: fstest.MapFS{"a.star": {Data: []byte("def a(): return name()")}, "b.star": {Data: []byte("load('a.star', 'a')\nb = a")}},
		Predeclared: func(m runtime.Module) []runtime.Builtin {
			asked = append(asked, m.Name)
			return []runtime.Builtin{builtin("name", func(_ context.Context, _ *struct{}, c runtime.Call) (any, error) {
				return m.Name + " " + c.Module.Name, nil
			})}
		},
	}
	got, err := host.Eval(t.Context(), runtime.Source{Name: "-e", Text: []byte("load('a.star', 'a')\nload('b.star', 'b')\n[a(), b(), name()]")})
	if err != nil {
		t.Fatal(show(err))
	}
	if want := []any{"a.star a.star", "a.star a.star", "-e -e"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	if got := strings.Join(asked, " "); got != "-e a.star b.star" {
		t.Errorf("asked for %s", got)
	}
}
