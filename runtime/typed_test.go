package runtime_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

const typedText = `
Stage = enum("staging", "prod")
Target = record(name = str, stage = Stage, tags = list[str], wait = duration | None)

def f(version: str, n: int, *rest: int, stage: Stage = "staging", stages: list[Stage] = [], tags: list[str] | None = None,
      counts: dict[str, int] = {}, part: float = 0.5, loud: bool = False, wait: duration = "1s", password: Password | None = None,
      target: Target | None = None, either: int | str = 1, pair: tuple[int, str] = (1, "a"), unique: set[str] = set(), image: Image | None = None,
      free = None, anything: any = None, nested: list[list[int]] = [], **more: int) -> list[Target | None]:
    """Takes all."""
    return [version, n, rest, stage, stages, tags, counts, part, loud, type(wait), target, either, pair, unique, free, anything, nested, more]

def plain(x) -> int:
    return x
`

// TestTypedFunctions is what a command line learns of annotations.
func TestTypedFunctions(t *testing.T) {
	t.Parallel()
	f := load(t, typedText).Functions()[0]
	if f.Result != "list[Target | None]" || f.Summary != "Takes all." {
		t.Errorf("result %q, summary %q", f.Result, f.Summary)
	}
	stages := []string{"staging", "prod"}
	want := map[string]runtime.Param{
		"version":  {Type: "str", Kind: "string"},
		"n":        {Type: "int", Kind: "int"},
		"rest":     {Type: "int", Kind: "int"},
		"stage":    {Type: "Stage", Kind: "enum", Choices: stages},
		"stages":   {Type: "list[Stage]", Kind: "list", Choices: stages},
		"tags":     {Type: "list[str] | None", Kind: "list"},
		"counts":   {Type: "dict[str, int]", Kind: "dict"},
		"part":     {Type: "float", Kind: "float"},
		"loud":     {Type: "bool", Kind: "bool"},
		"wait":     {Type: "duration", Kind: "duration"},
		"password": {Type: "Password | None", Kind: "secret"},
		"target":   {Type: "Target | None", Kind: "any"},
		"either":   {Type: "int | str", Kind: "any"},
		"pair":     {Type: "tuple[int, str]", Kind: "list"},
		"unique":   {Type: "set[str]", Kind: "list"},
		"image":    {Type: "Image | None", Kind: "any"},
		"free":     {Kind: "any"},
		"anything": {Type: "any", Kind: "any"},
		"nested":   {Type: "list[list[int]]", Kind: "any"},
		"more":     {Type: "int", Kind: "int"},
	}
	for _, p := range f.Params {
		w := want[p.Name]
		if p.Type != w.Type || p.Kind != w.Kind || !reflect.DeepEqual(p.Choices, w.Choices) {
			t.Errorf("%s: got %q %q %q, want %q %q %q", p.Name, p.Type, p.Kind, p.Choices, w.Type, w.Kind, w.Choices)
		}
		delete(want, p.Name)
	}
	if len(want) > 0 {
		t.Errorf("not there: %v", want)
	}
}

