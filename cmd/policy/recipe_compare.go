package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/cmd/internal/render"
)

// recipeChange is what two editions of a recipe differ in.
type recipeChange struct {
	Ref          string       `json:"ref"`
	Aliases      []string     `json:"aliases"`
	From         editionName  `json:"from"`
	To           editionName  `json:"to"`
	Functions    []partChange `json:"functions"`
	Needs        []partChange `json:"needs"`
	NotGranted   []string     `json:"not_granted"` // of what it needs now
	Dependencies []partChange `json:"dependencies"`
	Changelog    string       `json:"changelog"` // the lines that are new
	Files        []fileChange `json:"files"`

	diffs bool // the text has them
}

type editionName struct {
	Ref     string          `json:"ref"`
	Version string          `json:"version"` // empty: nobody has the content any more
	Digest  artifact.Digest `json:"digest"`  // empty: a folder
}

// partChange is something that one edition has and the other has not, or not so.
type partChange struct {
	Before string `json:"before"`
	After  string `json:"after"`
}

type fileChange struct {
	Path    string `json:"path"`
	Change  string `json:"change"` // "added", "removed" or "changed"
	Added   int    `json:"lines_added"`
	Removed int    `json:"lines_removed"`
	Diff    string `json:"diff"` // unified; empty for what is no text, or large
}

// largestDiff is the size in bytes beyond which nobody reads what changed.
const largestDiff = 1 << 20

// compare says what became of a recipe between two editions.
func compare(before, after *edition) *recipeChange {
	c := &recipeChange{
		Ref: after.ref, Aliases: []string{}, From: before.name(), To: after.name(),
		Functions:  changes(signatures(before.config.Exports), signatures(after.config.Exports)),
		Needs:      changes(itself(needTexts(before.config.Needs)), itself(needTexts(after.config.Needs))),
		NotGranted: []string{}, Dependencies: changes(before.config.Deps, after.config.Deps),
		Files: []fileChange{},
	}
	paths := slices.AppendSeq(slices.Collect(maps.Keys(before.files)), maps.Keys(after.files))
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		if f, changed := compareFile(path, before.files, after.files); changed {
			c.Files = append(c.Files, f)
			if path == "CHANGELOG.md" {
				c.Changelog = addedLines(f.Diff)
			}
		}
	}
	return c
}

func (e *edition) name() editionName { return editionName{e.ref, e.config.Version, e.digest} }

// signatures are exports by file and name.
func signatures(exports []string) map[string]string {
	all := map[string]string{}
	for _, export := range exports {
		name, _, _ := strings.Cut(export, "(")
		all[name] = export
	}
	return all
}

func itself(texts []string) map[string]string {
	all := map[string]string{}
	for _, t := range texts {
		all[t] = t
	}
	return all
}

// changes are what differs between two tables, sorted by key.
func changes(before, after map[string]string) []partChange {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(before)), maps.Keys(after))
	slices.Sort(keys)
	all := []partChange{}
	for _, key := range slices.Compact(keys) {
		if before[key] != after[key] {
			all = append(all, partChange{before[key], after[key]})
		}
	}
	return all
}

func compareFile(path string, before, after map[string][]byte) (f fileChange, changed bool) {
	old, was := before[path]
	fresh, is := after[path]
	f = fileChange{Path: path, Change: "changed"}
	switch {
	case !was:
		f.Change = "added"
	case !is:
		f.Change = "removed"
	case bytes.Equal(old, fresh):
		return f, false
	}
	if isText(old) && isText(fresh) {
		f.Diff = udiff.Unified("a/"+path, "b/"+path, string(old), string(fresh))
	}
	for line := range hunkLines(f.Diff) {
		switch line[0] {
		case '+':
			f.Added++
		case '-':
			f.Removed++
		}
	}
	return f, true
}

func isText(b []byte) bool {
	return len(b) <= largestDiff && utf8.Valid(b) && bytes.IndexByte(b, 0) < 0
}

// hunkLines are the lines of a unified diff behind its two headers.
func hunkLines(diff string) func(func(string) bool) {
	return func(yield func(string) bool) {
		number := 0
		for line := range strings.Lines(diff) {
			if number++; number > 2 && !yield(line) {
				return
			}
		}
	}
}

func addedLines(diff string) string {
	var b strings.Builder
	for line := range hunkLines(diff) {
		if text, ok := strings.CutPrefix(line, "+"); ok {
			b.WriteString(text)
		}
	}
	return strings.Trim(b.String(), "\n")
}

// recipeChanges is what recipe update and diff answer with.
type recipeChanges []*recipeChange

func (all recipeChanges) text() string {
	var texts []string
	for _, c := range all {
		texts = append(texts, c.text())
	}
	return strings.Join(texts, "\n")
}

// text is for people who decide whether they want the change.
func (c *recipeChange) text() string {
	var b strings.Builder
	head := c.Ref
	if c.From.Ref != c.To.Ref {
		head = c.From.Ref + " → " + c.To.Ref
	}
	fmt.Fprintf(&b, "%s\n", head)
	field := func(name, from, to string) {
		switch {
		case from != to && from != "" && to != "":
			fmt.Fprintf(&b, "  %s %s → %s\n", name, from, to)
		case from+to != "":
			fmt.Fprintf(&b, "  %s %s\n", name, strings.Trim(from+" → "+to, " "))
		}
	}
	if c.From.Version != c.To.Version {
		field("version", c.From.Version, c.To.Version)
	} else {
		fmt.Fprintf(&b, "  version %s, as before\n", c.To.Version)
	}
	field("digest", short(c.From.Digest), short(c.To.Digest))
	writeParts(&b, "functions", c.Functions)
	writeParts(&b, "needs", c.Needs)
	if len(c.NotGranted) > 0 {
		fmt.Fprintf(&b, "  not granted: %s\n", strings.Join(c.NotGranted, ", "))
	}
	writeParts(&b, "depends on", c.Dependencies)
	if len(c.Files) > 0 {
		b.WriteString("  files\n")
	}
	for _, f := range c.Files {
		fmt.Fprintf(&b, "    %s %s", map[string]string{"added": "+", "removed": "-", "changed": "~"}[f.Change], render.Safe(f.Path))
		if f.Diff != "" {
			fmt.Fprintf(&b, "  +%d -%d", f.Added, f.Removed)
		}
		b.WriteString("\n")
	}
	if c.Changelog != "" {
		b.WriteString("  changelog\n")
		for line := range strings.Lines(c.Changelog + "\n") {
			b.WriteString(strings.TrimRight("    "+line, " \n") + "\n")
		}
	}
	for _, f := range c.Files {
		if c.diffs && f.Diff != "" {
			b.WriteString("\n" + f.Diff)
		}
	}
	return b.String()
}

// short is enough of a digest for people to tell it from others; a folder has none.
func short(d artifact.Digest) string { return cmp.Or(fmt.Sprintf("%.19s", d), "a folder") }

func writeParts(b *strings.Builder, title string, parts []partChange) {
	if len(parts) > 0 {
		fmt.Fprintf(b, "  %s\n", title)
	}
	for _, p := range parts {
		switch {
		case p.Before == "":
			fmt.Fprintf(b, "    + %s\n", p.After)
		case p.After == "":
			fmt.Fprintf(b, "    - %s\n", p.Before)
		default:
			fmt.Fprintf(b, "    ~ %s\n      %s\n", p.Before, p.After)
		}
	}
}
