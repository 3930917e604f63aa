package engine

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// reach is what a query needs of a bundle: a set of modules that is closed
// under references, so that compiling it gives the query the same answer as
// compiling everything.
type reach struct {
	modules []*module
	paths   [][]string // every document referred to, below data
	all     bool       // some reference can lead anywhere
}

// packages is the tree of a bundle's packages, with the modules of each.
type packages struct {
	below   map[string]*packages
	modules []*module
	taken   bool // by the walk at hand: all of it
}

func (b *Bundle) packages() (*packages, error) {
	root := &packages{}
	for _, m := range b.modules {
		path, err := m.packagePath(b.caps)
		if err != nil {
			return nil, err
		}
		p := root
		for _, key := range path {
			if p.below == nil {
				p.below = map[string]*packages{}
			}
			if p.below[key] == nil {
				p.below[key] = &packages{}
			}
			p = p.below[key]
		}
		p.modules = append(p.modules, m)
	}
	return root, nil
}

// take hands out, once, the modules that a reference to path needs: those in
// packages above it, since a rule b.c may stand in package a, and all below.
func (p *packages) take(path []string, out func(*module)) {
	if p.taken {
		return
	}
	for _, m := range p.modules {
		out(m)
	}
	p.modules = nil
	if len(path) > 0 {
		if next := p.below[path[0]]; next != nil {
			next.take(path[1:], out)
		}
		return
	}
	p.taken = true
	for _, next := range p.below {
		next.take(nil, out)
	}
}

// reachOf follows the references of a query into modules and on from there. A
// reference that starts with a variable behind data needs everything.
func (b *Bundle) reachOf(query ast.Body) (*reach, error) {
	tree, err := b.packages()
	if err != nil {
		return nil, err
	}
	r := &reach{}
	var todo [][]string
	visit := func(x any, imports []*ast.Import) {
		paths, dynamic := references(x, imports)
		r.all = r.all || dynamic
		todo = append(todo, paths...)
	}
	visit(query, nil)
	seen := map[string]struct{}{}
	for len(todo) > 0 && !r.all {
		path := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		key := strings.Join(path, "\x00")
		if _, ok := seen[key]; ok {
			continue
		}
		seen[key] = struct{}{}
		r.paths = append(r.paths, path)
		tree.take(path, func(m *module) {
			parsed, perr := m.parse(b.caps)
			if perr != nil {
				err = perr
				return
			}
			r.modules = append(r.modules, m)
			todo = append(todo, m.pkg) // names of other files in the package need no data prefix
			visit(parsed, parsed.Imports)
		})
		if err != nil {
			return nil, err
		}
	}
	if r.all {
		r.modules = b.modules
	}
	return r, nil
}

// overlap reports whether one path is a prefix of the other.
func overlap(a, b []string) bool {
	n := min(len(a), len(b))
	return slices.Equal(a[:n], b[:n])
}

// references collects the documents below data that x names, by the part of
// each reference that does not depend on variables. It says dynamic when there
// is none, or when x asks for annotations, which other modules may carry.
func references(x any, imports []*ast.Import) (paths [][]string, dynamic bool) {
	add := func(ref ast.Ref) {
		path := make([]string, 0, len(ref)-1)
		for _, t := range ref[1:] {
			s, ok := t.Value.(ast.String)
			if !ok {
				break
			}
			path = append(path, string(s))
		}
		if len(path) == 0 {
			dynamic = true
			return
		}
		paths = append(paths, path)
	}
	for _, imp := range imports {
		if ref, ok := imp.Path.Value.(ast.Ref); ok && ref.HasPrefix(ast.DefaultRootRef) {
			add(ref)
		}
	}
	vis := ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.Import, *ast.Package:
			return true
		case ast.Ref:
			head, ok := x[0].Value.(ast.Var)
			switch {
			case !ok:
			case head.Equal(ast.DefaultRootDocument.Value):
				add(x)
				for _, t := range x[1:] { // the operands of a reference refer, too
					if _, ok := t.Value.(ast.String); !ok {
						more, dyn := references(t, nil)
						paths = append(paths, more...)
						dynamic = dynamic || dyn
					}
				}
				return true
			case head == "rego" && len(x) > 1 && x[1].Value.Compare(ast.String("metadata")) == 0:
				dynamic = true
			}
		case ast.Var:
			if x.Equal(ast.DefaultRootDocument.Value) {
				dynamic = true
			}
		}
		return false
	})
	vis.Walk(x)
	return paths, dynamic
}
