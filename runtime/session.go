package runtime

import (
	"bytes"
	"context"
	"maps"
	"path"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/policyhost/policy/runtime/fault"
)

// Session is a program that goes on: each piece of text that it evaluates sees
// what those before it defined, and may define it anew. It is for one goroutine.
type Session struct {
	host    *Host
	loader  *loader
	m       *module             // all pieces are one module, whose text grows
	env     starlark.StringDict // what a piece sees: predeclared names, and what was defined
	defined starlark.StringDict // what was defined alone
	lines   int                 // of text so far
	kept    []starlark.StringDict
	working <-chan struct{} // closed once a piece that was given up has ended
}

// sessionName is the file that traces name for what was typed.
const sessionName = "shell"

// sessionDialect is the language of a session: that of files, in which a name may
// be given another value.
var sessionDialect = syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true, LoadBindsGlobally: true}

// Session begins with what the program defines and loads. The program must not be
// used while the session is.
func (p *Program) Session() *Session {
	m := &module{
		Module: Module{Name: sessionName, Root: p.host.Root, Main: true},
		path:   path.Join(path.Dir(p.main.path), sessionName),
		before: maps.Clone(p.main.globals),
	}
	for _, load := range p.main.loads() {
		from, err := p.loader.resolve(p.main, load.ModuleName())
		if err != nil || p.loader.modules[from.key()] == nil {
			continue
		}
		for i, to := range load.To {
			m.before[to.Name] = p.loader.modules[from.key()].globals[load.From[i].Name]
		}
	}
	s := &Session{host: p.host, loader: p.loader, m: m, defined: m.before}
	s.env = maps.Clone(p.loader.env(m))
	maps.Copy(s.env, s.defined)
	m.env = s.env
	p.loader.modules[m.key()] = m
	p.loader.stack = []*module{m}
	return s
}

// Eval runs text as if it stood in a function: verbs may have effects. What it
// defines stays, also when it fails half way. The result is the value of a final
// expression as [Program.Call] gives it, or a string that shows what has no such
// value, a function say; it is "_" in what follows, unless it is nil. The limits
// are those of a call. Eval fails as [Program.Call] does; a text that did not stop
// in time is given up, and the next one waits until it ends.
func (s *Session) Eval(ctx context.Context, text string) (any, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	if err := s.read(text); err != nil {
		return nil, s.loader.fault(err)
	}
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	c := &piece{session: s, signatures: len(s.m.signatures)}
	r := newRun(s.host, s.loader, false)
	r.session = s
	err := r.do(ctx, func() error { return c.run(r) })
	if r.givenUp.Load() {
		s.working = r.idle
		return nil, err
	}
	if typeErr := c.define(); typeErr != nil && err == nil {
		err = s.loader.fault(typeErr)
	}
	return c.result, err
}

// Defines reports whether a name was defined, by the program or what was evaluated.
func (s *Session) Defines(name string) bool { return s.defined.Has(name) }

// Describe gives the function that a name stands for; false when what was defined
// or loaded under it is none.
func (s *Session) Describe(name string) (Function, bool) {
	fn, ok := s.evaluate(name).(*starlark.Function)
	if !ok {
		return Function{}, false
	}
	return s.loader.describe(name, fn), true
}

