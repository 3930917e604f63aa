package engine

import (
	"cmp"
	"context"
	"io"
	"slices"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// copySources packs the sources as they are, while they are compiled and checked.
// What compiler and check have to say is said together, the same each time.
func (b *build) copySources(ctx context.Context, w io.Writer) error {
	files := slices.Concat(moduleSources(b.modules), b.data, b.others)
	packing, stop := context.WithCancel(ctx)
	defer stop()
	var (
		wg       sync.WaitGroup
		compiler *ast.Compiler
		errs     [3]error
	)
	data := newDataCheck(b.data, b.modules, *b.manifest.Roots)
	run := func(i int, stage func() error) {
		wg.Go(func() {
			defer func() {
				if errs[i] != nil {
					stop()
				}
			}()
			defer fault.Recover("", &errs[i])
			errs[i] = stage()
		})
	}
	run(0, func() (err error) {
		compiler, err = compileModules(b.modules, b.caps.of(b.version))
		return err
	})
	run(1, func() error { return data.run(ctx) })
	run(2, func() error { return b.pack(packing, files, w) })
	wg.Wait()
	if errs[0] == nil && errs[1] == nil && errs[2] == nil {
		if conflicts := ast.CheckPathConflicts(compiler, data.exists); len(conflicts) > 0 {
			return conflicts
		}
		return nil
	}
	if all := slices.Concat(problemsOf(errs[0]), problemsOf(errs[1])); len(all) > 0 {
		return &fault.Error{Kind: fault.Invalid, Err: all}
	}
	return cmp.Or(errs[0], errs[1], errs[2])
}

func moduleSources(modules []*buildModule) []*source {
	var out []*source
	for _, m := range modules {
		out = append(out, m.source)
	}
	return out
}

// pack adds the manifest and the signature, and writes the bundle.
func (b *build) pack(ctx context.Context, files []*source, w io.Writer) error {
	text, err := b.manifest.text()
	if err != nil {
		return err
	}
	files = append(files, &source{name: manifestName, typed: manifestName, size: int64(len(text)), text: text})
	config, err := b.o.Signing.config()
	if err != nil {
		return err
	}
	if config != nil {
		s, err := sign(files, config, b.o.Verification.keyID())
		if err != nil {
			return err
		}
		files = append(files, s)
	}
	b.built.Files = len(files)
	var packed []artifact.File
	for _, f := range files {
		packed = append(packed, artifact.File{Path: f.name, Size: f.size, Open: f.open})
	}
	out := &output{ctx: ctx, w: w}
	err = artifact.Pack(out, packed, artifact.PackOptions{ModTime: b.o.Created, Limits: b.o.Limits})
	if out.err != nil {
		return &writeError{out.err}
	}
	if err != nil {
		return err
	}
	return b.checkSize(files, out.n)
}

// checkSize refuses what nobody could open again: a scan takes it for a bomb.
func (b *build) checkSize(files []*source, packed int64) error {
	limits := b.o.Limits.WithDefaults()
	total := int64(0)
	for _, f := range files {
		total += f.size
	}
	switch {
	case total > limits.Total:
		return limits.Exceeded(total)
	case total > 1<<20 && total/limits.Ratio > packed:
		return fault.New(fault.Limit, "", "the files shrink to less than a %dth, which is taken for an attack when the bundle is opened", limits.Ratio).
			WithHint("look for a data file that repeats itself")
	}
	return nil
}

// output counts what is written, stops when the build is over, and remembers its
// own failure, which is not about the policy.
type output struct {
	ctx context.Context
	w   io.Writer
	n   int64
	err error
}

func (o *output) Write(p []byte) (int, error) {
	if o.ctx.Err() != nil {
		return 0, context.Cause(o.ctx)
	}
	n, err := o.w.Write(p)
	o.n += int64(n)
	o.err = err
	return n, err
}
