package runtime

import (
	"slices"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// attributes are the names that x certainly has, and what has them; of is empty
// when that is not certain.
func (c *checker) attributes(x syntax.Expr) (of string, names []string) {
	if t := c.targetOf(c.m, x); t != nil {
		switch {
		case t.enum != nil:
			return t.enum.name, t.enum.members
		case t.module != nil:
			return t.module.Name, t.module.AttrNames()
		case t.members != nil:
			for name := range t.members {
				names = append(names, name)
			}
			slices.Sort(names)
			return "struct", names
		}
	}
	return attributesOf(c.typeOf(c.m, x))
}

func attributesOf(t *typ) (of string, names []string) {
	if t == nil {
		return "", nil
	}
	switch t.kind {
	case unionKind: // any of them may be it
		for _, a := range t.args {
			one, more := attributesOf(a)
			if one == "" {
				return "", nil
			}
			if names = append(names, more...); of == "" {
				of = one
			}
		}
		return of, names
	case recordKind:
		return t.rec.name, t.rec.fields
	case resultKind:
		if isOpaque(t.goes) {
			return t.goes.Name(), nil
		}
		return shapeOf(t.goes).typ, shapeOf(t.goes).names
	case enumKind:
		return attributesOfValue(starlark.String(""))
	case baseKind, listKind, dictKind, setKind, tupleKind:
		if v := t.sample(); v != nil {
			return attributesOfValue(v)
		}
	}
	return "", nil
}

func attributesOfValue(v starlark.Value) (string, []string) {
	if has, ok := v.(starlark.HasAttrs); ok {
		return v.Type(), has.AttrNames()
	}
	return v.Type(), nil
}

// sample is a value of a type that has no others in the ways that matter here;
// nil when there is none.
func (t *typ) sample() starlark.Value {
	if t.base == nil {
		return nil
	}
	switch t.base.name {
	case "None":
		return starlark.None
	case "bool":
		return starlark.True
	case "int":
		return starlark.MakeInt(1)
	case "float":
		return starlark.Float(0.5)
	case "str":
		return starlark.String("")
	case "bytes":
		return starlark.Bytes("")
	case "list":
		return starlark.NewList(nil)
	case "dict":
		return new(starlark.Dict)
	case "set":
		return new(starlark.Set)
	case "tuple":
		return starlark.Tuple{}
	case "time":
		return startime.Time{}
	case "duration":
		return startime.Duration(0)
	}
	return nil
}
