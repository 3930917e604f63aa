package interop

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
)

// TestSARIF holds the findings of a check against the structures of a library that
// reads SARIF, which are made from the schema of 2.1.0.
func TestSARIF(t *testing.T) {
	t.Parallel()
	ran.Add(1) // the library is the tool
	u := newUser(t)
	u.write("policy/wrong.rego", "package wrong\n\nimport data.nothing\n\nx if contians(input.a, y)\n")
	u.write("wrong.star", "def main():\n    unused = 1\n    psh(x)\n")
	out, errs, err := u.try(filepath.Join(bin, "policy"), "check", "--output", "sarif", "policy", "wrong.star")
	if exitCode(err) != 1 {
		t.Fatalf("exit %d: %s", exitCode(err), errs)
	}
	report := new(sarif.Report)
	strict := json.NewDecoder(strings.NewReader(out))
	strict.DisallowUnknownFields()
	if err := strict.Decode(report); err != nil {
		t.Fatal(err)
	}
	if len(report.Runs) != 1 || len(report.Runs[0].Results) < 4 {
		t.Errorf("got %s", out)
	}
}
