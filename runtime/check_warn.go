package runtime

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/policyhost/policy/runtime/fault"
)

// warn reports what works and is probably not meant.
func (c *checker) warn() {
	for _, v := range c.vars {
		c.unused(v)
		c.shadowed(v)
	}
	if c.m.body == nil {
		c.unreachable(c.m.file.Stmts)
	}
	syntax.Walk(c.m.file, func(n syntax.Node) bool {
		if def, ok := n.(*syntax.DefStmt); ok {
			c.unreachable(def.Body)
			if def != c.m.body {
				c.missingReturn(def)
				c.docstring(def)
			}
		}
		return true
	})
}

func (c *checker) unused(v *variable) {
	name, width := v.ident.Name, len([]rune(v.ident.Name))
	switch {
	case v.uses > 0 || !v.simple || v.sites > 1 && v.load != nil:
	case v.load != nil:
		c.warnAt(v.ident.NamePos, width, "unused-load", "", "%s is loaded and not used", name)
	case strings.HasPrefix(name, "_") && (v.local || name == "_"):
	case v.local || strings.HasPrefix(name, "_"):
		hint := ""
		if v.local && v.def == nil {
			hint = "a name that begins with _ may be unused"
		}
		c.warnAt(v.ident.NamePos, width, "unused-variable", hint, "%s is never used", name)
	}
}

// shadowed reports a name that hides one of the host or the language. Unless they
// are called, parameters may do that, as flags have the names that verbs have, and
// everything may hide a verb: new ones must not make warnings in old pipelines.
func (c *checker) shadowed(v *variable) {
	name := v.ident.Name
	_, universal := starlark.Universe[name]
	if isGuard(name) || (v.isArg || !universal) && !v.called {
		return
	}
	if _, ours := c.loader.env(c.m)[name]; ours || universal {
		c.warnAt(v.ident.NamePos, len([]rune(name)), "shadowed-builtin", "call it something else", "%s hides the builtin %s", name, name)
	}
}

// unreachable reports the first statement of each block that nothing reaches.
func (c *checker) unreachable(block []syntax.Stmt) {
	for i, stmt := range block {
		if i > 0 && c.ends(block[i-1]) {
			pos, width := placeOf(stmt)
			c.warnAt(pos, width, "unreachable", "", "nothing gets here: the statement before it ends the %s", c.endOf(block[i-1]))
			return
		}
		switch stmt := stmt.(type) {
		case *syntax.IfStmt:
			c.unreachable(stmt.True)
			c.unreachable(stmt.False)
		case *syntax.ForStmt:
			c.unreachable(stmt.Body)
		case *syntax.WhileStmt:
			c.unreachable(stmt.Body)
		}
	}
}

func (c *checker) endOf(stmt syntax.Stmt) string {
	if _, branch := stmt.(*syntax.BranchStmt); branch {
		return "loop's turn"
	}
	return "function"
}

// ends reports a statement after which the next one in its block never runs.
func (c *checker) ends(stmt syntax.Stmt) bool {
	switch stmt := stmt.(type) {
	case *syntax.ReturnStmt:
		return true
	case *syntax.BranchStmt:
		return stmt.Token != syntax.PASS
	case *syntax.IfStmt:
		return len(stmt.False) > 0 && c.blockEnds(stmt.True) && c.blockEnds(stmt.False)
	case *syntax.WhileStmt:
		id, ok := stmt.Cond.(*syntax.Ident)
		return ok && id.Name == "True" && !breaks(stmt.Body)
	case *syntax.ExprStmt:
		call, ok := stmt.X.(*syntax.CallExpr)
		if !ok {
			return false
		}
		t := c.targetOf(c.m, call.Fn)
		return t != nil && t.universe == "fail" && t.builtin == nil
	}
	return false
}

func (c *checker) blockEnds(block []syntax.Stmt) bool {
	return slices.ContainsFunc(block, c.ends)
}

