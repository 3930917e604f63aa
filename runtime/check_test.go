package runtime_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/stdlib"
)

// check is what Check finds, a line each: "2:5 code: message | hint -> replacement".
func check(t *testing.T, text string) []string {
	t.Helper()
	var all []string
	for _, f := range testHost(t).Check(t.Context(), runtime.Source{Name: "testdata/f.star", Text: []byte(text)}) {
		line := fmt.Sprintf("%d:%d %s: %s", f.Pos.Line, f.Pos.Col, f.Code, f.Message)
		if f.Hint != "" {
			line += " | " + f.Hint
		}
		if f.Replace != "" {
			line += " -> " + f.Replace
		}
		if f.Warning != slices.Contains(warnings, f.Code) {
			line += " (severity)"
		}
		if f.Source != strings.Split(text, "\n")[f.Pos.Line-1] || f.Width < 1 {
			line += " (place)"
		}
		all = append(all, line)
	}
	return all
}

var warnings = []string{"unused-load", "unused-variable", "unreachable", "missing-return", "shadowed-builtin", "docstring"}

// TestCheck is one mistake at a time: the text, and the findings it has.
func TestCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want []string
	}{
		// calls of builtins
		{`def f(): push("a", forse = True)`, []string{`1:20 unknown-keyword: push: unknown parameter forse | did you mean "force"? push(refs, *, force = False, fail = "") -> force`}},
		{`def f(): push()`, []string{`1:10 missing-argument: push: missing argument refs (string or list of strings) | push(refs, *, force = False, fail = "")`}},
		{`def f(): push("a", "b")`, []string{`1:20 extra-argument: push: got 2 positional arguments, want at most 1 | pass several values as a list: refs = [...]`}},
		{`def f(): push("a", force = 1)`, []string{`1:28 wrong-type: push: parameter force: got int, want bool | push(refs, *, force = False, fail = "")`}},
		{`def f(): push("a b")`, []string{`1:15 bad-value: push: parameter refs: "a b": is not a reference | a reference looks like ghcr.io/org/name:tag`}},
		{`def f(x): push([x, "a b", 3])`, []string{
			`1:20 bad-value: push: parameter refs: "a b": is not a reference | a reference looks like ghcr.io/org/name:tag`,
			`1:27 wrong-type: push: parameter refs: got int, want string or list of strings | push(refs, *, force = False, fail = "")`,
		}},
		{`def f(): take(target = "wasn")`, []string{`1:24 bad-value: take: parameter target: got "wasn", want one of rego, wasm, plan | did you mean "wasm"? -> "wasm"`}},
		{`def f(): take(timeout = "soon")`, []string{`1:25 bad-value: take: parameter timeout: got "soon", want a duration such as "30s" or "1h30m" | ` + takeSignature(t)}},
		{`def f(): take(even = 3)`, []string{`1:22 bad-value: take: parameter even: 3 is odd | ` + takeSignature(t)}},
		{`def f(): take(number = len("a"), text = len("a"))`, []string{`1:41 wrong-type: take: parameter text: got int, want string | ` + takeSignature(t)}},
		{`def f(): take(number = "%d" % 3)`, nil}, // what is certain is a string; which one is not
		{"N = 3\ndef f(): take(text = N)", []string{`2:22 wrong-type: take: parameter text: got int, want string | ` + takeSignature(t)}},
		{`def f(): pair("a", low = 3, high = 2)`, []string{`1:10 bad-value: pair: low is above high | pair(from, to = "", *, low = 1, high = 2)`}},
		{`def f(): pair("a", to = "b", to = "c")`, []string{`1:30 syntax: keyword argument "to" is repeated`}},
		{`def f(): pair("a", **{"from": "b"})`, nil},
		{`def f(): push("a", refs = "b")`, []string{`1:20 extra-argument: push: parameter refs: got two values | push(refs, *, force = False, fail = "")`}},
		{`def f(): list(remot = True)`, []string{`1:15 unknown-keyword: list: unknown parameter remot | did you mean "remote"? list(prefix = "", *, remote = False) -> remote`}},
		{`def f(): return list((1, 2)) + list("x")`, nil},
		{`x = push("a")`, []string{`1:5 effect-at-load: push: has an effect and cannot run while a file is loaded | call it inside a function`}},
		{`x = pair("a")`, nil},
		{`x = [lambda: push("a")]`, nil},

		// calls of the file's own functions
		{"def f(a, *, b = 1): pass\ndef g(): f(1, c = 2)", []string{`2:15 unknown-keyword: f: unknown parameter c | f(a, *, b = 1)`}},
		{"def f(a, *, bee = 1): pass\ndef g(): f(1, be = 2)", []string{`2:15 unknown-keyword: f: unknown parameter be | did you mean "bee"? f(a, *, bee = 1) -> bee`}},
		{"def f(a, *, b = 1): pass\ndef g(): f()", []string{`2:10 missing-argument: f: missing argument a | f(a, *, b = 1)`}},
		{"def f(a, *, b = 1): pass\ndef g(): f(1, 2)", []string{`2:15 extra-argument: f: got 2 positional arguments, want at most 1 | f(a, *, b = 1)`}},
		{"def f(a, b = 1): pass\ndef g(): f(1, a = 2)", []string{`2:15 extra-argument: f: parameter a: got two values | f(a, b = 1)`}},
		{"def f(a, *b, **c): pass\ndef g(x): f(1, 2, 3, d = 4)\ndef h(x): f(*x)\ndef i(x): f(**x)", nil},
		{"def f(a: int, b: str = \"x\"): pass\ndef g(): f(\"1\", b = 2)", []string{`2:12 wrong-type: f: parameter a: got "1", want int`, `2:21 wrong-type: f: parameter b: got int, want str`}},
		{"def f(a: int): pass\ndef g(): f(\"%d\" % 1)", []string{`2:12 wrong-type: f: parameter a: got str, want int`}},
		{"Stage = enum(\"staging\", \"prod\")\ndef f(a: Stage): pass\ndef g(): f(\"prd\")", []string{`3:12 bad-value: f: parameter a: got "prd", want Stage (staging, prod) | did you mean "prod"? -> "prod"`}},
		{"def f(a: duration): pass\ndef g(): f(\"soon\")", []string{`2:12 bad-value: f: parameter a: got "soon", want duration such as "30s"`}},
		{"def f(*a: int, **b: str): pass\ndef g(): f(1, \"x\", c = 3)", []string{`2:15 wrong-type: f: argument 2: got "x", want int`, `2:24 wrong-type: f: parameter c: got int, want str`}},
		{"def f(a: list[int]): pass\ndef g(x): f([1, \"x\"]); f([x]); f(x); f((1,))", []string{
			`2:13 wrong-type: f: parameter a: got a list whose item 1 is "x", want list[int]`,
			`2:40 wrong-type: f: parameter a: got tuple, want list[int]`,
		}},
		{"def f(a: Image): pass\ndef g(): f(push(\"a\")); f(judge(\"a\")); f(push([\"a\"]))", []string{
			`2:26 wrong-type: f: parameter a: got Decision, want Image`,
			`2:41 wrong-type: f: parameter a: got list, want Image`,
		}},
		{"def f(a: int = \"x\", b: int = None, c: int | None = None): pass", []string{
			`1:16 wrong-type: f: the default of a: got "x", want int`, `1:30 wrong-type: f: the default of b: got None, want int`,
		}},
		{"def f() -> int:\n    return \"x\"", []string{`2:12 wrong-type: f: the value it returns: got "x", want int`}},
		{"def f() -> int:\n    return [lambda: \"x\"][0]()", nil},
		{"def f(g):\n    g(1, 2, 3)\n    g = len\n    g()", nil},
		{"def f():\n    def g(a): pass\n    g(1, 2)", []string{`3:10 extra-argument: g: got 2 positional arguments, want at most 1 | g(a)`}},
		{"def f(x):\n    if x:\n        def g(a): pass\n    else:\n        def g(a, b): pass\n    g(1, 2)", nil},
		{"def f(a): pass\ng = f\ndef h(): g()", []string{`3:10 missing-argument: g: missing argument a | g(a)`}},
		{"s = struct(f = lambda: 1, g = len)\ndef h(): s.f(); s.h()", []string{`2:19 unknown-attribute: struct has no .h field or method`}},

		// calls of what is loaded
		{"load(\"@std//semver.star\", \"semver\")\ndef f(): semver.valid()", []string{`2:10 missing-argument: semver.valid: missing argument text | semver.valid(text: any) -> bool`}},
		{"load(\"@std//semver.star\", \"semver\")\ndef f(): semver.vald(\"1\")", []string{`2:17 unknown-attribute: struct has no .vald field or method (did you mean .valid?) -> valid`}},
		{"load(\":lib/typed.star\", \"take\", S = \"Stage\", \"Target\")\ndef f():\n    take(1, stage = \"prd\")\n    S(\"prd\")\n    S.prd\n    Target(name = 1, stage = S.prod, tag = [])\n    Target(\"x\")", []string{
			`1:26 shadowed-builtin: take hides the builtin take | call it something else`,
			`3:21 bad-value: take: parameter stage: got "prd", want Stage (staging, prod, rc-1) | did you mean "prod"? -> "prod"`,
			`4:7 bad-value: S: got "prd", want Stage (staging, prod, rc-1) | did you mean "prod"? -> "prod"`,
			`5:7 unknown-attribute: Stage has no .prd field or method (did you mean .prod?) -> prod`,
			`6:5 missing-argument: Target: missing field tags (list[str]) | Target(name: str, stage: Stage, tags: list[str], note: str | None, next: any)`,
			`6:19 wrong-type: Target: field name: got int, want str`,
			`6:38 unknown-keyword: Target: has no field tag | did you mean "tags"? Target(name: str, stage: Stage, tags: list[str], note: str | None, next: any) -> tags`,
			`7:12 extra-argument: Target: takes its fields by name | Target(name: str, stage: Stage, tags: list[str], note: str | None, next: any)`,
		}},
		{"load(\":lib/typed.star\", \"takes\")\ntakes()", []string{`1:26 load: load ":lib/typed.star": it has no "takes" | did you mean "take"? -> take`}},
		{"load(\":lib/utill.star\", \"x\")\nx()", []string{`1:6 load: load ":lib/utill.star": there is no testdata/lib/utill.star | did you mean ":lib/util.star"? -> ":lib/util.star"`}},
		{"load(\":lib/syntax.star\", \"x\")\nx()", []string{`1:6 load: load ":lib/syntax.star": testdata/lib/syntax.star:2:10: got newline, want primary expression`}},

		// attributes
		{`def f(): return push("a").digst`, []string{`1:27 unknown-attribute: Image has no .digst field or method (did you mean .digest?) -> digest`}},
		{"def f():\n    i = push(\"a\")\n    return i.size, i.sise", []string{`3:22 unknown-attribute: Image has no .sise field or method (did you mean .size?) -> size`}},
		{"def f():\n    i = push(\"a\")\n    i = 3\n    return i.sise", nil},
		{"def f(i: Image, j: Image | None, k: Image | str): return i.sise, j.sise, k.upper(), k.sise", []string{
			`1:60 unknown-attribute: Image has no .sise field or method (did you mean .size?) -> size`,
			`1:68 unknown-attribute: Image has no .sise field or method (did you mean .size?) -> size`,
			`1:87 unknown-attribute: Image has no .sise field or method (did you mean .size?) -> size`,
		}},
		{`def f(x): return "a".uper(), (1).x, [].push(x), {}.key(), x.anything`, []string{
			`1:22 unknown-attribute: string has no .uper field or method (did you mean .upper?) -> upper`,
			`1:34 unknown-attribute: int has no .x field or method`,
			`1:40 unknown-attribute: list has no .push field or method`,
			`1:52 unknown-attribute: dict has no .key field or method (did you mean .keys?) -> keys`,
		}},
		{`def f(): return json.decod("1"), time.now()`, []string{`1:22 unknown-attribute: json has no .decod field or method (did you mean .decode?) -> decode`}},
		{`def f(x): return password().text, x.y`, []string{`1:29 unknown-attribute: Password has no .text field or method`}},

		// names and types
		{`def f(): return pussh("a")`, []string{`1:17 undefined: undefined: pussh | did you mean "push"? -> push`}},
		{`def f(a: Imag, b: list[strr]) -> x.Y: pass`, []string{
			`1:10 unknown-type: there is no type Imag | did you mean "Image"? -> Image`,
			`1:24 unknown-type: there is no type strr | did you mean "str"? -> str`,
			`1:34 unknown-type: there is no type x.Y | types are str, int, float, bool, list[…], dict[…, …], and those that the file defines or loads: NAME = enum(…), NAME = record(…)`,
		}},
		{"X = 3\ndef g(): pass\nT = record(a = X, b = g)", []string{`3:16 unknown-type: X is no type: it is a int`, `3:23 unknown-type: g is no type: it is a function`}},
		{"def f(:", []string{`1:8 syntax: got ':', want ')'`}},
		{"def f(a: ): pass", []string{`1:10 syntax: in an annotation: got ')', want a type`}},
		{"def f():\n    break", []string{`2:5 syntax: break not in a loop`}},

		// what is meant to fail
		{"load(\"@std//assert.star\", \"assert\")\ndef f(): assert.fails(lambda: push(forse = 1))", nil},

		// warnings
		{"load(\":lib/util.star\", \"shout\", \"NAME\")\nx = NAME", []string{`1:25 unused-load: shout is loaded and not used`}},
		{"load(\":lib/typed.star\", \"Stage\", \"Target\")\nT = record(a = list[Stage])\ndef f(x: Target): pass", nil},
		{"def f():\n    a = 1\n    _b = 2\n    for c in []: pass\n    d, e = 1, 2", []string{`2:5 unused-variable: a is never used | a name that begins with _ may be unused`}},
		{"_a = 1\nb = 2\ndef _c(): pass", []string{`1:1 unused-variable: _a is never used`, `3:5 unused-variable: _c is never used`}},
		{"def f(x):\n    if x:\n        return 1\n        x = 2\n    else:\n        fail(\"no\")\n    return 3", []string{
			`4:9 unreachable: nothing gets here: the statement before it ends the function`,
			`7:5 unreachable: nothing gets here: the statement before it ends the function`,
		}},
		{"def f(x):\n    for y in x:\n        continue\n        print(y)", []string{`4:9 unreachable: nothing gets here: the statement before it ends the loop's turn`}},
		{"def f(x):\n    while True:\n        if x: break\n    return 1\ndef g(x):\n    while True:\n        print(x)\n    return 1", []string{`8:5 unreachable: nothing gets here: the statement before it ends the function`}},
		{"def f(x):\n    if x:\n        return 1", []string{`1:5 missing-return: f returns a value elsewhere, and none at its end | write return None where that is meant`}},
		{"def f(x):\n    if x:\n        return 1\n    return", []string{`4:5 missing-return: f returns a value elsewhere, and none here | write return None where that is meant`}},
		{"def f(x) -> int:\n    print(x)", []string{`1:5 missing-return: f returns a value by its annotation, and none at its end | write return None where that is meant`}},
		{"def f(x) -> int | None:\n    print(x)\ndef g(x):\n    if x: return 1\n    fail(\"no\")\ndef h(x):\n    if x: return 1\n    else: return 2\ndef i(x):\n    if x: return", nil},
		{"def push(): pass\ndef take(): push()\nlen = 3\ndef f(force, list, str): return str(force)", []string{
			`1:5 shadowed-builtin: push hides the builtin push | call it something else`,
			`3:1 shadowed-builtin: len hides the builtin len | call it something else`,
			`4:20 shadowed-builtin: str hides the builtin str | call it something else`,
		}},
		{"def f(aa, bb, *more):\n    \"\"\"Does.\n\n    Args:\n      ab: one\n      more: many\n    \"\"\"", []string{
			`1:5 docstring: the docstring of f explains other parameters and not aa`,
			`1:5 docstring: the docstring of f explains other parameters and not bb`,
			`5:7 docstring: f has no parameter ab, which its docstring explains | did you mean "aa"? -> aa`,
		}},
	} {
		if got := check(t, tt.text); !slices.Equal(got, tt.want) {
			t.Errorf("%s\ngot  %s\nwant %s", tt.text, strings.Join(got, "\n     "), strings.Join(tt.want, "\n     "))
		}
	}
}

