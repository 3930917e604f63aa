package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// dataCheck watches the data files of a bundle go by. It knows the places below
// data that matter: the roots, the files, the rules. At all others it does not
// look.
type dataCheck struct {
	top      *place
	files    []*source
	roots    []string
	overlaps bool // two files have an object at one place: compare them whole
}

// place is a document below data where something may collide.
type place struct {
	kids map[string]*place
	file *source // the data file that stands here
	full bool    // there is data: not an object, or one with something in it
}

func (p *place) at(steps []string) *place {
	for _, step := range steps {
		if p.kids == nil {
			p.kids = map[string]*place{}
		}
		kid := p.kids[step]
		if kid == nil {
			kid = &place{}
			p.kids[step] = kid
		}
		p = kid
	}
	return p
}

// newDataCheck prepares for the data files and the modules of a bundle.
func newDataCheck(files []*source, modules []*buildModule, roots []string) *dataCheck {
	c := &dataCheck{top: &place{}, files: files, roots: roots}
	for _, root := range roots {
		c.top.at(steps(root))
	}
	for _, m := range modules {
		for _, rule := range m.parsed.Rules {
			if where, ok := rulePath(rule); ok {
				c.top.at(where)
			}
		}
	}
	for _, f := range files {
		mount := dataMount(f.name)
		for i := range mount {
			c.top.at(mount[:i]).full = true
		}
		c.top.at(mount).file = f
	}
	return c
}

func steps(p string) []string {
	if p == "" {
		return nil
	}
	return strings.Split(p, "/")
}

// rulePath is where the value of a rule lies, as far as it is the same for all inputs.
func rulePath(r *ast.Rule) ([]string, bool) {
	ref := r.Ref().GroundPrefix()
	var out []string
	for _, t := range ref[1:] {
		s, ok := t.Value.(ast.String)
		if !ok {
			break
		}
		out = append(out, string(s))
	}
	return out, len(out) > 0
}

// dataMount is where OPA puts the data file of this name.
func dataMount(name string) []string {
	return steps(strings.TrimLeft(path.Dir(name), "/."))
}

// run reads all files and reports what is wrong with each.
func (c *dataCheck) run(ctx context.Context) error {
	var problems Problems
	for _, f := range c.files {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := c.file(f)
		if je, ok := errors.AsType[*artifact.JSONError](err); ok {
			problems = append(problems, jsonProblem(f.typed, je))
		} else if err != nil {
			return err
		}
	}
	if len(problems) > 0 {
		return &fault.Error{Kind: fault.Invalid, Err: problems}
	}
	if c.overlaps {
		_, err := loadData(c.files)
		return err
	}
	return nil
}

func (c *dataCheck) file(f *source) error {
	r, err := f.open()
	if err != nil {
		return err
	}
	defer r.Close()
	mount := dataMount(f.name)
	s := artifact.NewJSONScanner(func(below []string, kind byte) (bool, error) {
		return c.see(f, mount, below, kind)
	})
	if _, err := io.CopyBuffer(s, struct{ io.Reader }{r}, make([]byte, 128<<10)); err != nil {
		if _, ok := errors.AsType[*artifact.JSONError](err); ok {
			return err
		}
		return fault.File(f.typed, err)
	}
	return s.Close()
}

// see judges the value of file f at mount/below.
func (c *dataCheck) see(f *source, mount, below []string, kind byte) (descend bool, err error) {
	where := slices.Concat(mount, below)
	object := kind == '{'
	if len(where) == 0 && !object {
		return false, errors.New("data at the root of a bundle must be an object")
	}
	if n := len(where); len(below) > 0 {
		c.top.at(where[:n-1]).full = true
	}
	p := c.find(where)
	if p != nil && !object {
		p.full = true
	}
	if !c.permits(where) {
		if !object || !c.leadsToRoot(where) {
			return false, fmt.Errorf("data.%s is outside the roots of the manifest: %q", strings.Join(where, "."), c.roots)
		}
	}
	if p == nil {
		return false, nil
	}
	if p.file != nil && p.file != f {
		if !object {
			return false, fmt.Errorf("data.%s is in %s too", strings.Join(where, "."), p.file.typed)
		}
		c.overlaps = true
	}
	if other := p.fileBelow(f); other != nil && !object {
		return false, fmt.Errorf("data.%s is not an object, but %s puts data into it", strings.Join(where, "."), other.typed)
	}
	return object, nil
}

