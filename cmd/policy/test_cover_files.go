package main

import (
	"fmt"
	"html"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime/fault"
)

// lcov is the coverage as tracefile of LCOV, which editors and services read. A
// line of Rego is reached or not; how often is not known.
// https://github.com/linux-test-project/lcov, geninfo(1), "Files".
func lcov(c *builtins.TestCoverage) string {
	var b strings.Builder
	for _, f := range c.Files {
		fmt.Fprintf(&b, "TN:\nSF:%s\n", render.Safe(f.File))
		hit := 0
		for _, line := range slices.Sorted(maps.Keys(f.Lines)) {
			hits := 0
			if f.Lines[line] {
				hits = 1
				hit++
			}
			fmt.Fprintf(&b, "DA:%d,%d\n", line, hits)
		}
		fmt.Fprintf(&b, "LF:%d\nLH:%d\nend_of_record\n", len(f.Lines), hit)
	}
	return b.String()
}

// coveragePage is the coverage as a page that needs nothing else. It works
// without scripts, in light and dark, narrow and on paper.
func coveragePage(c *builtins.TestCoverage) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, coverageHead, c.Percent, c.Percent)
	if c.Threshold > 0 {
		fmt.Fprintf(&b, "<p>At least %.1f %% is wanted.\n", c.Threshold)
	}
	b.WriteString(coverageLegend)
	for i, f := range c.Files {
		fmt.Fprintf(&b, "<tr><td><a href=\"#f%d\">%s</a><td class=\"n\">%d<td class=\"n\">%d<td class=\"n\">%.1f<td><meter max=\"100\" value=\"%.1f\"></meter>\n",
			i, escaped(f.File), f.Covered, f.NotCovered, f.Percent, f.Percent)
	}
	b.WriteString("</table>\n")
	for i, f := range c.Files {
		text, err := os.ReadFile(filepath.FromSlash(f.File))
		if err != nil {
			return "", fault.File(f.File, err)
		}
		open := ""
		if f.NotCovered > 0 {
			open = " open"
		}
		fmt.Fprintf(&b, "<details id=\"f%d\"%s><summary>%s, %.1f %%</summary>\n<pre>", i, open, escaped(f.File), f.Percent)
		writeLines(&b, strings.TrimSuffix(string(text), "\n"), f.Lines)
		b.WriteString("</pre></details>\n")
	}
	b.WriteString("</html>\n")
	return b.String(), nil
}

// writeLines writes a source with the number of each line, and what it is.
func writeLines(b *strings.Builder, text string, reached map[int]bool) {
	for i, line := range strings.Split(text, "\n") {
		class := ""
		if yes, code := reached[i+1]; yes {
			class = ` class="yes"`
		} else if code {
			class = ` class="no"`
		}
		line = strings.ReplaceAll(strings.TrimSuffix(line, "\r"), "\t", "    ")
		fmt.Fprintf(b, "<span data-n=\"%d\"%s>%s</span>", i+1, class, escaped(line))
	}
}

// escaped is a text that was not written by us, safe in the page.
func escaped(text string) string { return html.EscapeString(render.Safe(text)) }

const coverageHead = `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Coverage: %.1f %%</title>
<style>
:root { color-scheme: light dark; --yes: #d7f5dd; --no: #ffd9d6; --dim: #777; --line: #8884 }
@media (prefers-color-scheme: dark) { :root { --yes: #12391c; --no: #561915; --dim: #999 } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; width: 100%% }
td, th { padding: .2em .6em; text-align: left; border-bottom: 1px solid var(--line); overflow-wrap: anywhere }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
meter { width: 6em }
details { margin: 1em 0; border: 1px solid var(--line); border-radius: 6px; overflow: hidden }
summary { padding: .4em .8em; cursor: pointer; font-weight: 600; overflow-wrap: anywhere }
pre { margin: 0; overflow-x: auto; font: 13px/1.45 ui-monospace, monospace }
pre span { display: block; min-width: max-content; min-height: 1.45em; padding-right: 1em }
pre span::before { content: attr(data-n); display: inline-block; width: 4em; padding-right: 1em; text-align: right; color: var(--dim) }
.yes { background: var(--yes) } .no { background: var(--no) }
pre .no::before { content: "✗ " attr(data-n) }
@media (max-width: 45em) { th:nth-child(2), td:nth-child(2), th:nth-child(5), td:nth-child(5) { display: none } }
</style>
<h1>Coverage: %.1f %%</h1>
`

const coverageLegend = `<p>Lines on <span class="yes">&nbsp;this ground&nbsp;</span> were reached by a test,
lines on <span class="no">&nbsp;this one&nbsp;</span>, with ✗, were not; the others have no code of their own.
<table>
<tr><th>File<th class="n">Reached<th class="n">Not reached<th class="n">%<th>
`
