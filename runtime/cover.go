package runtime

import (
	"maps"
	"slices"
	"sync"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Coverage counts how often each statement of the files that a [Host] loads is
// reached. One serves any number of hosts, programs and calls at once. Each
// statement costs a call more: it is for tests.
type Coverage struct {
	mu    sync.Mutex
	files map[string]map[int]int
}

// NewCoverage returns a Coverage that has seen nothing.
func NewCoverage() *Coverage { return &Coverage{files: make(map[string]map[int]int)} }

// LineHits is how often the statements that begin on a line were reached.
type LineHits struct {
	Line int // from 1
	Hits int
}

// Files are the names of the files that were loaded or added, sorted, as traces
// show them.
func (c *Coverage) Files() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.files))
}

// Lines are the lines of a file on which a statement begins, in their order.
func (c *Coverage) Lines(file string) []LineHits {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []LineHits
	for _, line := range slices.Sorted(maps.Keys(c.files[file])) {
		all = append(all, LineHits{line, c.files[file][line]})
	}
	return all
}

// Add counts the statements of a file that nobody may have loaded as not reached.
// A text that does not parse has none.
func (c *Coverage) Add(file string, text []byte) {
	m := &module{Module: Module{Name: file}, text: text}
	if parse(m, false) == nil {
		c.statements(m.file.Stmts, func(line int) { c.note(file, line, 0) })
	}
}

func (c *Coverage) note(file string, line, hits int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines := c.files[file]
	if lines == nil {
		lines = make(map[int]int)
		c.files[file] = lines
	}
	lines[line] += hits
}

// coverName is what counts a statement in the names of a module.
const coverName = "cover" + guardName

// instrument puts a call before each statement of a parsed module, and gives the
// function that is called. The interpreter's own positions say only where
// something may fail, not which statements ran.
func (c *Coverage) instrument(m *module) starlark.Value {
	c.statements(m.file.Stmts, func(line int) { c.note(m.Name, line, 0) })
	m.file.Stmts = c.counted(m.file.Stmts)
	return starlark.NewBuiltin(coverName, func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		line, _ := starlark.AsInt32(args[0])
		c.note(m.Name, line, 1)
		return starlark.None, nil
	})
}

// statements calls yield with the line of each statement, those within others
// included. A docstring is none.
func (c *Coverage) statements(stmts []syntax.Stmt, yield func(line int)) {
	for _, stmt := range stmts {
		if !isText(stmt) {
			yield(int(syntax.Start(stmt).Line))
		}
		for _, block := range blocks(stmt) {
			c.statements(*block, yield)
		}
	}
}

// counted is stmts with a call of the counter before each.
func (c *Coverage) counted(stmts []syntax.Stmt) []syntax.Stmt {
	var all []syntax.Stmt
	for _, stmt := range stmts {
		for _, block := range blocks(stmt) {
			*block = c.counted(*block)
		}
		if !isText(stmt) {
			start := syntax.Start(stmt)
			line := &syntax.Literal{Token: syntax.INT, TokenPos: start, Value: int64(start.Line)}
			all = append(all, &syntax.ExprStmt{X: guard(coverName, line, start)})
		}
		all = append(all, stmt)
	}
	return all
}

// blocks are the lists of statements that a statement holds.
func blocks(stmt syntax.Stmt) []*[]syntax.Stmt {
	switch s := stmt.(type) {
	case *syntax.DefStmt:
		return []*[]syntax.Stmt{&s.Body}
	case *syntax.ForStmt:
		return []*[]syntax.Stmt{&s.Body}
	case *syntax.WhileStmt:
		return []*[]syntax.Stmt{&s.Body}
	case *syntax.IfStmt:
		return []*[]syntax.Stmt{&s.True, &s.False}
	}
	return nil
}

// isText reports a statement that is a string alone: a docstring does nothing.
func isText(stmt syntax.Stmt) bool {
	e, ok := stmt.(*syntax.ExprStmt)
	if !ok {
		return false
	}
	l, ok := e.X.(*syntax.Literal)
	return ok && l.Token == syntax.STRING
}