// TestTypedCall gives a typed function what a command line and a document have.
func TestTypedCall(t *testing.T) {
	t.Parallel()
	p := load(t, typedText)
	text := func(s string) runtime.Text { return runtime.Text(s) }
	for _, tt := range []struct {
		args map[string]any
		rest []any
		at   int // of the result
		want string
	}{
		{map[string]any{"n": text("7")}, nil, 1, `7`},
		{map[string]any{}, []any{text("1"), 2}, 2, `[1,2]`},
		{map[string]any{"stage": text("prod")}, nil, 3, `"prod"`},
		{map[string]any{"stages": []runtime.Text{"prod", "staging"}}, nil, 4, `["prod","staging"]`},
		{map[string]any{"stages": []any{"prod"}}, nil, 4, `["prod"]`},
		{map[string]any{"tags": []runtime.Text{"1"}}, nil, 5, `["1"]`},
		{map[string]any{"tags": []string{}}, nil, 5, `[]`},
		{map[string]any{"counts": map[string]runtime.Text{"a": "1"}}, nil, 6, `{"a":1}`},
		{map[string]any{"part": text("1.5")}, nil, 7, `1.5`},
		{map[string]any{"part": 2}, nil, 7, `2`},
		{map[string]any{"loud": text("True")}, nil, 8, `true`},
		{map[string]any{"wait": text("5m")}, nil, 9, `"time.duration"`},
		{map[string]any{"wait": "5m"}, nil, 9, `"time.duration"`},
		{map[string]any{"target": text(`{"name": "x", "stage": "prod", "tags": ["a"], "wait": "1m"}`)}, nil, 10, `{"name":"x","stage":"prod","tags":["a"],"wait":60000000000}`},
		{map[string]any{"target": runtime.Map{{Key: "name", Value: "x"}, {Key: "stage", Value: "prod"}, {Key: "tags", Value: []any{}}}}, nil, 10, `{"name":"x","stage":"prod","tags":[],"wait":null}`},
		{map[string]any{"target": text("null")}, nil, 10, `null`},
		{map[string]any{"either": text("3")}, nil, 11, `3`},
		{map[string]any{"either": text("x")}, nil, 11, `"x"`},
		{map[string]any{"pair": []runtime.Text{"2", "3"}}, nil, 12, `[2,"3"]`},
		{map[string]any{"unique": []any{"a", "a"}}, nil, 13, `["a"]`},
		{map[string]any{"free": text("3")}, nil, 14, `"3"`},
		{map[string]any{"anything": text("3")}, nil, 15, `"3"`},
		{map[string]any{"nested": text("[[1]]")}, nil, 16, `[[1]]`},
		{map[string]any{"other": text("3")}, nil, 17, `{"other":3}`},
	} {
		args := map[string]any{"version": "1", "n": 1}
		for k, v := range tt.args {
			args[k] = v
		}
		got, err := p.Call(t.Context(), "f", args, tt.rest)
		// What f gives back is not what it promises, so the error of its result shows
		// that the arguments were taken.
		if err == nil || !strings.Contains(err.Error(), "f: the value it returns: got a list whose item 0 is") {
			t.Errorf("%v: %v %v", tt.args, got, err)
		}
		honest := load(t, strings.Replace(typedText, " -> list[Target | None]", "", 1))
		got, err = honest.Call(t.Context(), "f", args, tt.rest)
		if err != nil {
			t.Errorf("%v: %s", tt.args, show(err))
			continue
		}
		if text, err := json.Marshal(got.([]any)[tt.at]); err != nil || string(text) != tt.want {
			t.Errorf("%v: got %s %v, want %s", tt.args, text, err, tt.want)
		}
	}
}

func TestTypedCallErrors(t *testing.T) {
	t.Parallel()
	p := load(t, typedText)
	for _, tt := range []struct {
		param string
		value any
		want  string
	}{
		{"n", "x", `f: parameter n: got "x", want int | `},
		{"n", runtime.Text("x"), `f: parameter n: got "x", want int | `},
		{"stage", "prd", `f: parameter stage: got "prd", want Stage (staging, prod) | did you mean "prod"?`},
		{"stages", []runtime.Text{"prd"}, `f: parameter stages: got a list whose item 0 is "prd", want list[Stage]`},
		{"counts", map[string]runtime.Text{"a": "b"}, `f: parameter counts: got a dict whose value of "a" is "b", want dict[str, int]`},
		{"wait", runtime.Text("soon"), `f: parameter wait: got "soon", want duration such as "30s"`},
		{"target", runtime.Map{{Key: "name", Value: "x"}}, `f: parameter target: Target: missing field stage (Stage) | Target(name: str, stage: Stage, tags: list[str], wait: duration | None)`},
		{"target", runtime.Text(`{"name": 3}`), `f: parameter target: Target: field name: got int, want str | Target(name: str`},
		{"target", runtime.Text("{"), `f: parameter target: got "{", want Target | None`},
		{"other", runtime.Text("x"), `f: parameter other: got "x", want int`},
	} {
		args := map[string]any{"version": "1", "n": 1}
		args[tt.param] = tt.value
		_, err := p.Call(t.Context(), "f", args, nil)
		f := fault.Of(err)
		if !errors.Is(err, fault.Usage) || !strings.HasPrefix(f.Error()+" | "+f.Hint, tt.want) {
			t.Errorf("%s = %v: got %v, want %s", tt.param, tt.value, show(err), tt.want)
			continue
		}
		if len(f.Trace) != 1 || f.Trace[0].Line < 5 || f.Trace[0].Line > 8 || f.Trace[0].Func != "f" {
			t.Errorf("%s: it points at %+v", tt.param, f.Trace)
		}
	}
	_, err := p.Call(t.Context(), "plain", map[string]any{"x": "text"}, nil)
	if f := fault.Of(err); f.Kind != fault.Script || f.Error() != "plain: the value it returns: got \"text\", want int" {
		t.Errorf("got %s", show(err))
	} else if n := len(f.Trace); n != 2 || f.Trace[0].Line != 13 || f.Trace[1].Line != 12 || f.Trace[1].Col != 17 {
		t.Errorf("got %s", show(err))
	}
}
