package runtime_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

type noArgs struct{}

type anyArgs struct {
	Value anything `arg:""`
}

type anything struct{ value any }

func (a *anything) SetValue(v any) error {
	a.value = v
	return nil
}

// documents offers text as a document, and take, which sees what goes back to Go.
func documents(text []byte, take func(any)) *runtime.Host {
	return &runtime.Host{
		Limits: runtime.Limits{Steps: runtime.NoLimit},
		Predeclared: func(runtime.Module) []runtime.Builtin {
			return []runtime.Builtin{
				builtin("give", func(context.Context, *noArgs, runtime.Call) (any, error) { return json.RawMessage(text), nil }),
				builtin("source", func(context.Context, *noArgs, runtime.Call) (any, error) { return string(text), nil }),
				builtin("take", func(_ context.Context, args *anyArgs, _ runtime.Call) (any, error) {
					take(args.Value.value)
					return nil, nil
				}),
			}
		},
	}
}

// largeText is an object of n users, and of what is hard to read.
func largeText(n int) []byte {
	var b strings.Builder
	b.WriteString(`{"z": 1.0, "big": 123456789012345678901234567890, "esc\"aped\\": "a\\\"b{[,", "none": null, "users": [`)
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, `{"name": "user%d", "roles": ["a", "b"], "at": {"x": -1.5e3, "deep": [[]]}}`, i)
	}
	b.WriteString(` ], "by": {`)
	for i := range n {
		if i > 0 {
			b.WriteString(",\n\t")
		}
		fmt.Fprintf(&b, `"k%d":%d`, i, i)
	}
	b.WriteString("}, \"a\": true} \n")
	return []byte(b.String())
}

// TestDocument holds that a large document does what the dicts and lists do that it
// stands for.
func TestDocument(t *testing.T) {
	t.Parallel()
	text := largeText(12000)
	host := documents(text, nil)
	for _, expression := range []string{
		`d["z"], type(d["z"]), d["big"] + 1, d["none"], d["a"]`,
		`d["esc\"aped\\"]`,
		`type(d), type(d["users"]), type(d["users"][0]), type(d["by"])`,
		`len(d), len(d["users"]), len(d["by"]), bool(d), bool(d["users"])`,
		`d["users"][0], d["users"][-1], d["users"][11999]["roles"][1]`,
		`[u["name"] for u in d["users"][2:9:3]], d["users"][9:2:-3], d["users"][:0]`,
		`list(d), d.keys(), sorted(d), [k for k in d]`,
		`d.get("a"), d.get("b"), d.get("b", 3), "a" in d, "b" in d, 1 in d`,
		`d["by"].get("k9"), d["by"].keys()[-1], d["by"].items()[7], d["by"].values()[3]`,
		`sum([u["at"]["x"] for u in d["users"]])`,
		`{"name": "user3", "roles": ["a", "b"], "at": {"x": -1.5e3, "deep": [[]]}} in d["users"]`,
		`d["users"][5] == {"name": "user5", "roles": ["a", "b"], "at": {"x": -1500.0, "deep": [[]]}}`,
		`d == make(), d != make(), d["users"] == make()["users"]`,
		`(d | {"a": 2})["a"], len({"q": 2} | d), len(d["users"] + [1]), len([1] + d["users"])`,
		`len(dict(d)), dict(d)["a"], len(list(d["users"])), zip(d["users"], [1])[0][1]`,
		`str(d) == str(make()), len(str(d["by"]))`,
		`json.decode(json.encode(d)) == json.decode(source())`,
		`take_kw(**{"users": d["users"]}), dir(d), dir(d["users"]), hasattr(d, "get")`,
		`typed(d, d["users"])`,
		`d["users"].index(d["users"][70])`,
		`attempt(lambda: d["nothing"]).ok, attempt(lambda: {d: 1}).ok, attempt(lambda: d["users"] < 1).ok`,
		`attempt(lambda: d.update(a = 1)).ok, attempt(lambda: d["users"].append(1)).ok`,
	} {
		answers := map[string]string{}
		for _, source := range []string{"give()", "json.decode(source())"} {
			script := `
def sum(all):
    total = 0
    for a in all:
        total += a
    return total

def take_kw(users):
    return len(users)

def typed(d: dict, users: list[dict[str, any]]) -> dict:
    return {"ok": True}

def make():
    return ` + source + `

def main():
    d = make()
    return str([` + expression + `])
`
			if source != "give()" {
				script = strings.ReplaceAll(script, "d = make()", "d = parallel(lambda d: d, [make()])[0]") // frozen
			}
			program, err := host.Load(t.Context(), runtime.Source{Name: "d.star", Text: []byte(script)})
			if err != nil {
				t.Fatal(expression, err)
			}
			answer, err := program.Call(t.Context(), "main", nil, nil)
			answers[source] = fmt.Sprint(answer, err)
		}
		if lazy, whole := answers["give()"], answers["json.decode(source())"]; lazy != whole || strings.Contains(lazy, "d.star:") {
			t.Errorf("%s:\n got %.300s\nwant %.300s", expression, lazy, whole)
		}
	}
}

