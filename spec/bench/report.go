package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// report is what one run of the benchmark saw.
type report struct {
	b        *bench
	machine  machine
	outcomes []outcome
}

func newReport(b *bench) *report {
	return &report{b: b, machine: describeMachine()}
}

func (r *report) add(o outcome) { r.outcomes = append(r.outcomes, o) }

// finish notes what is known only at the end.
func (r *report) finish() { r.machine.LoadAfter = load() }

func (r *report) writeMarkdown(file string) error {
	return create(file, func(w io.Writer) error {
		r.markdown(w)
		return nil
	})
}

func (r *report) markdown(w io.Writer) {
	m := r.machine
	fmt.Fprintf(w, "# Measured\n\nWritten by `make bench`: every number of a job comes from runs in turn, A B A B …, on one machine. MB are 10⁶ bytes.\n\n")
	fmt.Fprintf(w, "%s · %s, %d cores, %.1f GB · %s/%s, %s", m.Date.Format(time.DateOnly), m.CPU, m.Cores, float64(m.Memory)/1e9, m.OS, m.Arch, m.Go)
	if m.Load != "" {
		fmt.Fprintf(w, " · load before %s, after %s", m.Load, m.LoadAfter)
	}
	fmt.Fprintf(w, "\n\nPolicy %s. Tools: %s.\n", r.b.tools["policy"].Version, strings.Join(r.versions(), " · "))
	for _, why := range r.b.absent {
		fmt.Fprintf(w, "Not there: %s.\n", strings.ReplaceAll(why, "\n", " "))
	}
	fmt.Fprintf(w, "\nBars in milliseconds are those of a machine where `opa version` takes %.0f ms. Where it takes longer, in turn with the job, they are as much wider.\n", reference*1e3)
	fmt.Fprintf(w, "A peak below %.0f MB cannot be seen: a process starts with that of its parent.\n", float64(ownPeak())/1e6)

	fmt.Fprintf(w, "\n## Bars\n\n| job | bar | seen | holds |\n|---|---|---|---|\n")
	for _, o := range r.outcomes {
		for _, v := range o.verdicts {
			fmt.Fprintf(w, "| %s | %s | %s | %s |\n", o.title, v.Bar, v.Seen, v.Holds)
		}
	}
	for _, o := range r.outcomes {
		if o.remark != "" {
			fmt.Fprintf(w, "\n%s: %s", o.title, o.remark)
		}
	}
	fmt.Fprintf(w, "\n\n## Programs\n\nThe ratio is that of the medians, policy's by the program's; CPU is user and system time, of a median run.\n\n")
	fmt.Fprintf(w, "| job | program | min | median | ratio | CPU | peak RSS |\n|---|---|--:|--:|--:|--:|--:|\n")
	for _, o := range r.outcomes {
		for i, s := range o.series {
			title := ""
			if i == 0 {
				title = o.title
			}
			fmt.Fprintf(w, "| %s | %s | %s |\n", title, s.Name, strings.Join(cells(o.series[0], s), " | "))
		}
	}
}

// cells are the figures of one line: min, median, ratio, CPU, RSS.
func cells(policy, s series) []string {
	if s.Bytes > 0 {
		return []string{"", megabytes(float64(s.Bytes)), ratio(float64(policy.Bytes), float64(s.Bytes)), "", ""}
	}
	line := []string{duration(s.min()), duration(s.time()), ratio(policy.time(), s.time()), "", ""}
	if len(s.CPU) > 0 {
		line[3], line[4] = duration(s.cpu()), megabytes(s.memory())
	}
	return line
}

func ratio(a, b float64) string { return fmt.Sprintf("%.2f", a/b) }

func megabytes(n float64) string { return fmt.Sprintf("%.1f MB", n/1e6) }

// duration has three digits that count.
func duration(seconds float64) string {
	switch {
	case seconds < 1e-3:
		return fmt.Sprintf("%.3g µs", seconds*1e6)
	case seconds < 0.1:
		return fmt.Sprintf("%.3g ms", seconds*1e3)
	case seconds < 1:
		return fmt.Sprintf("%.0f ms", seconds*1e3)
	}
	return fmt.Sprintf("%.2f s", seconds)
}

func (r *report) versions() []string {
	var all []string
	for _, t := range r.toolList() {
		if t.Version != "" {
			all = append(all, t.Name+" "+t.Version)
		}
	}
	return all
}

// toolList are the tools of others, sorted.
func (r *report) toolList() []tool {
	var all []tool
	for _, t := range r.b.tools {
		if !slices.Contains([]string{"policy", "floor", "unpack"}, t.Name) {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b tool) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (r *report) writeJSON(file string) error {
	type entry struct {
		Name     string    `json:"name"`
		Title    string    `json:"title"`
		Programs []series  `json:"programs"`
		Bars     []verdict `json:"bars"`
	}
	all := struct {
		Machine machine  `json:"machine"`
		Policy  string   `json:"policy"`
		Scale   float64  `json:"scale"`
		Tools   []tool   `json:"tools"`
		Absent  []string `json:"absent"`
		Jobs    []entry  `json:"jobs"`
	}{Machine: r.machine, Policy: r.b.tools["policy"].Version, Scale: r.b.scale, Tools: r.toolList(), Absent: r.b.absent}
	for _, o := range r.outcomes {
		all.Jobs = append(all.Jobs, entry{o.name, o.title, o.series, o.verdicts})
	}
	raw, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(raw, '\n'), 0o644)
}
