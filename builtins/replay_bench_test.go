package builtins_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins"
)

// BenchmarkReplay is a recorded decision of the quickstart policy, read and decided
// twice, on all processors; beside it stands BenchmarkReplay of the engine, one
// evaluation on one.
func BenchmarkReplay(b *testing.B) {
	const quickstart = "../examples/quickstart/"
	files, err := filepath.Glob(quickstart + "cases/*.json")
	if err != nil {
		b.Fatal(err)
	}
	var inputs []json.RawMessage
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
			inputs = append(inputs, c.Input)
		}
	}
	var log strings.Builder
	for i := range b.N {
		input, err := json.Marshal(inputs[i%len(inputs)]) // on one line
		if err != nil {
			b.Fatal(err)
		}
		fmt.Fprintf(&log, `{"decision_id":"%08x","labels":{"app":"shop"},"path":"authz/allow","input":%s,"result":true,"timestamp":"2026-03-01T12:00:00Z"}`+"\n", i, input)
	}
	corpus := filepath.Join(b.TempDir(), "log.jsonl")
	if err := os.WriteFile(corpus, []byte(log.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	env := builtins.NewEnv(builtins.Options{Settings: builtins.Settings{Root: b.TempDir()}, NoHelpers: true, Home: b.TempDir()})
	b.Cleanup(func() { _ = env.Close() })
	args := &builtins.ReplayArgs{Corpus: []string{corpus}, Sample: 1, Pull: "missing", RegoVersion: "rego.v1"}
	args.Policy, args.Against = "./"+quickstart+"policies", "./"+quickstart+"policies"
	b.ReportAllocs()
	b.ResetTimer()
	c, err := builtins.Replay(b.Context(), env, args)
	if err != nil || c.Decisions != int64(b.N) || c.Changed != 0 {
		b.Fatalf("%+v, %v", c, err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
}