// TestDocumentReturns holds that a document goes back to Go as the very text it was.
func TestDocumentReturns(t *testing.T) {
	t.Parallel()
	text := largeText(12000)
	var taken any
	host := documents(text, func(v any) { taken = v })
	result, err := host.Eval(t.Context(), runtime.Source{Name: "-", Text: []byte("d = give()\nd[\"users\"][0]\ntake(d)\nd")})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{taken, result} {
		if raw, ok := v.(json.RawMessage); !ok || &raw[0] != &text[0] || len(raw) != len(text) {
			t.Errorf("got %T, want the text itself", v)
		}
	}
	if _, err := host.Eval(t.Context(), runtime.Source{Name: "-", Text: []byte("take({\"in\": give()})")}); err != nil {
		t.Fatal(err)
	}
	if inside, ok := taken.(runtime.Map)[0].Value.(json.RawMessage); !ok || len(inside) != len(text) {
		t.Errorf("got %T inside of a dict, want the text", inside)
	}
}

// TestDocumentBroken holds that a builtin that gives what is no JSON is a defect, and
// ends no process.
func TestDocumentBroken(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"[" + strings.Repeat("1,", 12000), "{" + strings.Repeat("1,", 12000) + "}", "{" + strings.Repeat(`"a" 1,`, 12000) + "}",
		"{" + strings.Repeat(`"a":,`, 12000) + "}", "[" + strings.Repeat("x,", 12000) + "1]", `{"a": "` + strings.Repeat("[,", 12000), strings.Repeat("[", 20001),
	} {
		_, err := documents([]byte(text), nil).Eval(t.Context(), runtime.Source{Name: "-", Text: []byte("[x for x in give()][0]\nstr(give())")})
		if err == nil {
			t.Errorf("%.20s: no error", text)
		} else if kind := fault.Of(err).Kind; kind != fault.Internal && kind != fault.Script {
			t.Errorf("%.20s: %v: %v", text, kind, err)
		}
	}
}

// TestDocumentSmall holds that small documents, and what is no JSON, are what
// json.decode makes of them.
func TestDocumentSmall(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, `[]`, ` [ ] `, `{"a" : [1 , 2.0, -0, -1, 1e3, 0.5, 123456789012345678, 1234567890123456789, 12345678901234567890] }`, `"a\u00e9\n"`, `"é"`, "\"\x01\"", "\"\xff\"",
		`true`, `false`, `null`, `nul`, `tru`, `01`, `-`, `1.`, `.5`, `+1`, `1 2`, `[1,]`, `[,]`, `[1 2]`, `{"a":1,}`, `{"a" 1}`, `{"a":1 "b":2}`, `{1:2}`, `{"a":1,"a":2}`,
		`{"a":{"a":1},"b":[{"a":null}]}`, `[`, `{`, `{"a"`, `{"a":`, `"`, `[1}`, `{"a":1]`, `x`, strings.Repeat("[", 100) + strings.Repeat("]", 100), "\ufeff1",
	} {
		host := documents([]byte(text), nil)
		got, gotErr := host.Eval(t.Context(), runtime.Source{Name: "-", Text: []byte("repr(give())")})
		want, wantErr := host.Eval(t.Context(), runtime.Source{Name: "-", Text: []byte("repr(json.decode(source()))")})
		if (gotErr == nil) != (wantErr == nil) || got != want {
			t.Errorf("%s: got %v %v, want %v %v", text, got, gotErr, want, wantErr)
		}
	}
}

// BenchmarkDocument is a JSON document of 20 MB in a script: to get it and hand it
// on, to find its parts, to read 100 leaves once they are found; beside the
// conversion of all of it.
func BenchmarkDocument(b *testing.B) {
	text := largeText(215_000)
	b.Logf("%d bytes", len(text))
	host := documents(text, func(any) {})
	for _, bench := range []struct{ name, script string }{
		{"cross", "def main():\n    take(give())\n"},
		{"find", "def main():\n    give()[\"users\"][100000][\"name\"]\n"},
		{"whole", "def main():\n    json.decode(source())\n"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			program, err := host.Load(b.Context(), runtime.Source{Name: "b.star", Text: []byte(bench.script)})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := program.Call(b.Context(), "main", nil, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	for name, reads := range map[string]string{"leaves": `by["k%d" % (i * 2000)]`, "objects": `users[i * 2000]["name"]`} {
		b.Run(name, func(b *testing.B) { benchmarkReads(b, text, reads) })
	}
}

// benchmarkReads times 100 reads of a document whose large parts were found before.
func benchmarkReads(b *testing.B, text []byte, reads string) {
	var begun time.Time
	var took []time.Duration
	host := documents(text, func(v any) {
		if v == "begin" {
			begun = time.Now()
		} else {
			took = append(took, time.Since(begun))
		}
	})
	program, err := host.Load(b.Context(), runtime.Source{Name: "b.star", Text: []byte(`
def main():
    d = give()
    users, by = d["users"], d["by"]
    len(users), len(by)
    take("begin")
    for i in range(1, 101):
        ` + reads + `
    take("end")
`)})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := program.Call(b.Context(), "main", nil, nil); err != nil {
			b.Fatal(err)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[0].Nanoseconds()), "least-ns/100reads")
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "median-ns/100reads")
}
