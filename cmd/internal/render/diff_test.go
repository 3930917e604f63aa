package render_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/render"
)

// What differs is shown, not the whole of two long values.
func TestReportDifferences(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 80)
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf(`"k%02d": %d`, i, i))
	}
	for name, tt := range map[string]struct{ expected, actual, want string }{
		"short":            {`{"a":1}`, `{"a":2}`, "expected: {\"a\":1}\n    actual:   {\"a\":2}\n"},
		"object":           {`{"a":1,"b":{"c d":[1]},"gone":null,"x":"` + long + `"}`, `{"a":1,"b":{"c d":[2]},"new":1.0,"x":"` + long + `"}`, "- expected, + actual:\n    - .b[\"c d\"][0]: 1\n    + .b[\"c d\"][0]: 2\n    - .gone: null\n    + .new: 1.0\n"},
		"list":             {`["` + long + `","b","c","d"]`, `["` + long + `","a","b","d"]`, "- expected, + actual:\n    + [1]: \"a\"\n    - [2]: \"c\"\n"},
		"kinds":            {`["` + long + `"]`, `"` + long + `"`, "expected: [\"" + long + "\"]\n"},
		"text":             {`"one\ntwo\nthree\n` + long + `\n"`, `"one\n2\nthree\n` + long + `"`, "- expected, + actual:\n    - two\n    + 2\n    - " + long + "\n    + " + long + " (no newline)\n"},
		"text in object":   {`{"text":"a\nb\n` + long + `"}`, `{"text":"a\nc\n` + long + `"}`, "      .text:\n    - b\n    + c\n"},
		"no document":      {"a value " + long, `{"a":1}`, "expected: a value " + long + "\n"},
		"the same as JSON": {`[1,"` + long + `"]`, ` [1,"` + long + `"]`, "expected: [1,"},
		"many":             {"{" + strings.Join(many, ",") + "}", "{}", "… 60 more lines\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := printed(t, render.Text, &builtins.TestReport{Failed: 1, Results: []builtins.TestResult{
				{Name: "t", File: "f", Line: 1, Outcome: "fail", Expression: "t.eq(x, y)", Expected: tt.expected, Actual: tt.actual},
			}})
			if !strings.Contains(text, "    "+strings.TrimPrefix(tt.want, "    ")) && !strings.Contains(text, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", text, tt.want)
			}
		})
	}
}

// Build servers read XML: whatever a test says, the report is well-formed.
func TestJUnit(t *testing.T) {
	t.Parallel()
	text := printed(t, render.JUnit, &builtins.TestReport{Duration: 1.5, Results: []builtins.TestResult{
		{Name: "data.a.test_fine", File: "a_test.rego", Line: 3, Outcome: "pass", Duration: 0.5, Output: "a < b & \x1b[31m\x00"},
		{Name: "b_test.test_eq", File: "b_test.star", Line: 4, Outcome: "fail", Message: "expected \"]]>\", got 1\nmore", Expression: "t.eq(1, \"]]>\")", Expected: "\"]]>\"", Actual: "1", At: &builtins.TestPlace{File: "b_test.star", Line: 5}},
		{Name: "b_test.test_odd", File: "b_test.star", Line: 8, Outcome: "error", Message: "broken \xff"},
		{Name: "b_test.todo", File: "b_test.star", Line: 9, Outcome: "skip"},
	}})
	var read struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Skipped  int `xml:"skipped,attr"`
		Suites   []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Name    string    `xml:"name,attr"`
				Line    int       `xml:"line,attr"`
				Output  string    `xml:"system-out"`
				Skipped *struct{} `xml:"skipped"`
				Failure *struct {
					Message string `xml:"message,attr"`
					Text    string `xml:",chardata"`
				} `xml:"failure"`
				Error *struct {
					Message string `xml:"message,attr"`
				} `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(text), &read); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if read.Tests != 4 || read.Failures != 1 || read.Errors != 1 || read.Skipped != 1 || len(read.Suites) != 2 {
		t.Fatalf("the sums are wrong: %+v", read)
	}
	if got := read.Suites[0].Cases[0].Output; got != `a < b & \x1b[31m\x00` {
		t.Errorf("the output is %q", got)
	}
	star := read.Suites[1].Cases
	if f := star[0].Failure; f == nil || f.Message != `expected "]]>", got 1` || !strings.Contains(f.Text, "b_test.star:5\n    t.eq(1, \"]]>\")\n    expected: \"]]>\"\n    actual:   1\n") {
		t.Errorf("the failure is %+v", f)
	}
	if star[1].Error == nil || star[2].Skipped == nil {
		t.Errorf("an error, and a test to be written: %+v", star)
	}
}

func printed(t *testing.T, format render.Format, v any) string {
	t.Helper()
	var out bytes.Buffer
	p := &render.Printer{Out: &out, Err: &out, Format: format}
	if err := p.Answer(v); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
