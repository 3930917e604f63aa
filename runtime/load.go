package runtime

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/policyhost/policy/runtime/fault"
)

// stdRoot names the standard library in load statements.
const stdRoot = "@std"

// maxSource bounds one file of a script, in bytes.
const maxSource = 1 << 20

// dialect is the language of every file.
var dialect = syntax.FileOptions{Set: true, While: true, TopLevelControl: true}

// loader holds the modules of one program. It is written while the program is
// loaded and only read afterwards.
type loader struct {
	host    *Host
	started time.Time
	main    string // the main file, as traces show it
	prefix  string // what the main file was typed with, before its path below the root
	modules map[string]*module
	stack   []*module // being loaded, outermost first
	tasks   []*task   // that the main file registered
	named   map[string]*task
	root    fs.FS              // the project's files, once one was needed
	peeked  map[string]*module // parsed, and not loaded yet
	control *module            // declares the host's own functions, once it was needed
	closers []io.Closer

	packages map[wanted]*opened
}

// module is one file.
type module struct {
	Module
	std     bool     // its root is the standard library, not the project
	pkg     *Package // its root is that of a package, or it is what that has loaded of the standard library
	path    string   // below its root
	text    []byte
	file    *syntax.File
	body    *syntax.DefStmt     // the function main, when the text is the body of one
	globals starlark.StringDict // nil until it is loaded
	before  starlark.StringDict // of a session: what was defined in it so far

	env         starlark.StringDict // what it sees besides the language's names, once it was needed
	top         map[string]*symbol  // what it defines, once it was needed
	builtins    []Builtin
	resultTypes map[string]reflect.Type // what builtins give, once it was needed
	annotations []*annotations
	definitions []*definition
	signatures  []*signature
}

// key is the module's identity: where it is, not how it was asked for.
func (m *module) key() string {
	switch {
	case m.std && m.pkg != nil:
		return m.pkg.ID + " " + stdRoot + "//" + m.path
	case m.std:
		return stdRoot + "//" + m.path
	case m.pkg != nil:
		return m.pkg.ID + "//" + m.path
	}
	return "//" + m.path
}

func newLoader(h *Host, src Source) *loader {
	return &loader{
		host: h, started: time.Now(), main: src.Name,
		modules: make(map[string]*module), named: make(map[string]*task), packages: make(map[wanted]*opened),
	}
}

// mainModule places the main file below the root. Files beside it are shown the
// way it was typed.
func (l *loader) mainModule(src Source) *module {
	if src.Package != nil {
		m := &module{Module: Module{Main: true}, pkg: src.Package, path: src.Name, text: src.Text}
		m.place(l)
		return m
	}
	typed := filepath.ToSlash(src.Name)
	m := &module{
		Module: Module{Name: src.Name, Root: l.host.Root, Main: true},
		path:   path.Join(cmp.Or(src.Dir, folder(l.host.Root, src.Name)), path.Base(typed)),
		text:   src.Text,
	}
	if before, ok := strings.CutSuffix(typed, m.path); ok {
		l.prefix = before
	}
	return m
}

// folder is where a file lies below root: the root itself for what is no path,
// or not below it.
func folder(root, name string) string {
	dir := filepath.Dir(name)
	if root != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return ""
		}
		base, err := filepath.Abs(root)
		if err != nil {
			return ""
		}
		if dir, err = filepath.Rel(base, abs); err != nil {
			return ""
		}
	}
	if !filepath.IsLocal(dir) {
		return ""
	}
	return filepath.ToSlash(dir)
}

func (l *loader) close() {
	for _, c := range l.closers {
		c.Close()
	}
	l.closers, l.root = nil, nil
}

// load is what a load statement calls.
func (r *run) load(_ *starlark.Thread, name string) (starlark.StringDict, error) {
	from := r.loader.stack[len(r.loader.stack)-1]
	m, err := r.module(from, name)
	if err != nil {
		return nil, err
	}
	return m.globals, from.takes(name, m.globals)
}

