package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
)

// with is the bundle and modules that were typed, by their package. It shares
// what was read of b and compiles on its own.
func (b *Bundle) with(own map[string]*ast.Module) *Bundle {
	next := &Bundle{
		opts:     b.opts,
		caps:     b.caps,
		version:  b.version,
		modules:  slices.Clone(b.modules),
		data:     b.data,
		wasm:     b.wasm,
		stubs:    b.stubs,
		parts:    b.parts,
		prepared: map[prepareKey]*prepared{},
	}
	next.opts.Key, next.opts.Trusted = "", false // these are about b alone
	for _, name := range slices.Sorted(maps.Keys(own)) {
		m := &module{parsed: own[name], version: own[name].RegoVersionSpan().Max(), pkg: pathOf(own[name].Package)}
		m.once.Do(func() {}) // it is parsed
		next.modules = append(next.modules, m)
	}
	return next
}

// compileAll compiles everything, as far as ctx lets it.
func (b *Bundle) compileAll(ctx context.Context) error {
	return b.workers.do(ctx, func(*cancelFlag) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		_, err := b.compilerFor(ctx, nil, true, metrics.NoOp())
		return err
	})
}