func (c *dataCheck) find(where []string) *place {
	p := c.top
	for _, step := range where {
		if p = p.kids[step]; p == nil {
			return nil
		}
	}
	return p
}

func (p *place) fileBelow(not *source) *source {
	for _, kid := range p.kids {
		if kid.file != nil && kid.file != not {
			return kid.file
		}
		if f := kid.fileBelow(not); f != nil {
			return f
		}
	}
	return nil
}

func (c *dataCheck) permits(where []string) bool {
	return bundle.RootPathsContain(c.roots, strings.Join(where, "/"))
}

func (c *dataCheck) leadsToRoot(where []string) bool {
	prefix := strings.Join(where, "/") + "/"
	return len(where) == 0 || slices.ContainsFunc(c.roots, func(root string) bool { return strings.HasPrefix(root, prefix) })
}

// exists is what the compiler asks: is there data where a rule would be?
func (c *dataCheck) exists(where []string) (bool, error) {
	p := c.find(where)
	return p != nil && p.full, nil
}

// loadData decodes all files into one document, as OPA would.
func loadData(files []*source) (map[string]any, error) {
	all := map[string]any{}
	owner := map[string]string{} // of a place, the file that gave it
	for _, f := range files {
		text, err := f.read()
		if err != nil {
			return nil, err
		}
		var v any
		if err := util.UnmarshalJSON(text, &v); err != nil {
			return nil, fault.New(fault.Invalid, f.typed, "%w", err)
		}
		mount := dataMount(f.name)
		for _, step := range slices.Backward(mount) {
			v = map[string]any{step: v}
		}
		object, ok := v.(map[string]any)
		if !ok {
			return nil, fault.New(fault.Invalid, f.typed, "data at the root of a bundle must be an object")
		}
		if at := mergeData(all, object, nil, owner, f.typed); at != nil {
			return nil, fault.New(fault.Invalid, f.typed, "data.%s is in %s too", strings.Join(at, "."), giver(owner, at))
		}
	}
	return all, nil
}

// mergeData adds b to a. It returns the first place where both have something.
func mergeData(a, b map[string]any, at []string, owner map[string]string, name string) []string {
	for _, key := range util.KeysSorted(b) {
		value := b[key]
		here := append(slices.Clone(at), key)
		old, ok := a[key]
		if !ok {
			a[key] = value
			owner[strings.Join(here, "/")] = name
			continue
		}
		x, okX := old.(map[string]any)
		y, okY := value.(map[string]any)
		if !okX || !okY {
			return here
		}
		if clash := mergeData(x, y, here, owner, name); clash != nil {
			return clash
		}
	}
	return nil
}

// giver is the file that gave what is at a place, or what that lies in.
func giver(owner map[string]string, at []string) string {
	for n := len(at); n > 0; n-- {
		if name, ok := owner[strings.Join(at[:n], "/")]; ok {
			return name
		}
	}
	return "another file"
}

func jsonProblem(typed string, je *artifact.JSONError) Problem {
	return Problem{File: typed, Line: je.Line, Col: je.Col, Message: je.Err.Error()}
}

// dataFault names the file of an error of the JSON check.
func dataFault(typed string, err error) error {
	if je, ok := errors.AsType[*artifact.JSONError](err); ok {
		return &fault.Error{Kind: fault.Invalid, Err: Problems{jsonProblem(typed, je)}}
	}
	return fault.In("", typed, err)
}
