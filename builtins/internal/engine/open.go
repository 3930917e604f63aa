package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"golang.org/x/sync/errgroup"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// Limits bound what a tarball may hold, see package artifact.
type Limits = artifact.Limits

// OpenOptions say how to open a bundle. The zero value opens it with the
// defaults, without network and without data of its own.
type OpenOptions struct {
	Name        string             // for messages: the reference or path as typed
	Limits      Limits             // of a tarball; zero means artifact.DefaultLimits
	Data        []string           // more data and modules: files, or folders whose names become keys
	Typed       map[string]string  // what a path of OpenDir or Data is called in messages, where that differs
	RegoVersion string             // of modules whose manifest says nothing: rego.v0, rego.v0v1, rego.v1 (default)
	AllowNet    []string           // hosts that http.send and net.lookup_ip_addr may reach; none: a policy that calls them does not compile
	KnowNetwork bool               // such a policy compiles, and the functions fail unless AllowNet says otherwise: their answers were recorded
	CacheDir    string             // a folder for verdicts ("this bundle compiles"); empty: none
	Key         string             // the bundle's digest, names its verdict; empty: none
	Trusted     bool               // built by us: the pre-scan has seen it, and modules no query reaches need not be compiled
	MaxErrors   int                // how many errors of the policy a message lists; 0: ten
	Print       func(print string) // gets "file:line: text" of each print(); nil: print calls are left out
}

// Bundle is an opened policy, ready to judge. It is safe for concurrent use;
// Close ends what it keeps running.
type Bundle struct {
	opts    OpenOptions
	caps    *ast.Capabilities
	version ast.RegoVersion

	modules []*module
	data    *node
	wasm    []wasmEntrypoint
	stubs   map[string]*ast.Builtin // required_builtins nobody implements here

	parts []*part

	mu       sync.Mutex
	compiled []*compiled
	prepared map[prepareKey]*prepared
	workers  workers
}

// OpenBundle reads a bundle's layer or a local bundle.tar.gz from r to its end.
// It fails with Invalid or Limit for a tarball the pre-scan refuses, Invalid for
// a manifest, data or modules that do not fit together. Rego is compiled by the
// first Eval, not here.
func OpenBundle(ctx context.Context, r io.Reader, o OpenOptions) (*Bundle, error) {
	b, err := newBundle(o)
	if err != nil {
		return nil, err
	}
	p, err := readTarball(ctx, r, o.Name, b.opts.Limits, b.trusted())
	if err != nil {
		return nil, err
	}
	if err := b.add(p); err != nil {
		return nil, err
	}
	return b, b.addExtra(ctx)
}

// OpenDir reads folders and single .rego, .json and .yaml files, as build would
// take them: of a folder its modules, its data.json and data.yaml files under
// the names of their folders, and its .manifest; a single data file stands at
// the root. Tests (*_test.rego) and hidden folders are left out, symbolic links
// are not followed. It fails with NotFound for a path that is not there or an
// input without any policy or data, and like [OpenBundle] otherwise.
func OpenDir(ctx context.Context, paths []string, o OpenOptions) (*Bundle, error) {
	b, err := newBundle(o)
	if err != nil {
		return nil, err
	}
	dir := dirOptions{limits: o.Limits, typed: o.Typed, seen: map[string]bool{}}
	for _, path := range paths {
		p, err := readPath(ctx, path, dir)
		if err != nil {
			return nil, err
		}
		if err := b.add(p); err != nil {
			return nil, err
		}
	}
	if len(b.modules) == 0 && len(b.data.kids) == 0 && b.data.text == "" {
		return nil, fault.New(fault.NotFound, o.Name, "no .rego and no data in it")
	}
	return b, b.addExtra(ctx)
}

// Close ends the goroutines that evaluate. The bundle must not be used after.
func (b *Bundle) Close() error {
	b.workers.close()
	return nil
}

func newBundle(o OpenOptions) (*Bundle, error) {
	version, err := regoVersion(o.RegoVersion)
	if err != nil {
		return nil, err
	}
	caps := evalCapabilities(version, o.AllowNet)
	if o.KnowNetwork {
		caps = testCapabilities(version, o.AllowNet)
	}
	return &Bundle{
		opts:     o,
		version:  version,
		caps:     caps,
		data:     &node{},
		prepared: map[prepareKey]*prepared{},
	}, nil
}

