// Command floor writes a Go program that links what a command links of other
// people's packages, and does nothing: no program built on these libraries can
// start faster.
//
//	floor DIR PACKAGE
//
// DIR is a folder of the command's module. Each function, method and variable of
// another module that the command's own packages use is named in a branch that is
// never taken: a blank import alone would let the linker drop nearly all of them.
//
// It is a program of its own since type-checking takes memory, and the benchmark
// must stay small to see how small its children are.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

// listed is a package, as go list describes it.
type listed struct {
	ImportPath string
	Dir        string
	Export     string // file of its export data
	GoFiles    []string
	Imports    []string
	Module     *struct {
		Path string
		Main bool
	}
}

func (p listed) ours() bool { return p.Module != nil && p.Module.Main }

func run(args []string, out io.Writer) error {
	if len(args) != 2 {
		return errors.New("usage: floor DIR PACKAGE")
	}
	packages, err := list(args[0], args[1])
	if err != nil {
		return err
	}
	imports := map[string]bool{}
	uses := map[string]bool{}
	for _, p := range packages {
		if !p.ours() {
			continue
		}
		for _, path := range p.Imports {
			if q, ok := packages[path]; ok && q.Module != nil && !q.ours() {
				imports[path] = true
			}
		}
		objects, err := used(p, packages)
		if err != nil {
			return fmt.Errorf("%s: %w", p.ImportPath, err)
		}
		for _, o := range objects {
			if pkg, ok := packages[o.Pkg().Path()]; !ok || pkg.Module == nil || pkg.ours() {
				continue
			}
			if !strings.Contains("/"+o.Pkg().Path()+"/", "/internal/") {
				if text := expression(o); text != "" {
					uses[text] = true
					imports[o.Pkg().Path()] = true
				}
			}
		}
	}
	write(out, imports, uses)
	return nil
}

// list gives the command's packages and all they import.
func list(dir, pkg string) (map[string]listed, error) {
	cmd := exec.Command("go", "list", "-C", dir, "-deps", "-export", "-json=ImportPath,Dir,Export,GoFiles,Imports,Module", pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var diagnosis bytes.Buffer
	cmd.Stderr = &diagnosis
	raw, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, diagnosis.Bytes())
	}
	all := map[string]listed{}
	for d := json.NewDecoder(bytes.NewReader(raw)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all[p.ImportPath] = p
	}
}

// used are the exported functions, methods and variables of other packages that
// a package names.
func used(p listed, packages map[string]listed) ([]types.Object, error) {
	files := token.NewFileSet()
	var parsed []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, f)
	}
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(packages[path].Export) }
	info := types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: importer.ForCompiler(files, "gc", lookup)}
	if _, err := config.Check(p.ImportPath, files, parsed, &info); err != nil {
		return nil, err
	}
	var all []types.Object
	for _, o := range info.Uses {
		if o.Pkg() != nil && o.Exported() {
			all = append(all, o)
		}
	}
	return all, nil
}

// expression names an object as a value, or is empty for one that has none: a
// type, a constant, a field, a method of an interface, anything generic.
func expression(o types.Object) string {
	name := alias(o.Pkg().Path())
	switch o := o.(type) {
	case *types.Var:
		if o.Parent() == o.Pkg().Scope() {
			return name + "." + o.Name()
		}
	case *types.Func:
		signature := o.Signature()
		if signature.TypeParams() != nil || signature.RecvTypeParams() != nil {
			return ""
		}
		if signature.Recv() == nil {
			return name + "." + o.Name()
		}
		receiver, star := signature.Recv().Type(), ""
		if pointer, ok := receiver.(*types.Pointer); ok {
			receiver, star = pointer.Elem(), "*"
		}
		named, ok := receiver.(*types.Named)
		if !ok || types.IsInterface(named) || !named.Obj().Exported() {
			return ""
		}
		return fmt.Sprintf("(%s%s.%s).%s", star, name, named.Obj().Name(), o.Name())
	}
	return ""
}

// alias is a name for an imported package that no other has.
func alias(path string) string {
	return strings.NewReplacer("/", "_", ".", "_", "-", "_").Replace(path)
}

func write(out io.Writer, imports, uses map[string]bool) {
	fmt.Fprint(out, "// Command floor links what policy links, and does nothing.\npackage main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n\n")
	for _, path := range slices.Sorted(maps.Keys(imports)) {
		name := "_"
		for text := range uses {
			if strings.HasPrefix(strings.TrimLeft(text, "(*"), alias(path)+".") {
				name = alias(path)
				break
			}
		}
		fmt.Fprintf(out, "\t%s %q\n", name, path)
	}
	fmt.Fprint(out, ")\n\nvar used []any\n\nfunc main() {\n\tfmt.Println(\"floor\")\n\tif len(os.Args) > 1 {\n\t\tused = []any{\n")
	for _, text := range slices.Sorted(maps.Keys(uses)) {
		fmt.Fprintf(out, "\t\t\t%s,\n", text)
	}
	fmt.Fprint(out, "\t\t}\n\t}\n}\n")
}
