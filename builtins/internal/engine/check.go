package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/loader"
	"github.com/open-policy-agent/opa/v1/storage"

	"github.com/policyhost/policy/runtime/fault"
)

// CheckOptions say which policies to look at, and how.
type CheckOptions struct {
	Paths        []string          // folders, .rego and data files, bundle tarballs: one policy
	Typed        map[string]string // what a path is called in the answer, where that differs
	RegoVersion  string            // as in OpenOptions
	Capabilities string            // as in BuildOptions
	Schemas      string            // a JSON schema of the input, or a folder of schemas; empty: none
	Warnings     bool              // also what OPA's strict mode alone refuses
	Ignore       []string          // patterns of file names to leave out
}

// The severities of a [Finding].
const (
	SeverityError   = "error"
	SeverityWarning = "warning"
)

// Finding is a mistake in a source file, or a warning about it. Lines and columns
// start at 1; zero means unknown.
type Finding struct {
	File     string `json:"file"` // as it was typed
	Line     int    `json:"line"`
	Col      int    `json:"col"`
	Width    int    `json:"width"`    // of the place in its line, in characters
	Severity string `json:"severity"` // error or warning
	Code     string `json:"code"`     // what kind it is of
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`    // what to type instead
	Replace  string `json:"replace,omitempty"` // what to put in place of the text there, when that is certain enough
	Source   string `json:"source,omitempty"`  // the line
}

// Check parses and compiles policies, tests included, and gives all that is wrong
// with them and the number of their files. It fails only for what keeps it from
// looking: with NotFound for a path that is not there or without any Rego, with
// Invalid for data or a manifest that cannot be read, with the cause of ctx.
func Check(ctx context.Context, o CheckOptions) ([]Finding, int, error) {
	b, err := openSources(ctx, TestOptions{Paths: o.Paths, Typed: o.Typed, RegoVersion: o.RegoVersion, Ignore: o.Ignore})
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = b.Close() }()
	c := &checker{bundle: b}
	if o.Capabilities != "" {
		set, err := loadCapabilities(o.Capabilities)
		if err != nil {
			return nil, 0, err
		}
		caps := *set.of(b.version)
		caps.AllowNet = b.caps.AllowNet
		for _, stub := range b.stubs {
			caps.Builtins = append(slices.Clip(caps.Builtins), stub)
		}
		b.caps = &caps
	}
	if o.Schemas != "" {
		if c.schemas, err = loader.Schemas(o.Schemas); err != nil {
			return nil, 0, fromOPA(ctx, o.Schemas, err)
		}
	}
	if err := parseAll(ctx, b.modules, b.caps); err != nil {
		return c.findings(ctx, SeverityError, err, nil)
	}
	strict := c.compile(ctx, o.Warnings)
	if strict == nil || !o.Warnings || ctx.Err() != nil {
		return c.findings(ctx, SeverityError, strict, nil)
	}
	// What compiles without strict mode works: it is a warning.
	return c.findings(ctx, SeverityError, c.compile(ctx, false), strict)
}

type checker struct {
	bundle  *Bundle
	schemas *ast.SchemaSet
	known   []string // names that a policy may use
}

func (c *checker) compile(ctx context.Context, strict bool) error {
	b := c.bundle
	compiler := ast.NewCompiler().
		WithCapabilities(b.caps).
		WithDefaultRegoVersion(b.version).
		WithUseTypeCheckAnnotations(true).
		WithEnablePrintStatements(true).
		WithSchemas(c.schemas).
		WithStrict(strict).
		WithPathConflictsCheck(storage.NonEmpty(ctx, &store{root: b.data}, transaction{})).
		SetErrorLimit(0)
	compiler.Compile(byName(b.modules))
	if compiler.Failed() {
		return compiler.Errors
	}
	return nil
}

// findings are the problems in err, and in strict those that err has not.
func (c *checker) findings(ctx context.Context, severity string, err, strict error) ([]Finding, int, error) {
	if ctx.Err() != nil {
		return nil, 0, fault.Of(context.Cause(ctx))
	}
	problems := problemsOf(err)
	if err != nil && (len(problems) == 0 || problems[0].File == "") { // about no source: capabilities, for example
		return nil, 0, fromOPA(ctx, c.bundle.opts.Name, err)
	}
	all := []Finding{}
	seen := map[string]bool{}
	for _, p := range problems {
		seen[p.String()] = true
		all = append(all, c.finding(p, severity))
	}
	for _, p := range problemsOf(strict) {
		if !seen[p.String()] {
			all = append(all, c.finding(p, SeverityWarning))
		}
	}
	c.older(all)
	return all, len(c.bundle.modules), nil
}

func (c *checker) finding(p Problem, severity string) Finding {
	f := Finding{File: p.File, Line: p.Line, Col: p.Col, Width: 1, Severity: severity, Code: p.Code, Message: p.Message}
	for _, line := range withoutExcerpts(p.Details) {
		f.Message += "; " + strings.TrimSpace(line)
	}
	for _, m := range c.bundle.modules {
		if m.path == p.File && p.Line > 0 {
			f.Source = lineOf(m.source, p.Line)
		}
	}
	if word := wordAt(f.Source, p.Col); word != "" {
		f.Width = len([]rune(word))
		if p.Code == ast.TypeErr || p.Code == ast.UnsafeVarErr {
			if f.Replace = c.meant(word); f.Replace != "" {
				f.Hint = fmt.Sprintf("did you mean %q?", f.Replace)
			}
		}
	}
	return f
}

// withoutExcerpts leaves the lines out that quote the source, with a caret below.
func withoutExcerpts(details []string) []string {
	var kept []string
	for _, line := range details {
		if strings.Contains(line, "^") && strings.Trim(line, " \t^") == "" {
			kept = kept[:max(0, len(kept)-1)]
		} else {
			kept = append(kept, line)
		}
	}
	return kept
}

func lineOf(text string, line int) string {
	for range line - 1 {
		_, text, _ = strings.Cut(text, "\n")
	}
	text, _, _ = strings.Cut(text, "\n")
	return strings.TrimRight(text, "\r")
}

// wordAt is the name that begins at a column, with its dots.
func wordAt(line string, col int) string {
	runes := []rune(line)
	if col < 1 || col > len(runes) {
		return ""
	}
	runes = runes[col-1:]
	end := slices.IndexFunc(runes, func(r rune) bool { return r != '_' && r != '.' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if end < 0 {
		end = len(runes)
	}
	return strings.TrimRight(string(runes[:end]), ".")
}

// meant is the name that one that nobody knows is nearest to.
func (c *checker) meant(word string) string {
	if c.known == nil {
		for _, bi := range c.bundle.caps.Builtins {
			if bi.Infix == "" {
				c.known = append(c.known, bi.Name)
			}
		}
		for _, m := range c.bundle.modules {
			for _, rule := range m.parsed.Rules {
				if name, ok := rule.Head.Ref()[0].Value.(ast.Var); ok {
					c.known = append(c.known, string(name), m.parsed.Package.Path.String()+"."+string(name))
				}
			}
		}
	}
	if slices.Contains(c.known, word) {
		return ""
	}
	return fault.Nearest(word, c.known)
}

// older gives the first finding of a file that does not parse, but would as Rego
// v0, the hint to say so.
func (c *checker) older(all []Finding) {
	for _, m := range c.bundle.modules {
		if m.err == nil || m.version == ast.RegoV0 {
			continue
		}
		again := module{path: m.path, source: m.source, version: ast.RegoV0}
		if _, err := again.parse(ast.CapabilitiesForThisVersion(ast.CapabilitiesRegoVersion(ast.RegoV0))); err != nil {
			continue
		}
		if i := slices.IndexFunc(all, func(f Finding) bool { return f.File == m.path }); i >= 0 {
			all[i].Hint = "it is Rego of before OPA 1.0: --rego-version rego.v0"
		}
	}
}
