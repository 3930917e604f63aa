package engine

import (
	"context"
	"errors"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"

	"github.com/policyhost/policy/runtime/fault"
)

// buildModule is a Rego file on its way into a bundle.
type buildModule struct {
	*source
	version ast.RegoVersion
	parsed  *ast.Module
}

// parseModules parses all modules on all cores. They are known by their names
// in the bundle, which do not depend on how the user typed a path: plans carry
// them. It fails with all that is wrong, under these names.
func parseModules(ctx context.Context, modules []*buildModule, caps *capabilitySet) error {
	for _, m := range modules {
		caps.of(m.version) // now, since the set is not made for several goroutines
	}
	errs := make([]error, len(modules))
	work := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(modules)) {
		wg.Go(func() {
			for i := range work {
				errs[i] = modules[i].parse(modules[i].version, caps)
			}
		})
	}
	for i := range modules {
		if ctx.Err() != nil {
			break
		}
		work <- i
	}
	close(work)
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var problems Problems
	for _, err := range errs {
		problems = append(problems, problemsOf(err)...)
	}
	if len(problems) == 0 {
		return errors.Join(errs...)
	}
	f := &fault.Error{Kind: fault.Invalid, Err: problems}
	if olderRego(modules, errs, caps) {
		f.Hint = "it is Rego of before OPA 1.0: --rego-version rego.v0"
	}
	return f
}

func (m *buildModule) parse(v ast.RegoVersion, caps *capabilitySet) (err error) {
	defer fault.Recover("", &err)
	parsed, err := ast.ParseModuleWithOpts(m.name, string(m.text), ast.ParserOptions{
		Capabilities:      caps.of(v),
		RegoVersion:       v,
		ProcessAnnotation: true,
	})
	if err == nil && parsed == nil {
		err = ast.Errors{ast.NewError(ast.ParseErr, ast.NewLocation(nil, m.name, 1, 1), "no package: the file is empty")}
	}
	m.parsed = parsed
	return err
}

// typedNames gives the problems in err the names that the user knows. Once: a
// name that was typed may be the name of another module in the bundle.
func typedNames(modules []*buildModule, err error) error {
	ps, ok := errors.AsType[Problems](err)
	if !ok {
		return err
	}
	typed := make(map[string]string, len(modules))
	for _, m := range modules {
		typed[m.name] = m.typed
	}
	for i, p := range ps {
		if name, ok := typed[p.File]; ok {
			ps[i].File = name
		}
	}
	return err
}

// olderRego says whether all modules that failed are Rego v0.
func olderRego(modules []*buildModule, errs []error, caps *capabilitySet) bool {
	for i, err := range errs {
		if err == nil {
			continue
		}
		m := *modules[i]
		if m.version == ast.RegoV0 || m.parse(ast.RegoV0, caps) != nil {
			return false
		}
	}
	return true
}

// moduleSet collects the modules of all inputs. Two inputs may have a file of
// the same name, which Rego does not mind: the later one gets another name.
func moduleSet(inputs []*input, manifests []*bundleManifest, flag ast.RegoVersion) ([]*buildModule, error) {
	var all []*buildModule
	taken := map[string]bool{}
	for i, in := range inputs {
		for _, s := range in.files {
			if !s.isRego() {
				continue
			}
			v, err := manifests[i].versionOf(s.name, flag)
			if err != nil {
				return nil, err
			}
			s.name = freeName(s.name, taken)
			taken[strings.ToLower(s.name)] = true
			all = append(all, &buildModule{source: s, version: v})
		}
	}
	slices.SortFunc(all, func(a, b *buildModule) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

func freeName(name string, taken map[string]bool) string {
	if !taken[strings.ToLower(name)] {
		return name
	}
	stem := strings.TrimSuffix(name, path.Ext(name))
	for n := 2; ; n++ {
		if other := stem + "-" + strconv.Itoa(n) + ".rego"; !taken[strings.ToLower(other)] {
			return other
		}
	}
}

// checkPackages refuses modules outside the roots.
func checkPackages(modules []*buildModule, roots []string) error {
	for _, m := range modules {
		where, err := m.parsed.Package.Path.Ptr()
		if err == nil && bundle.RootPathsContain(roots, where) {
			continue
		}
		return fault.New(fault.Invalid, m.typed, "%v is outside the roots of the manifest: %q", m.parsed.Package, roots).
			WithHint(`add %q to "roots" in .manifest`, where)
	}
	return nil
}

// compileModules runs all checks of the compiler over modules that are parsed.
func compileModules(modules []*buildModule, caps *ast.Capabilities) (*ast.Compiler, error) {
	byName := make(map[string]*ast.Module, len(modules))
	for _, m := range modules {
		byName[m.name] = m.parsed
	}
	c := ast.NewCompiler().WithCapabilities(caps)
	c.Compile(byName)
	if c.Failed() {
		return nil, c.Errors
	}
	return c, nil
}

// entrypointAnnotations are the rules and packages that say "entrypoint: true", as
// paths below data.
func entrypointAnnotations(modules []*buildModule) ([]string, error) {
	var parsed []*ast.Module
	for _, m := range modules {
		parsed = append(parsed, m.parsed)
	}
	set, errs := ast.BuildAnnotationSet(parsed)
	if len(errs) > 0 {
		return nil, errs
	}
	var out []string
	for _, ref := range set.Flatten() {
		if !ref.Annotations.Entrypoint {
			continue
		}
		if p, err := ref.Path.GroundPrefix().Ptr(); err == nil && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out, nil
}
