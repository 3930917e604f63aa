package engine

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/bundle"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// Path is something to build: as the user wrote it, for messages, and where it
// is. An empty Real is Typed.
type Path struct {
	Typed string
	Real  string
}

// source is one file on its way into a bundle.
type source struct {
	name  string // in the bundle: relative, with slashes
	typed string // as the user would write it
	size  int64
	text  []byte // the content, of modules and of what was converted; else nil
	file  func() (io.ReadCloser, error)
}

func (s *source) open() (io.ReadCloser, error) {
	if s.text != nil {
		return io.NopCloser(bytes.NewReader(s.text)), nil
	}
	return s.file()
}

func (s *source) read() ([]byte, error) {
	if s.text != nil {
		return s.text, nil
	}
	r, err := s.file()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fault.File(s.typed, err)
	}
	return text, nil
}

func (s *source) isRego() bool { return strings.HasSuffix(s.name, ".rego") }

// input is what one [Path] gave.
type input struct {
	path       Path
	files      []*source // neither manifest nor signatures
	manifest   *source
	signatures *source
	skipped    []string   // data files that OPA does not read, as typed
	bundle     fileLoader // all of it, as OPA reads it; nil for a single file
}

// gatherer collects the files of all inputs.
type gatherer struct {
	o    *BuildOptions
	seen map[string]bool // real paths of files, since a folder and a file in it may both be named
}

// gather reads the list of files of every path, and the text of the modules.
func gather(ctx context.Context, o *BuildOptions) ([]*input, error) {
	for _, pattern := range o.Ignore {
		if _, err := path.Match(pattern, "x"); err != nil {
			return nil, fault.New(fault.Usage, pattern, "not a pattern").WithHint(`patterns are like "*.bak" or "testdata"`)
		}
	}
	if len(o.Paths) == 0 {
		return nil, fault.New(fault.Usage, "", "nothing to build").WithHint("name a folder: policy build .")
	}
	g := &gatherer{o: o, seen: map[string]bool{}}
	var all []*input
	for _, p := range o.Paths {
		if p.Real == "" {
			p.Real = p.Typed
		}
		in, err := g.input(ctx, p)
		if err != nil {
			return nil, err
		}
		all = append(all, in)
	}
	return all, nil
}

func (g *gatherer) input(ctx context.Context, p Path) (*input, error) {
	info, err := os.Stat(p.Real)
	if err != nil {
		return nil, fault.File(p.Typed, err)
	}
	switch {
	case info.IsDir():
		return g.folder(ctx, p)
	case !info.Mode().IsRegular():
		return nil, fault.New(fault.Invalid, p.Typed, "neither a file nor a folder")
	}
	return g.single(p, info.Size())
}

// single takes a file that was named itself: it stands at the root of the
// bundle, and patterns do not leave it out.
func (g *gatherer) single(p Path, size int64) (*input, error) {
	in := &input{path: p}
	s := &source{name: filepath.Base(p.Real), typed: p.Typed, size: size, file: func() (io.ReadCloser, error) {
		f, err := os.Open(p.Real)
		if err != nil {
			return nil, fault.File(p.Typed, err)
		}
		return f, nil
	}}
	switch ext := strings.ToLower(filepath.Ext(p.Real)); {
	case s.name == manifestName:
		in.manifest = s
		return in, nil
	case ext == ".json", ext == ".yaml", ext == ".yml":
		s.name = "data" + ext
	case ext == ".rego":
		s.name = strings.TrimSuffix(s.name, filepath.Ext(s.name)) + ".rego"
	default:
		return in, g.tarball(in)
	}
	if g.twice(p.Real) {
		return in, nil
	}
	return in, in.add(s)
}

