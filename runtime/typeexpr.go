package runtime

import (
	"strings"

	"go.starlark.net/syntax"
)

// typeExpr is a type as it is written: a name, perhaps with arguments, or
// alternatives.
type typeExpr struct {
	pos  syntax.Position
	name string      // dotted; "|" for alternatives, "[" for the parameters of a callable
	args []*typeExpr // nil when there are no brackets
}

// String is the type in its usual spelling: "dict[str, list[int]] | None".
func (e *typeExpr) String() string {
	var parts []string
	for _, a := range e.args {
		parts = append(parts, a.String())
	}
	switch {
	case e.name == "|":
		return strings.Join(parts, " | ")
	case e.name == "[":
		return "[" + strings.Join(parts, ", ") + "]"
	case e.args == nil:
		return e.name
	}
	return e.name + "[" + strings.Join(parts, ", ") + "]"
}

// maxTypeDepth bounds how deep types are nested.
const maxTypeDepth = 50

// typeOf reads alternatives from the text at s: T, T | U. depth counts the open
// brackets, inside of which a line may end.
func (s *scanner) typeOf(depth int) (*typeExpr, error) {
	if depth > maxTypeDepth {
		return nil, s.error("a type is nested more than %d deep", maxTypeDepth)
	}
	first, err := s.typeAtom(depth)
	if err != nil {
		return nil, err
	}
	all := []*typeExpr{first}
	for s.after('|', depth > 0) {
		s.space(depth > 0)
		next, err := s.typeAtom(depth)
		if err != nil {
			return nil, err
		}
		all = append(all, next)
	}
	if len(all) == 1 {
		return first, nil
	}
	return &typeExpr{pos: first.pos, name: "|", args: all}, nil
}

// typeAtom reads a name, a name with arguments, or a type in parentheses.
func (s *scanner) typeAtom(depth int) (*typeExpr, error) {
	if s.peek() == '(' {
		s.off++
		s.space(true)
		e, err := s.typeOf(depth + 1)
		if err != nil {
			return nil, err
		}
		if !s.after(')', true) {
			return nil, s.unexpected("a parenthesis that closes")
		}
		return e, nil
	}
	e := &typeExpr{pos: s.pos(), name: s.ident()}
	if e.name == "" {
		return nil, s.unexpected("a type")
	}
	for s.peek() == '.' && s.peekAt(1) != '.' {
		s.off++
		member := s.ident()
		if member == "" {
			return nil, s.unexpected("a name")
		}
		e.name += "." + member
	}
	if !s.after('[', depth > 0) {
		return e, nil
	}
	var err error
	e.args, err = s.typeArgs(depth + 1)
	return e, err
}

// typeArgs reads what stands between brackets, and the bracket that closes.
func (s *scanner) typeArgs(depth int) ([]*typeExpr, error) {
	args := []*typeExpr{}
	for {
		s.space(true)
		switch {
		case s.peek() == ']':
			s.off++
			return args, nil
		case s.peek() == '.' && s.peekAt(1) == '.' && s.peekAt(2) == '.':
			args = append(args, &typeExpr{pos: s.pos(), name: "..."})
			s.off += 3
		case s.peek() == '[':
			if depth > maxTypeDepth {
				return nil, s.error("a type is nested more than %d deep", maxTypeDepth)
			}
			list := &typeExpr{pos: s.pos(), name: "["}
			s.off++
			var err error
			if list.args, err = s.typeArgs(depth + 1); err != nil {
				return nil, err
			}
			args = append(args, list)
		default:
			e, err := s.typeOf(depth)
			if err != nil {
				return nil, err
			}
			args = append(args, e)
		}
		if !s.after(',', true) && s.peek() != ']' {
			return nil, s.unexpected("a comma or a bracket that closes")
		}
	}
}

// typeFrom makes a type of an expression of the language, where a call takes
// types: record(tags = list[str] | None). It gives nil for what is no type.
func typeFrom(x syntax.Expr) *typeExpr {
	switch x := x.(type) {
	case *syntax.ParenExpr:
		return typeFrom(x.X)
	case *syntax.Ident:
		return &typeExpr{pos: x.NamePos, name: x.Name}
	case *syntax.DotExpr:
		if of := typeFrom(x.X); of != nil && of.args == nil {
			return &typeExpr{pos: of.pos, name: of.name + "." + x.Name.Name}
		}
	case *syntax.BinaryExpr:
		left, right := typeFrom(x.X), typeFrom(x.Y)
		if x.Op != syntax.PIPE || left == nil || right == nil {
			return nil
		}
		all := []*typeExpr{left, right}
		if left.name == "|" {
			all = append(left.args[:len(left.args):len(left.args)], right)
		}
		return &typeExpr{pos: left.pos, name: "|", args: all}
	case *syntax.IndexExpr:
		e := typeFrom(x.X)
		if e == nil || e.args != nil {
			return nil
		}
		args := []syntax.Expr{x.Y}
		if tuple, ok := x.Y.(*syntax.TupleExpr); ok {
			args = tuple.List
		}
		for _, arg := range args {
			a := typeFrom(arg)
			if a == nil {
				return nil
			}
			e.args = append(e.args, a)
		}
		return e
	}
	return nil
}
