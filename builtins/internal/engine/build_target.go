package engine

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/compile"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/policyhost/policy/runtime/fault"
)

// translate builds what opa build builds for another target or with
// optimization: modules rewritten, code and plans added. All is in memory.
func (b *build) translate(ctx context.Context, w io.Writer) error {
	if len(b.built.Entrypoints) == 0 {
		what := "optimization"
		if b.o.Target != targetRego {
			what = "the target " + b.o.Target
		}
		return fault.New(fault.Usage, "", "%s needs an entrypoint", what).
			WithHint("name the rule that callers ask for: -e authz/allow")
	}
	check := newDataCheck(b.data, b.modules, *b.manifest.Roots)
	if err := check.run(ctx); err != nil {
		return err
	}
	data, err := loadData(b.data)
	if err != nil {
		return err
	}
	in := &bundle.Bundle{Manifest: b.manifest.Manifest, Data: data}
	for _, m := range b.modules {
		in.Modules = append(in.Modules, bundle.ModuleFile{URL: m.name, Path: m.name, RelativePath: m.name, Raw: m.text, Parsed: m.parsed})
	}
	for _, f := range b.others {
		text, err := f.read()
		if err != nil {
			return err
		}
		if strings.HasSuffix(f.name, bundle.WasmFile) {
			in.WasmModules = append(in.WasmModules, bundle.WasmModuleFile{URL: f.name, Path: f.name, Raw: text})
		} else {
			in.PlanModules = append(in.PlanModules, bundle.PlanModuleFile{URL: f.name, Path: f.name, Raw: text})
		}
	}
	c := compile.New().
		WithBundle(in).
		WithCapabilities(b.caps.of(b.version)).
		WithTarget(b.o.Target).
		WithOptimizationLevel(b.o.Optimize).
		WithEntrypoints(b.built.Entrypoints...).
		WithRegoVersion(b.version).
		WithRevision(b.manifest.Revision).
		WithPartialNamespace("partial").
		WithEnablePrintStatements(b.o.Target == compile.TargetPlan) // as opa build
	if err := c.Build(ctx); err != nil {
		if te, ok := errors.AsType[*topdown.Error](err); ok && te.Code == topdown.InternalErr && len(b.caps.stubs) > 0 {
			return fault.Of(fromOPA(ctx, "", err)).
				WithHint("what only another engine can call cannot be optimized: leave -O out")
		}
		return err
	}
	out := c.Bundle()
	b.manifest.Manifest = out.Manifest
	b.manifest.relative()
	b.built.Roots = *out.Manifest.Roots
	return b.pack(ctx, slices.Concat(outputs(out), b.data), w)
}

// outputs are the files of a bundle but for its data and manifest.
func outputs(out *bundle.Bundle) []*source {
	var files []*source
	add := func(name string, text []byte) {
		name = strings.TrimPrefix(name, "/")
		files = append(files, &source{name: name, typed: name, size: int64(len(text)), text: append([]byte{}, text...)})
	}
	for _, m := range out.Modules {
		add(m.URL, m.Raw)
	}
	for _, m := range out.WasmModules {
		add(m.URL, m.Raw)
	}
	for _, m := range out.PlanModules {
		add(m.URL, m.Raw)
	}
	return files
}