// breaks reports a break that leaves the loop with this body.
func breaks(body []syntax.Stmt) bool {
	return slices.ContainsFunc(body, func(stmt syntax.Stmt) bool {
		switch stmt := stmt.(type) {
		case *syntax.BranchStmt:
			return stmt.Token == syntax.BREAK
		case *syntax.IfStmt:
			return breaks(stmt.True) || breaks(stmt.False)
		}
		return false
	})
}

// missingReturn reports a function that returns a value on some ways only.
func (c *checker) missingReturn(def *syntax.DefStmt) {
	valued, bare := returns(def.Body)
	sig := c.signature(c.m, def)
	promised := sig.result != nil && !sig.result.takesNone()
	if valued == 0 && !promised {
		return
	}
	switch {
	case bare != nil:
		c.warnAt(bare.Return, len("return"), "missing-return", "write return None where that is meant", "%s returns a value elsewhere, and none here", def.Name.Name)
	case !c.blockEnds(def.Body):
		what := "elsewhere"
		if valued == 0 {
			what = "by its annotation"
		}
		c.warnAt(def.Name.NamePos, len([]rune(def.Name.Name)), "missing-return", "write return None where that is meant", "%s returns a value %s, and none at its end", def.Name.Name, what)
	}
}

// returns counts the return statements with a value, and finds one without.
func returns(body []syntax.Stmt) (valued int, bare *syntax.ReturnStmt) {
	for _, stmt := range body {
		more, none := 0, (*syntax.ReturnStmt)(nil)
		switch stmt := stmt.(type) {
		case *syntax.ReturnStmt:
			if stmt.Result != nil {
				more = 1
			} else {
				none = stmt
			}
		case *syntax.IfStmt:
			yes, bareYes := returns(stmt.True)
			no, bareNo := returns(stmt.False)
			more, none = yes+no, bareYes
			if none == nil {
				none = bareNo
			}
		case *syntax.ForStmt:
			more, none = returns(stmt.Body)
		case *syntax.WhileStmt:
			more, none = returns(stmt.Body)
		}
		if valued += more; bare == nil {
			bare = none
		}
	}
	return valued, bare
}

// docstring reports arguments that the docstring explains and the function has
// not, or the other way round.
func (c *checker) docstring(def *syntax.DefStmt) {
	if !isDocstring(def.Body[0]) {
		return
	}
	literal := def.Body[0].(*syntax.ExprStmt).X.(*syntax.Literal)
	_, _, help := splitDoc(literal.Value.(string))
	if len(help) == 0 {
		return
	}
	var names []string
	for _, p := range def.Params {
		if id, _ := paramIdent(p); id != nil {
			names = append(names, id.Name)
		}
	}
	for name := range help {
		if slices.Contains(names, name) {
			continue
		}
		hint, near := "", fault.Nearest(name, names)
		if near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		pos := placeInDoc(literal, name)
		c.warnAt(pos, len([]rune(name)), "docstring", hint, "%s has no parameter %s, which its docstring explains", def.Name.Name, name).Replace = near
	}
	for _, name := range names {
		if _, ok := help[name]; !ok && !strings.HasPrefix(name, "_") {
			pos, width := placeOf(def.Name)
			c.warnAt(pos, width, "docstring", "", "the docstring of %s explains other parameters and not %s", def.Name.Name, name)
		}
	}
}

// placeInDoc finds where a docstring explains an argument.
func placeInDoc(literal *syntax.Literal, name string) syntax.Position {
	pos := literal.TokenPos
	for i, line := range strings.Split(literal.Raw, "\n") {
		word := strings.TrimLeft(line, " \t*")
		if rest, ok := strings.CutPrefix(word, name); ok && i > 0 && (strings.HasPrefix(rest, ":") || strings.HasPrefix(rest, " ")) {
			pos.Line += int32(i)
			pos.Col = int32(len([]rune(line)) - len([]rune(word)) + 1)
			return pos
		}
	}
	return pos
}
