package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	t.Parallel()
	b := &bench{scale: 1, tools: map[string]tool{"policy": {Name: "policy", Version: "v9"}, "opa": {Name: "opa", Version: "v1"}}, absent: []string{"oras: not here"}}
	r := newReport(b)
	r.add(outcome{
		job:      job{name: "start", title: "process start", remark: "A remark."},
		series:   []series{{Name: "policy", Seconds: []float64{0.010}, CPU: []float64{0.008}, RSS: []int64{19e6}}, {Name: "opa", Seconds: []float64{0.020}}},
		verdicts: []verdict{{"≤ 0.75 × opa", "0.50 × opa", "yes"}},
	})
	r.finish()
	page, samples := filepath.Join(t.TempDir(), "RESULTS.md"), filepath.Join(t.TempDir(), "samples.json")
	if err := r.writeMarkdown(page); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Policy v9. Tools: opa v1.",
		"Not there: oras: not here.",
		"| process start | ≤ 0.75 × opa | 0.50 × opa | yes |",
		"| process start | policy | 10 ms | 10 ms | 1.00 | 8 ms | 19.0 MB |",
		"|  | opa | 20 ms | 20 ms | 0.50 |  |  |",
		"process start: A remark.",
	} {
		if !strings.Contains(string(written), want) {
			t.Errorf("%q is not in\n%s", want, written)
		}
	}
	if err := r.writeJSON(samples); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Jobs []struct {
			Programs []series
			Bars     []verdict
		}
	}
	if written, err = os.ReadFile(samples); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(written, &back); err != nil || len(back.Jobs) != 1 || back.Jobs[0].Programs[1].Seconds[0] != 0.020 || back.Jobs[0].Bars[0].Holds != "yes" {
		t.Errorf("%v, %+v", err, back)
	}
}