// add makes a part of the bundle: versions for its modules, stubs, data.
func (b *Bundle) add(p *part) error {
	if err := p.finish(b.version, b.caps); err != nil {
		return err
	}
	b.parts = append(b.parts, p)
	b.modules = append(b.modules, p.modules...)
	b.wasm = append(b.wasm, p.wasm...)
	for name, decl := range p.stubs {
		if b.stubs == nil {
			b.stubs = map[string]*ast.Builtin{}
		}
		b.stubs[name] = decl
		b.caps.Builtins = append(b.caps.Builtins, decl)
	}
	return b.data.merge(nil, p.data)
}

// addExtra adds what -d names.
func (b *Bundle) addExtra(ctx context.Context) error {
	dir := dirOptions{allData: true, limits: b.opts.Limits, typed: b.opts.Typed, seen: map[string]bool{}}
	for _, path := range b.opts.Data {
		p, err := readPath(ctx, path, dir)
		if err != nil {
			return err
		}
		if err := b.add(p); err != nil {
			return err
		}
	}
	return nil
}

// regoVersion reads the names of spec/artifact.md; empty is rego.v1.
func regoVersion(name string) (ast.RegoVersion, error) {
	switch name {
	case "", "rego.v1", "v1":
		return ast.RegoV1, nil
	case "rego.v0", "v0":
		return ast.RegoV0, nil
	case "rego.v0v1", "v0v1":
		return ast.RegoV0CompatV1, nil
	}
	return 0, fault.New(fault.Usage, "", "%q is not a version of Rego", name).
		WithHint("one of rego.v0, rego.v0v1, rego.v1")
}

// module is a .rego file: its source, and its syntax tree once asked for.
type module struct {
	path    string // for messages
	source  string
	version ast.RegoVersion
	pkg     []string // path of the package below data; nil: ask the syntax tree

	once   sync.Once
	parsed *ast.Module
	err    error
}

// parse reads the module once. Safe for concurrent use.
func (m *module) parse(caps *ast.Capabilities) (*ast.Module, error) {
	m.once.Do(func() {
		defer fault.Recover("", &m.err)
		m.parsed, m.err = ast.ParseModuleWithOpts(m.path, m.source, ast.ParserOptions{
			RegoVersion:       m.version,
			Capabilities:      caps,
			ProcessAnnotation: true,
		})
		if m.err == nil && m.parsed == nil {
			m.err = ast.Errors{ast.NewError(ast.ParseErr, ast.NewLocation(nil, m.path, 1, 1), "empty module")}
		}
	})
	return m.parsed, m.err
}

// parseAll reads modules on all cores and collects what is wrong with each.
func parseAll(ctx context.Context, modules []*module, caps *ast.Capabilities) error {
	g := errgroup.Group{}
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, m := range modules {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			_, _ = m.parse(caps)
			return nil
		})
	}
	_ = g.Wait()
	if ctx.Err() != nil {
		return fault.Of(context.Cause(ctx))
	}
	var errs ast.Errors
	for _, m := range modules {
		if m.err == nil {
			continue
		}
		if f, ok := errors.AsType[*fault.Error](m.err); ok { // a defect of the parser
			return f
		}
		if several, ok := errors.AsType[ast.Errors](m.err); ok {
			errs = append(errs, several...)
		} else {
			errs = append(errs, ast.NewError(ast.ParseErr, ast.NewLocation(nil, m.path, 1, 1), "%s", m.err.Error()))
		}
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}

// packagePath is the module's package below data.
func (m *module) packagePath(caps *ast.Capabilities) ([]string, error) {
	if m.pkg != nil {
		return m.pkg, nil
	}
	if pkg, ok := scanPackage(m.source); ok {
		m.pkg = pkg
		return pkg, nil
	}
	parsed, err := m.parse(caps)
	if err != nil {
		return nil, err
	}
	path := make([]string, 0, len(parsed.Package.Path))
	for _, t := range parsed.Package.Path[1:] {
		s, ok := t.Value.(ast.String)
		if !ok {
			return nil, fmt.Errorf("package %v", parsed.Package.Path)
		}
		path = append(path, string(s))
	}
	m.pkg = path
	return path, nil
}