// module is what name means in a load statement of from, executed.
func (r *run) module(from *module, name string) (*module, error) {
	l := r.loader
	m, err := l.resolve(from, name)
	if err != nil {
		return nil, err
	}
	if known := l.modules[m.key()]; known != nil {
		if known.globals == nil {
			return nil, l.cycle(known)
		}
		return known, nil
	}
	if len(l.stack) >= r.limits.Depth {
		f := r.limits.exceeded("depth", "Depth", "more than %d files load each other", r.limits.Depth)
		f.Op, f.Subject = "load", quote(name)
		return nil, f
	}
	if known := l.peeked[m.key()]; known != nil {
		m = known
	} else if m.text, err = l.read(m, name); err != nil {
		return nil, err
	}
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	if err := r.exec(m, false); err != nil {
		return nil, err
	}
	return m, nil
}

// takes checks that what m's load statements take from a module is there. The
// interpreter would say so, too, and suggest names that nobody may load.
func (m *module) takes(name string, globals starlark.StringDict) error {
	for _, stmt := range m.file.Stmts {
		load, ok := stmt.(*syntax.LoadStmt)
		if !ok || load.ModuleName() != name {
			continue
		}
		for _, wanted := range load.From {
			if globals.Has(wanted.Name) {
				continue
			}
			public := slices.DeleteFunc(globals.Keys(), func(n string) bool { return strings.HasPrefix(n, "_") })
			return lacks(name, wanted.Name, public)
		}
	}
	return nil
}

// lacks says that the file a load statement calls name does not have what it
// wants, but only what is public.
func lacks(name, wanted string, public []string) *fault.Error {
	f := loadFault(fault.Script, name, "it has no %q", wanted)
	if near := fault.Nearest(wanted, public); near != "" {
		return f.WithHint("did you mean %q?", near)
	}
	return f.WithHint("it has %s", cmp.Or(strings.Join(public, ", "), "nothing to load"))
}

// exec runs the top level of a module and freezes what it defined.
func (r *run) exec(m *module, body bool) error {
	l := r.loader
	l.modules[m.key()] = m
	l.stack = append(l.stack, m)
	if m.file == nil {
		if err := parse(m, body); err != nil {
			return err
		}
	}
	if m.Main {
		if err := r.check(m); err != nil {
			return err
		}
	}
	env := l.env(m)
	program, err := compile(m, env, r.host.Coverage)
	if err != nil {
		return err
	}
	globals, err := program.Init(r.first.thread, env)
	if err != nil {
		return err
	}
	globals.Freeze()
	m.globals = globals
	if err := m.resolveTypes(l, m.globals, m.signatures); err != nil {
		return err
	}
	l.stack = l.stack[:len(l.stack)-1]
	return nil
}

// resolve finds which file name means in a load statement of from.
func (l *loader) resolve(from *module, name string) (*module, error) {
	pkg, file, err := SplitLoad(name)
	if err != nil {
		return nil, err
	}
	m := &module{std: from.std, pkg: from.pkg}
	var typed string
	switch {
	case pkg != "":
		m.std, typed = false, file
		if m.pkg, err = l.packageOf(from, pkg, name); err != nil {
			return nil, err
		}
	case strings.HasPrefix(name, stdRoot+"//"):
		m.std, typed = true, name[len(stdRoot)+2:]
	case strings.HasPrefix(name, "//"):
		typed = name[2:]
	default:
		typed = path.Join(path.Dir(from.path), strings.TrimPrefix(name, ":"))
		if strings.HasPrefix(strings.TrimPrefix(name, ":"), "/") {
			typed = ".." // an absolute path: outside, like the others
		}
	}
	m.path = path.Clean(typed)
	switch {
	case m.path == ".." || strings.HasPrefix(m.path, "../") || !filepath.IsLocal(filepath.FromSlash(m.path)):
		return nil, loadFault(fault.Denied, name, "is outside of the folder that files may be loaded from").
			WithHint(`load(":file.star") is beside this file, load("//folder/file.star") below the project's root`)
	case !fs.ValidPath(m.path) || strings.ContainsAny(m.path, "\\\x00"):
		return nil, loadFault(fault.Script, name, "is not a path").WithHint("separate folders with /")
	case path.Ext(m.path) != ".star":
		return nil, loadFault(fault.Script, name, "does not end in .star")
	}
	m.place(l)
	return m, nil
}

