package runtime

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/policyhost/policy/runtime/fault"
)

// Package is a folder of files with a name of its own that scripts load from:
// load("oci://ghcr.io/acme/recipes:v1//gates.star", …) or load("@acme//gates.star",
// …). Its files load each other and nothing of who loads them.
type Package struct {
	ID    string // what it is, whatever it was called by: one ID is loaded once
	Name  string // as traces show it; packages with different IDs have different names
	Files fs.FS
}

// maxPackages bounds what one script may load from.
const maxPackages = 256

// wanted is a package as a load statement names it; what a name means depends on
// whose it is.
type wanted struct{ from, name string }

// opened is what a name of a package led to.
type opened struct {
	pkg *Package
	err error
}

// SplitLoad cuts what a load statement names into the package, empty when it
// names none, and the file in it. It fails with Script.
func SplitLoad(name string) (pkg, file string, err error) {
	scheme, rest, found := strings.Cut(name, "://")
	switch {
	case found && scheme != "oci":
		return "", "", loadFault(fault.Script, name, "recipes are loaded by oci://, not by %s://", scheme)
	case found:
		pkg, file, found = strings.Cut(rest, "//")
		pkg = "oci://" + pkg
	case strings.HasPrefix(name, "@") && !strings.HasPrefix(name, stdRoot+"//"):
		pkg, file, found = strings.Cut(name, "//")
	default:
		return "", name, nil
	}
	if !found || file == "" {
		return "", "", loadFault(fault.Script, name, "names no file of the recipe").WithHint("load(%q, …)", strings.TrimSuffix(name, "//")+"//NAME.star")
	}
	return pkg, file, nil
}

// fetch opens the packages that a parsed file needs, for as long as that takes.
func (l *loader) fetch(ctx context.Context, m *module) error {
	if l.host.Package == nil {
		return nil
	}
	r := newRun(l.host, l, true)
	r.limits.LoadTime = 0 // the network's time is not the script's
	return r.do(ctx, func() error { return l.discover(r.ctx, m) })
}

// discover opens all packages that main and the files it loads name, level by
// level, those of one level at once. What cannot be opened or read is left to the
// load statement that names it.
func (l *loader) discover(ctx context.Context, main *module) error {
	seen := map[string]bool{main.key(): true}
	for level := []*module{main}; len(level) > 0; {
		if err := l.open(ctx, level); err != nil {
			return err
		}
		var next []*module
		for _, m := range level {
			for _, load := range m.loads() {
				other, err := l.peek(m, load.ModuleName())
				if err == nil && !seen[other.key()] {
					seen[other.key()] = true
					next = append(next, other)
				}
			}
		}
		level = next
	}
	return nil
}

// open opens the packages that the load statements of modules name.
func (l *loader) open(ctx context.Context, modules []*module) error {
	asked, by := map[wanted]*opened{}, map[wanted]Module{}
	for _, m := range modules {
		for _, load := range m.loads() {
			name, _, err := SplitLoad(load.ModuleName())
			key := wanted{m.Recipe, name}
			known := l.packages[key]
			if err != nil || name == "" || known != nil && known.err == nil || asked[key] != nil {
				continue
			}
			asked[key], by[key] = new(opened), m.Module
		}
	}
	if len(l.packages)+len(asked) > maxPackages { // before a registry is asked
		return loadFault(fault.Limit, l.main, "loads from more than %d recipes", maxPackages)
	}
	var all sync.WaitGroup
	for key, o := range asked {
		all.Go(func() {
			defer fault.Recover("load", &o.err)
			o.pkg, o.err = l.host.Package(ctx, by[key], key.name)
		})
	}
	all.Wait()
	maps.Copy(l.packages, asked)
	return ctx.Err()
}

// packageOf is the package that a load statement of from calls name.
func (l *loader) packageOf(from *module, name, load string) (*Package, error) {
	o := l.packages[wanted{from.Recipe, name}]
	if o == nil {
		return nil, loadFault(fault.Script, load, "recipes cannot be loaded here").
			WithHint(`load(":file.star"), load("//folder/file.star") and load("@std//name.star") work`)
	}
	if o.err != nil {
		f := *fault.Of(o.err)
		f.Op = "load"
		if f.Subject == "" {
			f.Subject = quote(load)
		}
		return nil, &f
	}
	return o.pkg, nil
}

// shows is a file of the package as traces show it.
func (p *Package) shows(path string) string { return fmt.Sprintf("%s//%s", p.Name, path) }

// Loads lists the packages that the load statements of a file name, each once and
// in their order: "oci://ghcr.io/acme/recipes:v1", "@acme". It is empty for a text
// that does not parse.
func Loads(text []byte) (all []string) {
	m := &module{Module: Module{Name: "loads"}, text: text}
	if parse(m, false) != nil {
		return nil
	}
	for _, load := range m.loads() {
		name, _, err := SplitLoad(load.ModuleName())
		if err == nil && name != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}
