package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/runtime/fault"
)

// Run is what became of a pipeline, for those who read no log.
type Run struct {
	Name   string // "release.star main"
	Begin  time.Time
	Took   time.Duration
	Steps  []*builtins.Step // as they began; tasks among them
	Left   int              // steps beyond those
	Sums   map[string]Sum   // of all steps, by the verb
	Tasks  []RunTask        // those that were asked for, each behind those it waits for
	Images []RunImage
	Tests  []*builtins.TestReport
	Err    error // why it failed; nil when it did not
}

// RunTask is a task as the pipeline registers it.
type RunTask struct {
	Name    string
	Deps    []string
	Summary string
}

// RunImage is an image that a verb of the pipeline made, named or moved.
type RunImage struct {
	Verb  string
	Image *builtins.Image
}

// mostRows bounds the tables of a summary: GitHub takes one of 1 MiB at most.
const mostRows = 200

// Summary is the run in GitHub's Markdown: a heading, a table of the images, the
// tests, and why it failed.
func (p *Printer) Summary(r Run) string {
	var b strings.Builder
	outcome := "succeeded"
	if r.Err != nil {
		outcome = "failed"
	}
	fmt.Fprintf(&b, "### %s %s\n\n", code("policy run "+r.Name), outcome)
	if len(r.Images) > 0 {
		b.WriteString("| verb | image | digest |\n| --- | --- | --- |\n")
		for _, i := range r.Images[:min(len(r.Images), mostRows)] {
			fmt.Fprintf(&b, "| %s%s | %s | %s |\n", i.Verb, unchanged(i.Image), code(i.Image.Ref), code(string(i.Image.Digest)))
		}
		if more := len(r.Images) - mostRows; more > 0 {
			fmt.Fprintf(&b, "\nand %d more\n", more)
		}
		b.WriteString("\n")
	}
	for _, t := range r.Tests {
		summarizeTests(&b, t)
	}
	if r.Err != nil {
		b.WriteString("<pre>" + inHTML(summarizeFault(r.Err)) + "</pre>\n\n")
	}
	return p.scrub(b.String())
}

func summarizeTests(b *strings.Builder, r *builtins.TestReport) {
	fmt.Fprintf(b, "%d of %d tests passed", r.Passed, r.Passed+r.Failed)
	if r.Skipped > 0 {
		fmt.Fprintf(b, ", %d skipped", r.Skipped)
	}
	if r.Coverage != nil {
		fmt.Fprintf(b, ", coverage %.1f %%", r.Coverage.Percent)
	}
	b.WriteString("\n\n")
	rows := 0
	for _, t := range r.Results {
		if t.Outcome == passed || t.Outcome == skipped || rows == mostRows {
			continue
		}
		rows++
		fmt.Fprintf(b, "- %s %s (%s)\n", t.Outcome, code(t.Name), code(fmt.Sprintf("%s:%d", t.File, t.Line)))
	}
	if rows > 0 {
		b.WriteString("\n")
	}
}

// summarizeFault is the message of each error that err consists of.
func summarizeFault(err error) string {
	f := unfold(err)
	several := joined(f.Err)
	if several == nil {
		text := message(f)
		if len(text) > longest {
			text = strings.ToValidUTF8(text[:longest], "") + " …"
		}
		return strings.TrimRight(SafeLines(text), "\n")
	}
	var all []string
	for i, one := range several {
		if i == mostAnnotations {
			all = append(all, fmt.Sprintf("and %d more", len(several)-i))
			break
		}
		all = append(all, summarizeFault(fault.In(f.Op, "", one)))
	}
	return strings.Join(all, "\n")
}

func unchanged(i *builtins.Image) string {
	if i.Unchanged {
		return " (unchanged)"
	}
	return ""
}

// code is text as it is, in a cell of a table or anywhere else.
func code(text string) string {
	return "`" + strings.NewReplacer("`", "'", "|", `\|`).Replace(Safe(text)) + "`"
}

func inHTML(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}
