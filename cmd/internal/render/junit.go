package render

import (
	"cmp"
	"encoding/xml"
	"path"
	"strconv"
	"strings"

	"github.com/policyhost/policy/builtins"
)

// The elements of a JUnit report, as build servers read it: a suite for each file
// of tests. https://github.com/testmoapp/junitxml describes what they agree on.
type (
	junitReport struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Time     float64      `xml:"time,attr"` // seconds
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		File     string      `xml:"file,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     float64     `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string      `xml:"name,attr"`
		Class   string      `xml:"classname,attr"`
		File    string      `xml:"file,attr"`
		Line    int         `xml:"line,attr"`
		Time    float64     `xml:"time,attr"`
		Failure *junitWhy   `xml:"failure"`
		Error   *junitWhy   `xml:"error"`
		Skipped *struct{}   `xml:"skipped"`
		Output  *junitPlain `xml:"system-out"`
	}
	junitWhy struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	junitPlain struct {
		Text string `xml:",chardata"`
	}
)

// junit writes a report for build servers. What XML cannot hold is replaced, and
// control characters are shown as they are elsewhere.
func junit(r *builtins.TestReport) (string, error) {
	all := junitReport{Name: "policy test", Time: r.Duration}
	suites := map[string]int{}
	for i := range r.Results {
		t := &r.Results[i]
		at, known := suites[t.File]
		if !known {
			at = len(all.Suites)
			suites[t.File] = at
			all.Suites = append(all.Suites, junitSuite{Name: Safe(t.File), File: Safe(t.File)})
		}
		c := junitCase{Name: Safe(t.Name), Class: Safe(strings.TrimSuffix(t.File, path.Ext(t.File))), File: Safe(t.File), Line: t.Line, Time: t.Duration}
		if t.Output != "" {
			c.Output = &junitPlain{SafeLines(t.Output)}
		}
		s := &all.Suites[at]
		switch t.Outcome {
		case passed:
		case skipped:
			c.Skipped = new(struct{})
			s.Skipped++
		case failed:
			c.Failure = why(t)
			s.Failures++
		default:
			c.Error = why(t)
			s.Errors++
		}
		s.Tests++
		s.Time += t.Duration
		s.Cases = append(s.Cases, c)
	}
	for _, s := range all.Suites {
		all.Tests, all.Failures, all.Errors, all.Skipped = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors, all.Skipped+s.Skipped
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	return xml.Header + string(text) + "\n", err
}

// why is what the text report says of a failure, without its output.
func why(t *builtins.TestResult) *junitWhy {
	var b strings.Builder
	at := builtins.TestPlace{File: t.File, Line: t.Line}
	if t.At != nil {
		at = *t.At
	}
	b.WriteString("\n" + Safe(at.File) + ":" + strconv.Itoa(at.Line) + "\n")
	explain(&b, t)
	detail(&b, "trace:", t.Trace)
	line, _, _ := strings.Cut(SafeLines(t.Message), "\n")
	return &junitWhy{Message: cmp.Or(line, t.Outcome), Text: b.String()}
}
