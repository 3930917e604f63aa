package runtime

import "go.starlark.net/syntax"

// Annotation is one type that Annotate found.
type Annotation struct {
	Def   syntax.Position // of its function
	Param string          // "->" for the result
	Pos   syntax.Position
	Text  string
}

// Annotate gives text without its annotations, and what they were.
func Annotate(file string, text []byte) ([]byte, []Annotation, error) {
	plain, defs, err := annotate(file, text)
	var all []Annotation
	for _, d := range defs {
		for name, t := range d.params {
			all = append(all, Annotation{d.def, name, t.pos, t.String()})
		}
		if d.result != nil {
			all = append(all, Annotation{d.def, "->", d.result.pos, d.result.String()})
		}
	}
	return plain, all, err
}
