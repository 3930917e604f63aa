package runtime

import (
	"maps"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// keywords are the words of the language that are no values.
var keywords = []string{"and", "break", "continue", "def", "elif", "else", "for", "if", "in", "lambda", "load", "not", "or", "pass", "return", "while"}

// Complete gives what may stand at the end of a line, sorted, and the part of the
// line that is the beginning of each: names and keywords of the language, names
// that are predeclared or were defined, attributes of values that exist, and the
// parameters of a function that is called, as "force = ". Nothing is run for it.
func (s *Session) Complete(line string) (typed string, names []string) {
	code, calls := scanLine(line)
	if !code {
		return "", nil
	}
	start := startOfName(line)
	typed = line[start:]
	if start > 0 && line[start-1] == '.' {
		names = attrNames(s.evaluate(operand(line[:start-1])))
	} else {
		if len(calls) > 0 && (typed != "" || strings.HasSuffix(strings.TrimRight(line, " "), "(") || strings.HasSuffix(strings.TrimRight(line, " "), ",")) {
			names = s.parameters(operand(line[:calls[len(calls)-1]]))
		}
		if len(names) == 0 || typed != "" {
			names = append(names, s.names()...)
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return !strings.HasPrefix(name, typed) || typed == "" && strings.HasPrefix(name, "_")
	})
	slices.Sort(names)
	return typed, slices.Compact(names)
}

func (s *Session) names() []string {
	names := slices.Collect(maps.Keys(s.env))
	names = append(slices.DeleteFunc(names, isGuard), starlark.Universe.Keys()...)
	return append(names, keywords...)
}

// scanLine reports whether the end of a line is code, and not in a string or a
// comment, and which calls are open there: the places of their parentheses.
func scanLine(line string) (code bool, calls []int) {
	var open []int
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case '#':
			return false, nil
		case '"', '\'':
			s := &scanner{text: []byte(line), off: i}
			s.string()
			if i = s.off - 1; i == len(line)-1 && (line[i] != c || s.off == 1) {
				return false, nil
			}
		case '(', '[', '{':
			open = append(open, i)
		case ')', ']', '}':
			open = open[:max(0, len(open)-1)]
		}
	}
	for _, i := range open {
		if line[i] == '(' && i > 0 && isName(rune(line[i-1])) {
			calls = append(calls, i)
		}
	}
	if n := len(open); n > 0 && len(calls) > 0 && calls[len(calls)-1] != open[n-1] {
		calls = nil // in a list, say
	}
	return true, calls
}

func startOfName(line string) int {
	at := len(line)
	for at > 0 && line[at-1] != '.' && isName(rune(line[at-1])) {
		at--
	}
	return at
}

// operand is the expression of names, dots and subscripts that a text ends with.
func operand(text string) string {
	at := len(text)
	for depth := 0; at > 0; at-- {
		switch c := text[at-1]; {
		case c == ']':
			depth++
		case c == '[' && depth > 0:
			depth--
		case depth == 0 && !isName(rune(c)):
			return text[at:]
		}
	}
	return text
}

// evaluate gives the value of an expression of names, dots and subscripts, nil for
// another one, or when there is none.
func (s *Session) evaluate(text string) starlark.Value {
	x, err := sessionDialect.ParseExpr("", text, 0)
	if err != nil {
		return nil
	}
	return s.evaluateExpr(x)
}

func (s *Session) evaluateExpr(x syntax.Expr) starlark.Value {
	switch x := x.(type) {
	case *syntax.Ident:
		return s.value(x.Name)
	case *syntax.DotExpr:
		if has, ok := s.evaluateExpr(x.X).(starlark.HasAttrs); ok {
			if v, err := has.Attr(x.Name.Name); err == nil {
				return v
			}
		}
	case *syntax.IndexExpr:
		key, ok := literalValue(x.Y)
		if !ok {
			return nil
		}
		switch of := s.evaluateExpr(x.X).(type) {
		case starlark.Mapping:
			if v, found, err := of.Get(key); found && err == nil {
				return v
			}
		case starlark.Indexable:
			if i, err := starlark.AsInt32(key); err == nil && i >= 0 && i < of.Len() {
				return of.Index(i)
			}
		}
	}
	return nil
}

func attrNames(v starlark.Value) []string {
	if has, ok := v.(starlark.HasAttrs); ok {
		return slices.Clone(has.AttrNames())
	}
	return nil
}

// parameters are those of what text names, as they are typed by name.
func (s *Session) parameters(text string) []string {
	var names []string
	switch v := s.evaluate(text).(type) {
	case *starlark.Function:
		for _, p := range untypedParameters(v) {
			if !p.Variadic && !p.Extra {
				names = append(names, p.Name)
			}
		}
	case *recordType:
		names = slices.Clone(v.fields)
	case *starlark.Builtin:
		for _, b := range s.m.builtins {
			if b.Name != v.Name() && !slices.Contains(b.Aliases, v.Name()) {
				continue
			}
			if p, err := planOf(b.Args); err == nil {
				names = slices.Clone(p.names)
			}
		}
	}
	for i := range names {
		names[i] += " = "
	}
	return names
}
