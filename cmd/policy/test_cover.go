package main

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/stdlib"
)

// testCoverage gathers which lines the tests of both languages reach. A nil one
// gathers nothing.
type testCoverage struct {
	threshold float64
	files     []builtins.FileCoverage // of Rego
	scripts   *runtime.Coverage

	mu     sync.Mutex
	folder string // the folder of the standard library, when that is what is tested
}

// stdName is what the names of the standard library's files begin with.
const stdName = "@std//"

// newTestCoverage is nil when nobody asks for coverage.
func newTestCoverage(args *builtins.TestArgs) *testCoverage {
	if !args.Coverage && args.Threshold <= 0 {
		return nil
	}
	return &testCoverage{threshold: args.Threshold, scripts: runtime.NewCoverage()}
}

// counter counts the statements of pipelines.
func (c *testCoverage) counter() *runtime.Coverage {
	if c == nil {
		return nil
	}
	return c.scripts
}

// add adds the files of one policy.
func (c *testCoverage) add(part *builtins.TestCoverage) {
	if c != nil && part != nil {
		c.files = append(c.files, part.Files...)
	}
}

// library makes the standard library count, if a test is one of its own.
func (c *testCoverage) library(file *starFile) {
	if c != nil && file.std != stdlib.FS {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.folder = filepath.Dir(file.name)
	}
}

// unloaded makes scripts count that no test loads.
func (c *testCoverage) unloaded(scripts []string) error {
	if c == nil {
		return nil
	}
	for _, name := range scripts {
		if c.folder != "" && filepath.Dir(name) == c.folder {
			name = stdName + filepath.Base(name)
		}
		text, err := os.ReadFile(c.path(name))
		if err != nil {
			return unreadable(c.path(name), err)
		}
		c.scripts.Add(filepath.ToSlash(name), text)
	}
	return nil
}

// path is where a file is, by the name that traces have for it.
func (c *testCoverage) path(name string) string {
	if base, ok := strings.CutPrefix(name, stdName); ok {
		return filepath.Join(c.folder, base)
	}
	return name
}

// report is the coverage of all files, sorted by name. Tests of pipelines are no
// part of it, nor is the standard library, unless it is what is tested.
func (c *testCoverage) report() *builtins.TestCoverage {
	if c == nil {
		return nil
	}
	all := slices.Clone(c.files)
	for _, name := range c.scripts.Files() {
		if strings.HasSuffix(name, "_test.star") || strings.HasPrefix(name, stdName) && c.folder == "" {
			continue
		}
		all = append(all, fileCoverage(filepath.ToSlash(c.path(name)), c.scripts.Lines(name)))
	}
	slices.SortFunc(all, func(a, b builtins.FileCoverage) int { return cmp.Compare(a.File, b.File) })
	t := &builtins.TestCoverage{Threshold: c.threshold, Files: append([]builtins.FileCoverage{}, all...)}
	covered, lines := 0, 0
	for _, f := range all {
		covered += f.Covered
		lines += f.Covered + f.NotCovered
	}
	t.Percent = percent(covered, lines)
	t.Below = t.Percent < c.threshold
	return t
}

// fileCoverage sums up the lines of a script. Neighbouring statements that were
// not reached are one span, blank lines and comments between them included.
func fileCoverage(name string, lines []runtime.LineHits) builtins.FileCoverage {
	f := builtins.FileCoverage{File: name, Missing: []builtins.CoveredLines{}, Lines: map[int]bool{}}
	for i, l := range lines {
		f.Lines[l.Line] = l.Hits > 0
		switch {
		case l.Hits > 0:
			f.Covered++
			continue
		case i > 0 && lines[i-1].Hits == 0:
			f.Missing[len(f.Missing)-1].Last = l.Line
		default:
			f.Missing = append(f.Missing, builtins.CoveredLines{First: l.Line, Last: l.Line})
		}
		f.NotCovered++
	}
	f.Percent = percent(f.Covered, f.Covered+f.NotCovered)
	return f
}

// percent is 100 when there is nothing to reach.
func percent(part, whole int) float64 {
	if whole == 0 {
		return 100
	}
	return 100 * float64(part) / float64(whole)
}
