package engine

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/types"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/policyhost/policy/runtime/fault"
)

// part is one tarball or folder: a manifest and what it speaks for.
type part struct {
	name       string // the tarball or folder, for messages
	prefix     string // put before the names of files in messages
	manifest   bundle.Manifest
	hasMeta    bool // there was a manifest
	modules    []*module
	data       *node
	files      []FileInfo
	stubs      map[string]*ast.Builtin
	wasm       []wasmEntrypoint
	signatures *bundle.SignaturesConfig
	plan       bool // a plan.json, which only other engines run
	wasmFile   bool
}

// FileInfo is one file of a bundle. Size is in bytes, uncompressed.
type FileInfo struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
}

// wasmEntrypoint is a document that compiled code would answer.
type wasmEntrypoint struct{ path []string }

func newPart(name, prefix string) *part {
	return &part{name: name, prefix: prefix, data: &node{}}
}

// wants reports whether a file of a bundle means anything to us, so that the
// others are not read into memory.
func (p *part) wants(name string) bool {
	base := path.Base(name)
	switch base {
	case "data.json", "data.yaml", "data.yml", ".manifest", ".signatures.json", "patch.json":
		return true
	}
	return strings.HasSuffix(base, bundle.RegoExt)
}

// note records a file that wants refused.
func (p *part) note(name string) {
	switch base := path.Base(name); base {
	case bundle.WasmFile:
		p.wasmFile = true
	case bundle.PlanFile, bundle.PlanProtoFile:
		p.plan = true
	}
}

// addFile takes a file by its name in the bundle, which has no leading slash.
// Its text was checked for duplicate keys already.
func (p *part) addFile(name, text string) error {
	base := path.Base(name)
	switch base {
	case "data.json":
		return p.addData(name, folders(name), text)
	case "data.yaml", "data.yml":
		return p.addYAML(name, folders(name), text)
	case ".manifest":
		if err := json.Unmarshal([]byte(text), &p.manifest); err != nil {
			return fault.New(fault.Invalid, p.prefix+name, "%w", err)
		}
		p.hasMeta = true
	case ".signatures.json":
		p.signatures = &bundle.SignaturesConfig{}
		if err := json.Unmarshal([]byte(text), p.signatures); err != nil {
			return fault.New(fault.Invalid, p.prefix+name, "%w", err)
		}
	case "patch.json":
		return fault.New(fault.Invalid, p.name, "a delta bundle changes data elsewhere and holds no policy of its own")
	default:
		p.addModule(name, text)
	}
	return nil
}

func (p *part) addModule(name, text string) {
	p.modules = append(p.modules, &module{path: p.prefix + name, source: text})
}

func (p *part) addData(name string, at []string, text string) error {
	doc := &node{text: strings.TrimSpace(text)}
	if doc.text == "" {
		return fault.New(fault.Invalid, p.prefix+name, "empty: not a JSON document")
	}
	if len(at) == 0 && !doc.isObject() {
		return fault.New(fault.Invalid, p.prefix+name, "data at the root must be an object")
	}
	if err := p.data.insert(at, doc); err != nil {
		return fault.In("", p.prefix+name, err)
	}
	return nil
}

func (p *part) addYAML(name string, at []string, text string) error {
	var v any
	if err := util.Unmarshal([]byte(text), &v); err != nil {
		return fault.New(fault.Invalid, p.prefix+name, "%w", err)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fault.New(fault.Invalid, p.prefix+name, "%w", err)
	}
	return p.addData(name, at, asText(raw))
}

// folders is the place of a data file: the folders it lies in.
func folders(name string) []string {
	dir := path.Dir(name)
	if dir == "." || dir == "/" {
		return nil
	}
	return strings.Split(strings.Trim(dir, "/"), "/")
}

