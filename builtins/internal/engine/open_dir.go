package engine

import (
	"bufio"
	"context"
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

// dirOptions say which files of a folder count.
type dirOptions struct {
	allData bool              // every .json, .yaml and .yml file, not only those called data
	tests   bool              // *_test.rego too
	ignore  []string          // patterns of names to leave out
	limits  Limits            // of tarballs
	typed   map[string]string // what to call a path, where that differs
	seen    map[string]bool   // files that were read, since "test . data.json" names one twice
}

// first reports whether a file was not read before.
func (o dirOptions) first(shown string) bool {
	if o.seen == nil || !o.seen[shown] {
		if o.seen != nil {
			o.seen[shown] = true
		}
		return true
	}
	return false
}

// readPath reads a folder, a single file or a bundle tarball from disk.
func readPath(ctx context.Context, name string, o dirOptions) (*part, error) {
	shown := name
	if typed, ok := o.typed[name]; ok {
		shown = typed
	}
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, fromFS(shown, err)
	case !info.IsDir() && !info.Mode().IsRegular():
		return nil, fault.New(fault.Invalid, shown, "neither a file nor a folder")
	}
	shown = filepath.ToSlash(filepath.Clean(shown))
	if info.IsDir() {
		return readFolder(ctx, name, shown, o)
	}
	p := newPart(shown, "")
	if !o.first(shown) {
		return p, nil
	}
	switch ext := strings.ToLower(filepath.Ext(name)); {
	case ext == bundle.RegoExt:
		text, err := readText(name, shown)
		if err != nil {
			return nil, err
		}
		p.addModule(shown, text)
		return p, nil
	case ext == ".json", ext == ".yaml", ext == ".yml":
		return p, p.readData(name, shown, nil)
	case strings.HasSuffix(name, ".tar.gz"), ext == ".tgz":
		f, err := os.Open(name)
		if err != nil {
			return nil, fromFS(shown, err)
		}
		defer func() { _ = f.Close() }()
		return readTarball(ctx, f, shown, o.limits)
	}
	return nil, fault.New(fault.Usage, shown, "not a policy: .rego, .json, .yaml, .tar.gz or a folder")
}

// readFolder reads what o wants of a folder. Names in messages start with the
// folder as it was typed.
func readFolder(ctx context.Context, root, shown string, o dirOptions) (*part, error) {
	prefix := shown + "/"
	switch shown {
	case ".":
		prefix = ""
	case "/":
		prefix = "/"
	}
	p := newPart(shown, prefix)
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		rel, relErr := filepath.Rel(root, name)
		if relErr != nil {
			return relErr
		}
		rel = filepath.ToSlash(rel)
		if err != nil {
			return fromFS(path.Join(shown, rel), err)
		}
		if ctx.Err() != nil {
			return fault.Of(context.Cause(ctx))
		}
		if rel == "." {
			return nil
		}
		base := path.Base(rel)
		if o.ignored(rel) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entry.IsDir() {
			if strings.HasPrefix(base, ".") {
				return fs.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() {
			return nil // a link may lead out of the folder
		}
		return p.readFile(name, rel, o)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// readFile takes one file of a folder, if it means anything.
func (p *part) readFile(name, rel string, o dirOptions) error {
	base := path.Base(rel)
	ext := strings.ToLower(path.Ext(base))
	if !o.first(p.prefix + rel) {
		return nil
	}
	switch {
	case ext == bundle.RegoExt:
		if !o.tests && strings.HasSuffix(base, "_test.rego") {
			return nil
		}
	case base == "data.json", base == "data.yaml", base == "data.yml":
		return p.readData(name, rel, folders(rel))
	case o.allData && (ext == ".json" || ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(base, "."):
		return p.readData(name, rel, folders(rel))
	case rel == ".manifest":
		if o.allData {
			return nil
		}
	default:
		p.note(rel)
		return nil
	}
	text, err := readText(name, p.prefix+rel)
	if err != nil {
		return err
	}
	return p.addFile(rel, text)
}

// readData reads a JSON or YAML file into the data at a place.
func (p *part) readData(name, rel string, at []string) error {
	shown := p.prefix + rel
	if ext := strings.ToLower(filepath.Ext(name)); ext != ".json" {
		text, err := readText(name, shown)
		if err != nil {
			return err
		}
		return p.addYAML(rel, at, text)
	}
	text, err := readText(name, shown)
	if err != nil {
		return err
	}
	if err := artifact.ValidateJSON(bufio.NewReader(strings.NewReader(text))); err != nil {
		return fault.In("", shown, err)
	}
	return p.addData(rel, at, text)
}

func readText(name, shown string) (string, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return "", fromFS(shown, err)
	}
	return asText(raw), nil
}

// ignored reports whether a pattern names the file, its path, or a folder of it.
func (o dirOptions) ignored(rel string) bool {
	return slices.ContainsFunc(o.ignore, func(pattern string) bool {
		pattern = strings.TrimSuffix(filepath.ToSlash(pattern), "/")
		for _, name := range []string{rel, path.Base(rel)} {
			if ok, err := path.Match(pattern, name); ok && err == nil {
				return true
			}
		}
		return false
	})
}