// wait lets a piece end that was given up.
func (s *Session) wait(ctx context.Context) error {
	if s.working == nil {
		return nil
	}
	select {
	case <-s.working:
		s.working = nil
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}

// read parses the next lines.
func (s *Session) read(text string) error {
	lines := append(bytes.TrimPrefix([]byte(text), []byte("\uFEFF")), '\n')
	if len(lines) > maxSource {
		return fault.New(fault.Limit, "", "a text of more than %d bytes", maxSource)
	}
	first := s.lines + 1
	s.lines += strings.Count(string(lines), "\n")
	s.m.text = append(s.m.text, lines...)
	s.m.top = nil
	if err := s.m.read(&sessionDialect, first, lines); err != nil {
		return err
	}
	s.recall()
	return nil
}

// recall lets the names that the text binds begin with the values they have, so
// that x += 1 works: to the compiler they are new.
func (s *Session) recall() {
	var all []syntax.Stmt
	bound := make(map[string]bool)
	recall := func(id *syntax.Ident) {
		if v := s.value(id.Name); v != nil && !bound[id.Name] {
			bound[id.Name] = true
			all = append(all, assign(id.NamePos, id.Name, &syntax.Ident{NamePos: id.NamePos, Name: formerly(id.Name)}))
			s.env[formerly(id.Name)] = v
		}
	}
	for _, stmt := range s.m.file.Stmts {
		switch stmt.(type) {
		case *syntax.DefStmt, *syntax.LoadStmt:
		default:
			eachBinding(stmt, recall)
		}
	}
	s.m.file.Stmts = append(all, s.m.file.Stmts...)
}

// former is in front of the names of former values.
const former = "former "

func formerly(name string) string { return former + name + guardName }

func assign(at syntax.Position, name string, value syntax.Expr) syntax.Stmt {
	return &syntax.AssignStmt{OpPos: at, Op: syntax.EQ, LHS: &syntax.Ident{NamePos: at, Name: name}, RHS: value}
}

// value is what a name stands for, nil when it stands for nothing.
func (s *Session) value(name string) starlark.Value {
	if v := s.env[name]; v != nil {
		return v
	}
	return starlark.Universe[name]
}

// load checks the text and loads what it wants to be loaded, within the limits of
// loading.
func (s *Session) load(ctx context.Context) error {
	defer s.loader.close()
	if err := s.loader.fetch(ctx, s.m); err != nil {
		return err
	}
	r := newRun(s.host, s.loader, true)
	err := r.do(ctx, func() error {
		if err := r.check(s.m); err != nil {
			return err
		}
		for _, load := range s.m.loads() {
			if _, err := r.module(s.m, load.ModuleName()); err != nil {
				f := *s.loader.fault(err)
				f.Trace = append([]fault.Frame{s.loader.frame("<toplevel>", load.Load)}, f.Trace...)
				return &checked{&f}
			}
		}
		return nil
	})
	if err != nil { // the file may be mended and loaded again
		s.loader.stack = s.loader.stack[:1]
		s.loader.peeked = nil
		maps.DeleteFunc(s.loader.modules, func(_ string, m *module) bool { return m.globals == nil && m != s.m })
	}
	return err
}

// piece is one run of a session's text.
type piece struct {
	session    *Session
	signatures int // of the session before it
	globals    starlark.StringDict
	result     any
}

// answerName holds the value of the final expression.
const answerName = "answer" + guardName

func (c *piece) run(r *run) error {
	m := c.session.m
	if n := len(m.file.Stmts); n > 0 {
		if last, ok := m.file.Stmts[n-1].(*syntax.ExprStmt); ok {
			m.file.Stmts[n-1] = assign(syntax.Start(last), answerName, last.X)
		}
	}
	program, err := compile(m, c.session.env, nil)
	if err != nil {
		return err
	}
	globals, err := program.Init(r.first.thread, c.session.env)
	c.globals = globals
	if answer := globals[answerName]; answer != nil && answer != starlark.None {
		globals["_"] = answer
		c.result = shown(answer)
	}
	return err
}

// shown is the Go value of v, or its text.
func shown(v starlark.Value) any {
	if value, err := toGo(v); err == nil {
		return value
	}
	return v.String()
}

// define makes what the text defined known to those that follow.
func (c *piece) define() error {
	s := c.session
	maps.DeleteFunc(c.globals, func(name string, _ starlark.Value) bool { return isGuard(name) })
	maps.DeleteFunc(s.env, func(name string, _ starlark.Value) bool { return strings.HasPrefix(name, former) })
	if err := s.m.resolveTypes(s.loader, c.globals, s.m.signatures[c.signatures:]); err != nil {
		return err
	}
	maps.Copy(s.defined, c.globals)
	maps.Copy(s.env, c.globals)
	if c.hasFunctions() {
		s.kept = append(s.kept, c.globals)
	}
	return nil
}

// hasFunctions reports whether a function may know the globals of the text, and
// not the values that their names get later.
func (c *piece) hasFunctions() (has bool) {
	syntax.Walk(c.session.m.file, func(n syntax.Node) bool {
		switch n.(type) {
		case *syntax.DefStmt, *syntax.LambdaExpr:
			has = true
		}
		return !has
	})
	return has && len(c.globals) > 1
}

// freeze makes what the branches of a session may share unchangeable: in a file,
// loading has done so. Nothing else runs while the first branch begins others.
func (s *Session) freeze(b *branch) {
	if s == nil || b.parent != nil {
		return
	}
	s.defined.Freeze()
	for _, globals := range s.kept {
		globals.Freeze()
	}
	for depth := range b.thread.CallStackDepth() {
		if fn, ok := b.thread.DebugFrame(depth).Callable().(*starlark.Function); ok {
			fn.Globals().Freeze()
		}
	}
}