// finish applies the manifest to what was added.
func (p *part) finish(version ast.RegoVersion, caps *ast.Capabilities) error {
	p.manifest.Init()
	bad := func(format string, args ...any) error {
		return fault.New(fault.Invalid, p.prefix+".manifest", format, args...)
	}
	if v := p.manifest.RegoVersion; v != nil {
		if _, err := ast.RegoVersionFromIntStrict(*v); err != nil {
			return bad("%w", err)
		}
	}
	for _, m := range p.modules {
		v, err := p.manifest.RegoVersionForFile("/" + strings.TrimPrefix(m.path, p.prefix))
		if err != nil {
			return bad("%w", err)
		}
		if m.version = v; v == ast.RegoUndefined {
			m.version = version
		}
	}
	roots := *p.manifest.Roots
	for i := range roots {
		roots[i] = strings.Trim(roots[i], "/")
		for j := range i {
			if bundle.RootPathsOverlap(roots[i], roots[j]) {
				return bad("the roots %q and %q overlap", roots[j], roots[i])
			}
		}
	}
	for _, w := range p.manifest.WasmResolvers {
		p.wasm = append(p.wasm, wasmEntrypoint{strings.Split(strings.Trim(w.Entrypoint, "/"), "/")})
	}
	var err error
	if p.stubs, err = requiredBuiltins(&p.manifest); err != nil {
		return bad("%w", err)
	}
	return p.checkRoots(roots, caps)
}

// checkRoots refuses modules and data outside the roots the manifest claims.
func (p *part) checkRoots(roots []string, caps *ast.Capabilities) error {
	if len(roots) == 1 && roots[0] == "" {
		return nil
	}
	outside := func(what, where string) error {
		return fault.New(fault.Invalid, what, "%s is outside the roots of the manifest: %q", where, roots).
			WithHint("add it to \"roots\" in .manifest, or move the file")
	}
	for _, m := range p.modules {
		pkg, err := m.packagePath(caps)
		if err != nil {
			continue // the compiler will say what is wrong with it
		}
		if where := strings.Join(pkg, "/"); !bundle.RootPathsContain(roots, where) {
			return outside(m.path, "package "+strings.Join(pkg, "."))
		}
	}
	var walk func(n *node, at []string) error
	walk = func(n *node, at []string) error {
		where := strings.Join(at, "/")
		if bundle.RootPathsContain(roots, where) {
			return nil
		}
		above := false
		for _, root := range roots {
			above = above || where == "" || strings.HasPrefix(root, where+"/")
		}
		if !above || !n.isObject() {
			return outside(p.name, "data."+strings.Join(at, "."))
		}
		keys, err := n.keys()
		if err != nil {
			return err
		}
		for _, key := range keys {
			kid, err := n.child(key)
			if err != nil {
				return err
			}
			if err := walk(kid, append(at[:len(at):len(at)], key)); err != nil {
				return err
			}
		}
		return nil
	}
	return walk(p.data, nil)
}

// requiredBuiltins reads the functions a policy expects of the engine that will
// run it, as opcr policy's manifests declare them.
func requiredBuiltins(m *bundle.Manifest) (map[string]*ast.Builtin, error) {
	declared, ok := m.Metadata["required_builtins"]
	if !ok || declared == nil {
		return nil, nil
	}
	raw, err := json.Marshal(declared)
	if err != nil {
		return nil, err
	}
	var groups map[string][]struct {
		Name string         `json:"name"`
		Decl types.Function `json:"decl"`
	}
	if err := json.Unmarshal(raw, &groups); err != nil {
		return nil, fmt.Errorf("metadata.required_builtins: %w", err)
	}
	stubs := map[string]*ast.Builtin{}
	for _, group := range groups {
		for _, f := range group {
			if f.Name == "" {
				return nil, fmt.Errorf("metadata.required_builtins: a function without a name")
			}
			if _, known := ast.BuiltinMap[f.Name]; !known {
				stubs[f.Name] = &ast.Builtin{Name: f.Name, Decl: &f.Decl}
			}
		}
	}
	return stubs, nil
}
