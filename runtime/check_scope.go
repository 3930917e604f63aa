package runtime

import (
	"maps"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/syntax"
)

// symbol is what a name that is bound once is bound to.
type symbol struct {
	in    *module
	def   *syntax.DefStmt
	value syntax.Expr      // of NAME = value
	load  *syntax.LoadStmt // that binds it, and which name of the other file
	from  string
	param *typ // the type of a parameter, nil when it has none
}

// variable is a name of the file that is checked.
type variable struct {
	symbol
	ident  *syntax.Ident
	sites  int // places that bind it
	uses   int
	called bool
	simple bool // bound by NAME = value, def or load
	isArg  bool // a parameter
	local  bool // to a function
}

// loads are the load statements of a file.
func (m *module) loads() []*syntax.LoadStmt {
	var all []*syntax.LoadStmt
	for _, stmt := range m.file.Stmts {
		if load, ok := stmt.(*syntax.LoadStmt); ok {
			all = append(all, load)
		}
	}
	return all
}

// defines is what other files may load from m: its top-level names, with a nil
// symbol for what is bound in more than one place or in ways that say little.
func (m *module) defines() map[string]*symbol {
	if m.top != nil {
		return m.top
	}
	m.top = make(map[string]*symbol)
	add := func(id *syntax.Ident, s *symbol) {
		if _, twice := m.top[id.Name]; twice {
			s = nil
		}
		m.top[id.Name] = s
	}
	for _, stmt := range m.file.Stmts {
		switch stmt := stmt.(type) {
		case *syntax.DefStmt:
			add(stmt.Name, &symbol{in: m, def: stmt})
		case *syntax.AssignStmt:
			if id, ok := stmt.LHS.(*syntax.Ident); ok && stmt.Op == syntax.EQ {
				add(id, &symbol{in: m, value: stmt.RHS})
			} else {
				eachIdent(stmt.LHS, func(id *syntax.Ident) { add(id, nil) })
			}
		case *syntax.IfStmt, *syntax.ForStmt, *syntax.WhileStmt:
			eachBinding(stmt, func(id *syntax.Ident) { add(id, nil) })
		}
	}
	return m.top
}

// names are the names that other files may load, sorted.
func (m *module) names() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(m.defines())), func(n string) bool { return strings.HasPrefix(n, "_") })
}

// eachBinding visits the names that a statement binds outside of functions in it.
func eachBinding(stmt syntax.Stmt, visit func(*syntax.Ident)) {
	syntax.Walk(stmt, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt:
			visit(n.Name)
			return false
		case *syntax.LambdaExpr, *syntax.Comprehension:
			return false
		case *syntax.AssignStmt:
			eachIdent(n.LHS, visit)
		case *syntax.ForStmt:
			eachIdent(n.Vars, visit)
		}
		return true
	})
}

// eachIdent visits the names that an assignment binds.
func eachIdent(lhs syntax.Expr, visit func(*syntax.Ident)) {
	switch lhs := lhs.(type) {
	case *syntax.Ident:
		visit(lhs)
	case *syntax.ParenExpr:
		eachIdent(lhs.X, visit)
	case *syntax.TupleExpr:
		for _, x := range lhs.List {
			eachIdent(x, visit)
		}
	case *syntax.ListExpr:
		for _, x := range lhs.List {
			eachIdent(x, visit)
		}
	}
}

