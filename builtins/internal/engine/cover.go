package engine

import (
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/util"
)

// TestCoverage is which lines the tests reached, counted as opa test does: over
// all files, those of the tests included.
type TestCoverage struct {
	Percent   float64        `json:"percent"`
	Threshold float64        `json:"threshold"`
	Below     bool           `json:"below"` // percent is less than threshold
	Files     []FileCoverage `json:"files"`
}

// FileCoverage is the coverage of one file.
type FileCoverage struct {
	File       string  `json:"file"`
	Percent    float64 `json:"percent"`
	Covered    int     `json:"covered"`     // lines
	NotCovered int     `json:"not_covered"` // lines
	Missing    []Lines `json:"missing"`     // the lines that were not reached

	Lines map[int]bool `json:"-"` // each line with code, and whether it was reached
}

// Lines are neighbouring lines of a file, both included, from 1.
type Lines struct {
	First int `json:"first"`
	Last  int `json:"last"`
}

// coverage is a tracer that notes each rule and expression once. OPA's own
// works out the range of each event under a lock; that is left to the end, when
// what happened a million times is there once.
type coverage struct {
	mu    sync.Mutex
	exprs map[*ast.Expr]struct{}
	rules map[*ast.Rule]struct{}
}

func newCoverage() *coverage {
	return &coverage{exprs: map[*ast.Expr]struct{}{}, rules: map[*ast.Rule]struct{}{}}
}

func (c *coverage) Enabled() bool { return true }

func (c *coverage) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

func (c *coverage) TraceEvent(e topdown.Event) {
	switch e.Op {
	case topdown.ExitOp:
		if rule, ok := e.Node.(*ast.Rule); ok {
			c.mu.Lock()
			c.rules[rule] = struct{}{}
			c.mu.Unlock()
		}
	case topdown.EvalOp:
		if expr, ok := e.Node.(*ast.Expr); ok && expr != nil {
			c.mu.Lock()
			c.exprs[expr] = struct{}{}
			c.mu.Unlock()
		}
	}
}

func (c *coverage) report(modules map[string]*ast.Module, threshold float64) *TestCoverage {
	c.mu.Lock() // a test that was left behind may still be at it
	defer c.mu.Unlock()
	all := cover.New()
	for rule := range c.rules {
		all.TraceEvent(topdown.Event{Op: topdown.ExitOp, Node: rule})
	}
	for expr := range c.exprs {
		if expr.Location != nil {
			all.TraceEvent(topdown.Event{Op: topdown.EvalOp, Node: expr})
		}
	}
	r := all.Report(modules)
	t := &TestCoverage{Percent: r.Coverage, Threshold: threshold, Below: r.Coverage < threshold, Files: []FileCoverage{}}
	for _, name := range util.KeysSorted(r.Files) {
		f := r.Files[name]
		one := FileCoverage{File: name, Percent: f.Coverage, Covered: f.CoveredLines, NotCovered: f.NotCoveredLines, Missing: []Lines{}, Lines: map[int]bool{}}
		for _, span := range f.NotCovered {
			one.Missing = addLines(one.Missing, Lines{span.Start.Row, span.End.Row})
			one.mark(span, false)
		}
		for _, span := range f.Covered {
			one.mark(span, true)
		}
		t.Files = append(t.Files, one)
	}
	return t
}

func (f *FileCoverage) mark(span cover.Range, reached bool) {
	for row := span.Start.Row; row <= span.End.Row; row++ {
		f.Lines[row] = reached
	}
}

// addLines appends a span, joined with the last where they touch.
func addLines(all []Lines, l Lines) []Lines {
	if n := len(all); n > 0 && l.First <= all[n-1].Last+1 {
		all[n-1].Last = max(all[n-1].Last, l.Last)
		return all
	}
	return append(all, l)
}
