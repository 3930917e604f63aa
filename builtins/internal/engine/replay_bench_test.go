package engine_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/loader"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/policyhost/policy/builtins/internal/engine"
)

// BenchmarkReplay is a decision of the quickstart policy: ours from the text of its
// input, OPA's from one that was parsed before.
func BenchmarkReplay(b *testing.B) {
	const quickstart = "../../../examples/quickstart/"
	const query = "data.authz.allow"
	var inputs []string
	files, _ := filepath.Glob(quickstart + "cases/*.json")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		var cases []struct{ Input json.RawMessage }
		if err := json.Unmarshal(text, &cases); err != nil {
			b.Fatal(err)
		}
		for _, c := range cases {
			inputs = append(inputs, string(c.Input))
		}
	}
	b.Run("ours", func(b *testing.B) {
		bundle, err := engine.OpenDir(b.Context(), []string{quickstart + "policies"}, engine.OpenOptions{KnowNetwork: true})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = bundle.Close() }()
		ctx, cancel := context.WithCancel(b.Context()) // as the command line has one
		defer cancel()
		at := time.Now()
		b.ReportAllocs()
		for i := 0; i < b.N; {
			var questions []*engine.Question
			for ; len(questions) < 64 && i < b.N; i++ {
				q, err := engine.NewQuestion(query, inputs[i%len(inputs)], "", at)
				if err != nil {
					b.Fatal(err)
				}
				questions = append(questions, q)
			}
			if _, err := bundle.Ask(ctx, questions); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("opa", func(b *testing.B) {
		bd, err := loader.NewFileLoader().AsBundle(quickstart + "policies")
		if err != nil {
			b.Fatal(err)
		}
		pq, err := rego.New(rego.Query(query), rego.ParsedBundle("b", bd)).PrepareForEval(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		var parsed []ast.Value
		for _, input := range inputs {
			v, err := ast.ValueFromReader(strings.NewReader(input))
			if err != nil {
				b.Fatal(err)
			}
			parsed = append(parsed, v)
		}
		b.ReportAllocs()
		for i := range b.N {
			if _, err := pq.Eval(b.Context(), rego.EvalParsedInput(parsed[i%len(parsed)])); err != nil {
				b.Fatal(err)
			}
		}
	})
}