// bind collects the variables of the file, where they are bound and how often
// they are used.
func (c *checker) bind() {
	site := func(id *syntax.Ident, s symbol, simple bool) *variable {
		b, ok := id.Binding.(*resolve.Binding)
		if !ok || b.First == nil {
			return new(variable)
		}
		v := c.vars[b.First]
		if v == nil {
			v = &variable{ident: b.First}
			c.vars[b.First] = v
		}
		if v.sites++; v.sites == 1 {
			v.symbol, v.simple = s, simple
		}
		c.sites[id] = true
		return v
	}
	plain := func(id *syntax.Ident) { site(id, symbol{in: c.m}, false) }
	params := func(def *syntax.DefStmt, exprs []syntax.Expr) {
		for _, p := range exprs {
			id, star := paramIdent(p)
			if id == nil {
				continue
			}
			s := symbol{in: c.m}
			if def != nil && star == 0 {
				s.param = c.annotated(c.m, def, id.Name)
			}
			site(id, s, false).isArg = true
		}
	}
	syntax.Walk(c.m.file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.LoadStmt:
			for i, to := range n.To {
				site(to, symbol{in: c.m, load: n, from: n.From[i].Name}, true)
			}
			return false
		case *syntax.DefStmt:
			site(n.Name, symbol{in: c.m, def: n}, true)
			params(n, n.Params)
		case *syntax.LambdaExpr:
			params(nil, n.Params)
		case *syntax.AssignStmt:
			if id, ok := n.LHS.(*syntax.Ident); ok && n.Op == syntax.EQ {
				site(id, symbol{in: c.m, value: n.RHS}, true)
			} else {
				eachIdent(n.LHS, plain)
			}
		case *syntax.ForStmt:
			eachIdent(n.Vars, plain)
		case *syntax.ForClause:
			eachIdent(n.Vars, plain)
		}
		return true
	})
	for _, v := range c.vars {
		b := v.ident.Binding.(*resolve.Binding)
		v.local = b.Scope != resolve.Global && v.load == nil
	}
	c.countUses()
}

func (c *checker) countUses() {
	syntax.Walk(c.m.file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.LoadStmt:
			return false
		case *syntax.CallExpr:
			if id, ok := n.Fn.(*syntax.Ident); ok {
				if v := c.variable(id); v != nil {
					v.called = true
				}
			}
		case *syntax.AssignStmt:
			if n.Op != syntax.EQ {
				eachIdent(n.LHS, func(id *syntax.Ident) {
					if v := c.variable(id); v != nil {
						v.uses++
					}
				})
			}
		case *syntax.Ident:
			if v := c.variable(n); v != nil && !c.sites[n] {
				v.uses++
			}
		}
		return true
	})
}

// variable is what an identifier of the file stands for, nil when that is no
// variable of the file.
func (c *checker) variable(id *syntax.Ident) *variable {
	if b, ok := id.Binding.(*resolve.Binding); ok && b.First != nil {
		return c.vars[b.First]
	}
	return nil
}

// symbolOf is what a name in a file is bound to: nil when that is not certain,
// and outer when it is no name of the file but of the host or the language.
func (c *checker) symbolOf(m *module, id *syntax.Ident) (s *symbol, outer bool) {
	if m != c.m {
		s, own := m.defines()[id.Name]
		if own {
			return c.follow(s), false
		}
		for _, load := range m.loads() {
			for i, to := range load.To {
				if to.Name == id.Name {
					return c.follow(&symbol{in: m, load: load, from: load.From[i].Name}), false
				}
			}
		}
		return nil, true
	}
	b, ok := id.Binding.(*resolve.Binding)
	if !ok || b.Scope == resolve.Undefined {
		return nil, false
	}
	if c.m.before.Has(id.Name) {
		return nil, false
	}
	if b.Scope == resolve.Predeclared || b.Scope == resolve.Universal {
		return nil, true
	}
	if v := c.vars[b.First]; v != nil && v.sites == 1 {
		return c.follow(&v.symbol), false
	}
	return nil, false
}

// follow finds what a loaded name is in its own file.
func (c *checker) follow(s *symbol) *symbol {
	for range maxTypeDepth {
		if s == nil || s.load == nil {
			return s
		}
		other, err := c.loader.peek(s.in, s.load.ModuleName())
		if err != nil {
			return nil
		}
		s = other.defines()[s.from]
	}
	return nil
}