// folder walks a folder. Links are followed to files within it and nowhere else.
func (g *gatherer) folder(ctx context.Context, p Path) (*input, error) {
	in := &input{path: p}
	root, err := os.OpenRoot(p.Real)
	if err != nil {
		return nil, fault.File(p.Typed, err)
	}
	defer root.Close()
	in.bundle = func() (bundle.DirectoryLoader, io.Closer, error) { return folderLoader(p, g.o.Ignore) }
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		typed := filepath.Join(p.Typed, filepath.FromSlash(name))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return fault.File(typed, err)
		}
		if name == "." {
			return nil
		}
		if g.leavesOut(name, e) {
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if e.IsDir() {
			return nil
		}
		if !wanted(name) {
			if isDataLike(name) {
				in.skipped = append(in.skipped, typed)
			}
			return nil
		}
		info, err := root.Stat(filepath.FromSlash(name))
		if err != nil {
			if e.Type()&fs.ModeSymlink != 0 {
				return fault.New(fault.Invalid, typed, "a symbolic link that leads nowhere or out of %s", p.Typed).
					WithHint("copy the file there, or leave it out: --ignore %s", path.Base(name))
			}
			return fault.File(typed, err)
		}
		if !info.Mode().IsRegular() {
			return fault.New(fault.Invalid, typed, "not a file")
		}
		real := filepath.Join(p.Real, filepath.FromSlash(name))
		if g.twice(real) {
			return nil
		}
		return in.add(&source{name: name, typed: typed, size: info.Size(), file: func() (io.ReadCloser, error) {
			// Through the root again: what was a file may have become a link since.
			f, err := os.OpenInRoot(p.Real, filepath.FromSlash(name))
			if err != nil {
				return nil, fault.File(typed, err)
			}
			return f, nil
		}})
	})
	if err != nil {
		return nil, err
	}
	return in, nil
}

// twice remembers a file and says whether it has come before.
func (g *gatherer) twice(real string) bool {
	if abs, err := filepath.Abs(real); err == nil {
		real = abs
	}
	if g.seen[real] {
		return true
	}
	g.seen[real] = true
	return false
}

// leavesOut applies the patterns, and the rules for hidden files and tests.
func (g *gatherer) leavesOut(name string, e fs.DirEntry) bool {
	base := path.Base(name)
	if ignored(g.o.Ignore, name) {
		return true
	}
	if strings.HasPrefix(base, ".") && !g.o.KeepHidden && (e.IsDir() || base != manifestName && name != signaturesName) {
		return true
	}
	return !e.IsDir() && strings.HasSuffix(base, "_test.rego") && !g.o.KeepTests
}

// ignored says whether a pattern names the file or its path.
func ignored(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		pattern = strings.Trim(filepath.ToSlash(pattern), "/")
		byBase, _ := path.Match(pattern, path.Base(name))
		byPath, _ := path.Match(pattern, name)
		return byBase || byPath
	})
}

const (
	manifestName   = ".manifest"
	manifestProto  = ".manifest.pb"
	signaturesName = ".signatures.json"
)

// wanted says whether OPA reads a file of this name out of a bundle.
func wanted(name string) bool {
	switch path.Base(name) {
	case "data.json", "data.yaml", "data.yml", "policy.wasm", "plan.json", "patch.json", manifestName, manifestProto:
		return true
	}
	return strings.HasSuffix(name, ".rego") || name == signaturesName
}

// isDataLike says whether somebody may have meant a file to be data.
func isDataLike(name string) bool {
	switch path.Ext(name) {
	case ".json", ".yaml", ".yml":
		return true
	}
	return false
}

// add sorts a file into its drawer.
func (in *input) add(s *source) error {
	switch base := path.Base(s.name); {
	case base == manifestName:
		if in.manifest != nil {
			return fault.New(fault.Invalid, s.typed, "a second .manifest beside %s", in.manifest.typed).
				WithHint("name the folders one by one, so that each keeps its own")
		}
		in.manifest = s
		return nil
	case s.name == signaturesName:
		in.signatures = s
		return nil
	case base == manifestProto:
		return fault.New(fault.Invalid, s.typed, "a manifest in protobuf").WithHint("write it as JSON, in .manifest")
	case base == "patch.json":
		return fault.New(fault.Invalid, s.typed, "a delta bundle changes the data of another and cannot be built")
	case strings.HasSuffix(base, ".yaml") || strings.HasSuffix(base, ".yml"):
		text, err := s.read()
		if err != nil {
			return err
		}
		if text, err = YAMLToJSON(s.typed, text); err != nil {
			return err
		}
		// Everything that reads bundles reads data.json, not everything YAML.
		s = &source{name: path.Join(path.Dir(s.name), "data.json"), typed: s.typed, size: int64(len(text)), text: text}
	case s.isRego():
		text, err := s.read()
		if err != nil {
			return err
		}
		if s.text = text; text == nil {
			s.text = []byte{}
		}
		s.size = int64(len(text))
	}
	if err := artifact.CheckPath(s.name); err != nil {
		return fault.In("", s.typed, err)
	}
	in.files = append(in.files, s)
	return nil
}
