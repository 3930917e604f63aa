package render_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/render"
)

// TestSARIFRules: each code that the specification knows is described.
func TestSARIFRules(t *testing.T) {
	t.Parallel()
	spec, err := os.ReadFile("../../../spec/language.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(string(spec), "What is found has a code. Errors:")
	list, _, ended := strings.Cut(list, "A name that hides")
	if !found || !ended {
		t.Fatal("the specification has no list of codes where it was")
	}
	report := &builtins.CheckReport{}
	for _, quoted := range regexp.MustCompile("`[^`]+`").FindAllString(list, -1) {
		for _, code := range strings.Fields(strings.Trim(quoted, "`")) {
			report.Findings = append(report.Findings, builtins.Finding{File: "a.star", Severity: "error", Code: code, Message: "wrong"})
		}
	}
	p, out, _ := printer(render.SARIF)
	if err := p.Answer(report); err != nil {
		t.Fatal(err)
	}
	var log struct {
		Runs []struct {
			Tool struct {
				Driver struct {
					Rules []struct {
						ID               string
						ShortDescription struct{ Text string }
					}
				}
			}
			Results []struct {
				RuleID    string
				RuleIndex int
				Locations []struct{ PhysicalLocation map[string]any }
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	rules := log.Runs[0].Tool.Driver.Rules
	if len(rules) < 17 || len(log.Runs[0].Results) != len(rules) {
		t.Fatalf("%d rules, %d results", len(rules), len(log.Runs[0].Results))
	}
	for i, r := range rules {
		if r.ShortDescription.Text == r.ID {
			t.Errorf("%s is not described", r.ID)
		}
		result := log.Runs[0].Results[i]
		if result.RuleID != r.ID || result.RuleIndex != i {
			t.Errorf("result %d is of rule %s, %d", i, result.RuleID, result.RuleIndex)
		}
		if _, placed := result.Locations[0].PhysicalLocation["region"]; placed {
			t.Errorf("%s: without a line there is no region", r.ID)
		}
	}
}
