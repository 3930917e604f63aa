package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/loader"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/policyhost/policy/runtime/fault"
)

// maxProblems is how many problems a message lists; the rest is counted.
const maxProblems = 10

// Problem is one complaint about a policy: where it is and what is wrong.
// Lines and columns start at 1; zero means unknown.
type Problem struct {
	File    string   `json:"file,omitempty"` // as the user typed it, or the name in the bundle
	Line    int      `json:"line,omitempty"`
	Col     int      `json:"col,omitempty"`
	Code    string   `json:"code,omitempty"` // OPA's, for example "rego_type_error"
	Message string   `json:"message"`
	Details []string `json:"details,omitempty"` // what OPA adds: the source line, have and want
}

// String reads "authz.rego:3:5: rego_type_error: undefined function foo", with
// the details on lines of their own.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		b.WriteByte(':')
	}
	if p.Line > 0 {
		b.WriteString(strconv.Itoa(p.Line))
		b.WriteByte(':')
		if p.Col > 0 {
			b.WriteString(strconv.Itoa(p.Col))
			b.WriteByte(':')
		}
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	if p.Code != "" {
		b.WriteString(p.Code)
		b.WriteString(": ")
	}
	b.WriteString(p.Message)
	for _, line := range p.Details {
		b.WriteString("\n    ")
		b.WriteString(line)
	}
	return b.String()
}

// Problems is the cause of an Invalid fault about a policy: everything that is
// wrong with it, in the order of files and lines.
type Problems []Problem

// Error lists the problems, one a line, at most ten.
func (ps Problems) Error() string { return atMost{ps, maxProblems}.Error() }

// atMost are problems of which a message lists the first so many.
type atMost struct {
	Problems
	listed int
}

func (ps atMost) Unwrap() error { return ps.Problems }

func (ps atMost) Error() string {
	if len(ps.Problems) == 1 {
		return ps.Problems[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d errors", len(ps.Problems))
	for i, p := range ps.Problems {
		if i == ps.listed {
			fmt.Fprintf(&b, "\n  and %d more", len(ps.Problems)-i)
			break
		}
		b.WriteString("\n  ")
		b.WriteString(p.String())
	}
	return b.String()
}

// Places are where the problems are.
func (ps Problems) Places() []fault.Place {
	var all []fault.Place
	for _, p := range ps {
		place := fault.Place{File: p.File, Line: p.Line, Col: p.Col}
		p.File, p.Line = "", 0
		place.Message = p.String()
		all = append(all, place)
	}
	return all
}

// fromOPA turns an error of OPA about subject into a fault, by type. Faults pass
// as they are; an evaluation that was cancelled has the cause of ctx. It is nil
// for nil.
func fromOPA(ctx context.Context, subject string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if ctx.Err() != nil && (topdown.IsCancel(err) || errors.Is(err, ctx.Err())) {
		return fault.Of(context.Cause(ctx))
	}
	if ps := problemsOf(err); len(ps) > 0 {
		return &fault.Error{Kind: fault.Invalid, Subject: subject, Err: ps}
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return fault.File(subject, err)
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return fault.File(subject, err)
	}
	if se, ok := errors.AsType[*storage.Error](err); ok && se.Code == storage.NotFoundErr {
		return &fault.Error{Kind: fault.NotFound, Subject: subject, Err: err}
	}
	// What OPA says about bundles, roots, signatures and documents are plain
	// errors: all of them are about content the user gave.
	return &fault.Error{Kind: fault.Invalid, Subject: subject, Err: err}
}

// problemsOf collects what ast, loader, rego and topdown know about places.
func problemsOf(err error) Problems {
	ps := collectProblems(err)
	// The compiler's stages report out of order and sometimes twice.
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return slices.CompactFunc(ps, func(a, b Problem) bool {
		return a.File == b.File && a.Line == b.Line && a.Col == b.Col && a.Message == b.Message
	})
}

func collectProblems(err error) (ps Problems) {
	several := func(errs []error) {
		for _, one := range errs {
			if inner := collectProblems(one); len(inner) > 0 {
				ps = append(ps, inner...)
			} else {
				ps = append(ps, Problem{Message: one.Error()})
			}
		}
	}
	if known, ok := errors.AsType[Problems](err); ok {
		ps = slices.Clone(known)
	} else if list, ok := errors.AsType[ast.Errors](err); ok {
		for _, one := range list {
			ps = append(ps, problemOf(one))
		}
	} else if one, ok := errors.AsType[*ast.Error](err); ok {
		ps = Problems{problemOf(one)}
	} else if te, ok := errors.AsType[*topdown.Error](err); ok {
		p := Problem{Code: te.Code, Message: te.Message}
		p.locate(te.Location)
		ps = Problems{p}
	} else if list, ok := errors.AsType[loader.Errors](err); ok {
		several(list)
	} else if list, ok := errors.AsType[rego.Errors](err); ok {
		several(list)
	}
	return ps
}

func problemOf(e *ast.Error) Problem {
	p := Problem{Code: e.Code, Message: e.Message}
	p.locate(e.Location)
	if e.Details != nil {
		p.Details = e.Details.Lines()
	}
	return p
}

func (p *Problem) locate(loc *ast.Location) {
	if loc != nil {
		p.File, p.Line, p.Col = loc.File, loc.Row, loc.Col
	}
}
