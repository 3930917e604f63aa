package render

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/policyhost/policy/builtins"
)

// testReport writes the tests that did not pass, or with -v every test, then the
// sums. It reads the report by its documented keys, as scripts do.
func (p *Printer) testReport(r *builtins.TestReport) (string, error) {
	n, err := toNode(r)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	file := ""
	for _, test := range n.get("results").items {
		if strings.HasPrefix(test.get("outcome").text, "pass") && p.Verbosity == 0 {
			continue
		}
		if f := test.get("file").text; f != file {
			file = f
			b.WriteString(Safe(file) + ":\n")
		}
		p.test(&b, test)
	}
	if b.Len() > 0 {
		b.WriteString(strings.Repeat("-", 40) + "\n")
	}
	p.sums(&b, n)
	return b.String(), nil
}

// test writes one outcome and all that explains it.
func (p *Printer) test(b *strings.Builder, test node) {
	fmt.Fprintf(b, "  %s %s", p.outcome(test.get("outcome").text), Safe(test.get("name").text))
	if line := test.get("line"); !line.empty() && line.text != "0" {
		b.WriteString(" (line " + Safe(line.text) + ")")
	}
	b.WriteByte('\n')
	for _, key := range []string{"message", "expected", "actual"} {
		explain(b, key, test.get(key))
	}
	rest := test.without("name", "file", "line", "outcome", "message", "expected", "actual", "duration")
	for i, key := range rest.keys {
		explain(b, key, rest.items[i])
	}
}

// explain writes a value behind its label; several lines go below it, indented.
func explain(b *strings.Builder, key string, n node) {
	if n.empty() {
		return
	}
	text := strings.TrimRight(SafeLines(n.text), "\n")
	if !n.scalar() {
		text = n.compact()
	}
	if strings.Contains(text, "\n") {
		text = "\n" + indented(text, "        ")
	}
	name := label(key) + ":"
	b.WriteString("      " + name + pad(name, 9) + " " + text + "\n")
}

func indented(text, by string) string {
	return by + strings.ReplaceAll(text, "\n", "\n"+by)
}

func (p *Printer) sums(b *strings.Builder, n node) {
	sum := 0
	kinds := []string{"passed", "failed", "skipped"}
	for _, kind := range kinds {
		sum += n.get(kind).count()
	}
	for _, kind := range kinds {
		if count := n.get(kind).count(); count > 0 || kind == "passed" {
			fmt.Fprintf(b, "%s: %d/%d\n", p.outcome(kind), count, sum)
		}
	}
	coverage := n.get("coverage")
	if coverage.kind == '{' {
		coverage = coverage.get("percent")
	}
	if percent, err := strconv.ParseFloat(coverage.text, 64); err == nil {
		fmt.Fprintf(b, "coverage: %.1f%%\n", percent)
	}
}

// count is the number n is, 0 when it is none.
func (n node) count() int {
	i, _ := strconv.Atoi(n.text)
	return i
}

// outcome is PASS, FAIL, ERROR or SKIPPED, in its colour.
func (p *Printer) outcome(s string) string {
	switch s {
	case "pass", "passed":
		return paint(p.Color && p.OutTerminal, green, "PASS")
	case "fail", "failed":
		return paint(p.Color && p.OutTerminal, red, "FAIL")
	case "skip", "skipped", "todo":
		return paint(p.Color && p.OutTerminal, yellow, "SKIPPED")
	}
	return paint(p.Color && p.OutTerminal, red, Safe(strings.ToUpper(s)))
}