func takeSignature(t *testing.T) string {
	t.Helper()
	for _, b := range fixtures() {
		if b.Name == "take" {
			text, err := b.Signature()
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
	}
	return ""
}

// TestCheckCycle finds load statements that lead back to their file.
func TestCheckCycle(t *testing.T) {
	t.Parallel()
	host := &runtime.Host{Files: fstest.MapFS{
		"a.star": {Data: []byte("load('b.star', 'b')\ndef a(): b()")},
		"b.star": {Data: []byte("load('a.star', 'a')\ndef b(): a()")},
	}}
	found := host.Check(t.Context(), runtime.Source{Name: "a.star", Text: []byte("load('b.star', 'b')\nload('a.star', x = 'a')\ndef a(): b(1)\nx()")})
	var got []string
	for _, f := range found {
		got = append(got, fmt.Sprintf("%d:%d %s", f.Pos.Line, f.Pos.Col, f.Message))
	}
	want := []string{"1:6 load: cycle: a.star → b.star → a.star", "2:6 load: cycle: a.star → a.star", "3:12 b: got 1 positional arguments, want at most 0"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestCheckLoad holds that a load refuses what the check finds, all of it, in the
// main file and in those it loads, and says how it got there.
func TestCheckLoad(t *testing.T) {
	t.Parallel()
	host := testHost(t)
	host.Root, host.Files = "", fstest.MapFS{
		"a.star": {Data: []byte("def a(x: int): pass\n\ndef b():\n    a('x')\n    push(forse = 1)\n")},
	}
	_, err := host.Load(t.Context(), runtime.Source{Name: "m.star", Text: []byte("load('a.star', 'a')\ndef main(): pass\n")})
	want := "m.star:1:1 in <toplevel>: load('a.star', 'a')\na.star:4:7 in b:     a('x')\n" +
		"usage: a: parameter x: got \"x\", want int\n" +
		"a.star:5:5: push: missing argument refs (string or list of strings) (push(refs, *, force = False, fail = \"\"))\n" +
		"a.star:5:10: push: unknown parameter forse (did you mean \"force\"? push(refs, *, force = False, fail = \"\")) | "
	if got := show(err); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestCheckDoubling holds that a name in many places is looked at once.
func TestCheckDoubling(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("x0 = \"a\"\ny0 = 1\nz0 = struct(a = 1)\n")
	for i := range 60 {
		fmt.Fprintf(&text, "x%d = x%d + x%d\ny%d = y%d if x0 else x%d\nz%d = struct(a = z%d, b = z%d)\n", i+1, i, i, i+1, i, i, i+1, i, i)
	}
	text.WriteString("x60.uper()\ny60.uper()\n")
	found := testHost(t).Check(t.Context(), runtime.Source{Name: "f.star", Text: []byte(text.String())})
	if len(found) > 2 {
		t.Errorf("found %v", found)
	}
}

// FuzzCheck holds that no text makes the check panic or hang, and that it finds
// nothing outside of the text.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		"load('@std//semver.star', 'semver')\nStage = enum('a', 'b')\nT = record(a = Stage, b = list[T])\ndef f(x: T = T(a = 'c'), *y: int, **z) -> Stage:\n    \"\"\"F.\n\n    Args:\n      q: no\n    \"\"\"\n    semver.valid(*x)\n    return Stage.c",
		"x = x\ny = [y for y in y]\nx.y.z(x, *x, x = x, **x)\n", "def f(f = f): f(f)\nf = f\n", "(lambda x, *y: -x)(1)[2:3] % 4 or not {1: 2}\n",
		"a = struct(b = a)\na.b.b.b()\nwhile True:\n  pass\n", "def f(*, a): pass\nf(b\"x\", *1, **2)\npush(1, [2, 3], force = {4: 5})\n",
	} {
		f.Add(seed)
	}
	host := &runtime.Host{Std: stdlib.FS, Predeclared: func(runtime.Module) []runtime.Builtin { return fixtures() }}
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 1
		for _, found := range host.Check(context.Background(), runtime.Source{Name: "f.star", Text: []byte(text)}) {
			if found.Pos.Line < 1 || found.Pos.Line > lines || found.Pos.Col < 1 || found.Message == "" || found.Code == "" {
				t.Errorf("%q: %+v", text, found)
			}
		}
	})
}
