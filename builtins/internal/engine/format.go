package engine

import (
	"context"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"

	"github.com/policyhost/policy/runtime/fault"
)

// Format gives the text of a Rego file in OPA's layout, in the same version of
// Rego. It fails with Invalid for a text that does not parse, and never gives one
// that does not, or that has more or fewer rules. The rules themselves cannot be
// compared: OPA writes some anew, such as "a if true" as "a := true".
func Format(ctx context.Context, name string, text []byte, version string) (formatted []byte, err error) {
	defer fault.Recover("", &err)
	v, err := regoVersion(version)
	if err != nil {
		return nil, err
	}
	options := ast.ParserOptions{RegoVersion: v, ProcessAnnotation: true}
	before, err := ast.ParseModuleWithOpts(name, string(text), options)
	if err != nil {
		return nil, fromOPA(ctx, name, err)
	}
	if before == nil {
		return text, nil // nothing but comments
	}
	formatted, err = format.SourceWithOpts(name, text, format.Opts{RegoVersion: v, ParserOptions: &options})
	if err != nil {
		return nil, fromOPA(ctx, name, err)
	}
	after, err := ast.ParseModuleWithOpts(name, string(formatted), options)
	if err != nil {
		return nil, fault.New(fault.Internal, name, "its formatted text does not parse: %w", err)
	}
	if !after.Package.Equal(before.Package) || len(after.Rules) != len(before.Rules) {
		return nil, fault.New(fault.Internal, name, "its formatted text means something else")
	}
	return formatted, nil
}
