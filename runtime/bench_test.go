package runtime_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/stdlib"
)

type benchArgs struct {
	Ref     Ref `arg:""`
	Force   bool
	Retries int      `default:"3"`
	Target  string   `default:"rego" enum:"rego,wasm,plan"`
	Tags    []string `default:"latest"`
	Labels  map[string]string
}

// BenchmarkCall is one call of a builtin with four arguments and a typed result,
// seen from a script that makes a thousand.
func BenchmarkCall(b *testing.B) {
	result := &Image{Ref: "a"}
	host := &runtime.Host{
		Limits: runtime.Limits{Steps: runtime.NoLimit},
		Predeclared: func(runtime.Module) []runtime.Builtin {
			return []runtime.Builtin{builtin("push", func(context.Context, *benchArgs, runtime.Call) (any, error) {
				return result, nil
			})}
		},
	}
	p, err := host.Load(b.Context(), runtime.Source{Name: "b.star", Text: []byte(`
def main():
    for _ in range(1000):
        push("ghcr.io/acme/authz:1.0", force = True, retries = 5, target = "wasm")
`)})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Call(b.Context(), "main", nil, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/call")
}

// BenchmarkLoad is reading a script of 50 lines that does nothing.
func BenchmarkLoad(b *testing.B) {
	var text []byte
	for range 25 {
		text = append(text, "def f(x):\n    return [x for x in range(3) if x != 2]\n"...)
	}
	host := &runtime.Host{Predeclared: func(runtime.Module) []runtime.Builtin { return fixtures() }}
	for i := range 25 {
		text[i*(len(text)/25)+4] = "abcdefghijklmnopqrstuvwxyz"[i]
	}
	for b.Loop() {
		if _, err := host.Load(b.Context(), runtime.Source{Name: "b.star", Text: text}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTyped is what annotations cost a function that its own file calls a
// thousand times, and one that is called from another file.
func BenchmarkTyped(b *testing.B) {
	lib := "def plain(a, b):\n    return a\ndef typed(a: int, b: list[str]) -> int:\n    return a\n"
	for name, text := range map[string]string{
		"plain":  lib + "def main():\n    for _ in range(1000):\n        plain(1, [])\n",
		"within": lib + "def main():\n    for _ in range(1000):\n        typed(1, [])\n",
		"across": "load('lib.star', 'typed')\ndef main():\n    for _ in range(1000):\n        typed(1, [])\n",
	} {
		b.Run(name, func(b *testing.B) {
			host := &runtime.Host{Limits: runtime.Limits{Steps: runtime.NoLimit}, Files: fstest.MapFS{"lib.star": {Data: []byte(lib)}}}
			p, err := host.Load(b.Context(), runtime.Source{Name: "b.star", Text: []byte(text)})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := p.Call(b.Context(), "main", nil, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/call")
		})
	}
}

// BenchmarkCheck is the check of a file of 600 lines.
func BenchmarkCheck(b *testing.B) {
	var text strings.Builder
	text.WriteString("load('@std//semver.star', 'semver')\nStage = enum('staging', 'prod')\n")
	for i := range 100 {
		fmt.Fprintf(&text, "def f%d(version: str, stage: Stage = 'prod') -> Image:\n    if not semver.valid(version):\n        fail('no')\n    image = push('a:%%s' %% version, force = True)\n    print(image.ref)\n    return image\n", i)
	}
	host := &runtime.Host{Std: stdlib.FS, Predeclared: func(runtime.Module) []runtime.Builtin { return fixtures() }}
	for b.Loop() {
		if found := host.Check(b.Context(), runtime.Source{Name: "b.star", Text: []byte(text.String())}); len(found) > 0 {
			b.Fatal(found[0])
		}
	}
}