// place says where a module is and what traces call it.
func (m *module) place(l *loader) {
	switch {
	case m.std:
		m.Root, m.Name = stdRoot, stdRoot+"//"+m.path
		if m.pkg != nil { // what a package loads of it may do what the package may
			m.Recipe = m.pkg.ID
		}
	case m.pkg != nil:
		m.Root, m.Name, m.Recipe = m.pkg.ID, m.pkg.shows(m.path), m.pkg.ID
	default:
		m.Root, m.Name = l.host.Root, l.prefix+m.path
	}
}

func (l *loader) cycle(m *module) error {
	var chain []string
	for _, open := range l.stack[slices.Index(l.stack, m):] {
		chain = append(chain, open.Name)
	}
	return &fault.Error{Kind: fault.Script, Op: "load", Err: fmt.Errorf("cycle: %s → %s", strings.Join(chain, " → "), m.Name)}
}

// read gives a module's text. Only regular files are opened: a pipe would block.
func (l *loader) read(m *module, name string) ([]byte, error) {
	files, err := l.files(m)
	if err != nil {
		return nil, loadFault(fault.NotFound, name, "%w", err)
	}
	info, err := fs.Stat(files, m.path)
	if err != nil {
		return nil, l.unreadable(files, m, name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, loadFault(fault.NotFound, name, "is not a file")
	}
	f, err := files.Open(m.path)
	if err != nil {
		return nil, l.unreadable(files, m, name, err)
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	if err != nil {
		return nil, l.unreadable(files, m, name, err)
	}
	return text, nil
}

func (l *loader) files(m *module) (fs.FS, error) {
	switch {
	case m.std && l.host.Std == nil:
		return nil, errors.New("there is no standard library here")
	case m.std:
		return l.host.Std, nil
	case m.pkg != nil:
		return m.pkg.Files, nil
	case l.root != nil:
		return l.root, nil
	case l.host.Files != nil:
		l.root = l.host.Files
	case l.host.Root == "":
		return nil, errors.New("there is no project to load from")
	default:
		root, err := os.OpenRoot(l.host.Root)
		if err != nil {
			return nil, err
		}
		l.root, l.closers = root.FS(), append(l.closers, root)
	}
	return l.root, nil
}

// unreadable says why, and which file may have been meant.
func (l *loader) unreadable(files fs.FS, m *module, name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return loadFault(fault.Denied, name, "%w", err)
	}
	f := loadFault(fault.NotFound, name, "there is no %s", m.Name)
	entries, _ := fs.ReadDir(files, path.Dir(m.path))
	var siblings []string
	for _, e := range entries {
		if path.Ext(e.Name()) == ".star" {
			siblings = append(siblings, e.Name())
		}
	}
	if near := fault.Nearest(path.Base(m.path), siblings); near != "" {
		return f.WithHint("did you mean %q?", strings.TrimSuffix(name, path.Base(m.path))+near)
	}
	return f
}

func loadFault(kind fault.Kind, name, format string, args ...any) *fault.Error {
	f := fault.New(kind, quote(name), format, args...)
	f.Op = "load"
	return f
}

// line is a line of a loaded file as traces quote it.
func (l *loader) line(file string, n int) string {
	for _, m := range slices.Concat(slices.Collect(maps.Values(l.modules)), slices.Collect(maps.Values(l.peeked))) {
		if m.Name != file {
			continue
		}
		rest := m.text
		for ; n > 1 && len(rest) > 0; n-- {
			_, rest, _ = bytes.Cut(rest, []byte("\n"))
		}
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		return strings.ToValidUTF8(strings.TrimSuffix(string(line), "\r"), "\uFFFD")
	}
	return ""
}
