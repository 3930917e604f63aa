package runtime_test

import (
	"context"
	"testing"

	"github.com/policyhost/policy/runtime"
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
