package engine

import (
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"
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
func (o dirOptions) first(name string) bool {
	if o.seen == nil {
		return true
	}
	if abs, err := filepath.Abs(name); err == nil {
		name = abs
	}
	had := o.seen[name]
	o.seen[name] = true
	return !had
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
		return nil, fault.File(shown, err)
	case !info.IsDir() && !info.Mode().IsRegular():
		return nil, fault.New(fault.Invalid, shown, "neither a file nor a folder")
	}
	shown = filepath.ToSlash(filepath.Clean(shown))
	if info.IsDir() {
		return readFolder(ctx, name, shown, o)
	}
	p := newPart(shown, "")
	if !o.first(name) {
		return p, nil
	}
	switch ext := strings.ToLower(filepath.Ext(name)); {
	case ext == bundle.RegoExt, ext == ".json", ext == ".yaml", ext == ".yml":
		text, err := readText(name, shown)
		if err != nil {
			return nil, err
		}
		switch ext {
		case bundle.RegoExt:
			p.addModule(shown, text)
			return p, nil
		case ".json":
			return p, p.addJSON(shown, nil, text)
		}
		return p, p.addYAML(shown, nil, text)
	case strings.HasSuffix(name, ".tar.gz"), ext == ".tgz":
		f, err := os.Open(name)
		if err != nil {
			return nil, fault.File(shown, err)
		}
		defer func() { _ = f.Close() }()
		return readTarball(ctx, f, shown, o.limits, false)
	}
	return nil, fault.New(fault.Usage, shown, "not a policy: .rego, .json, .yaml, .tar.gz or a folder")
}

// readFolder reads what o wants of a folder, as build does: hidden files are left
// out, links count if they lead to a file within. Names in messages start with
// the folder as it was typed.
func readFolder(ctx context.Context, folder, shown string, o dirOptions) (*part, error) {
	prefix := shown + "/"
	switch shown {
	case ".":
		prefix = ""
	case "/":
		prefix = "/"
	}
	p := newPart(shown, prefix)
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fault.File(shown, err)
	}
	defer func() { _ = root.Close() }()
	err = fs.WalkDir(root.FS(), ".", func(rel string, entry fs.DirEntry, err error) error {
		base := path.Base(rel)
		switch {
		case err != nil:
			return fault.File(prefix+rel, err)
		case ctx.Err() != nil:
			return fault.Of(context.Cause(ctx))
		case rel == ".":
			return nil
		case ignored(o.ignore, rel), base[0] == '.' && base != manifestName && rel != signaturesName:
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir() || !o.wants(rel):
			return nil
		}
		info, err := root.Stat(filepath.FromSlash(rel))
		if err != nil && entry.Type()&fs.ModeSymlink != 0 {
			return fault.New(fault.Invalid, prefix+rel, "a symbolic link that leads nowhere or out of %s", shown)
		}
		if err != nil {
			return fault.File(prefix+rel, err)
		}
		if !info.Mode().IsRegular() || !o.first(filepath.Join(folder, filepath.FromSlash(rel))) {
			return nil
		}
		raw, err := root.ReadFile(filepath.FromSlash(rel))
		if err != nil {
			return fault.File(prefix+rel, err)
		}
		return p.addLocal(rel, asText(raw), o)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// wants reports whether a file of a folder means anything.
func (o dirOptions) wants(rel string) bool {
	base := path.Base(rel)
	switch path.Ext(base) {
	case bundle.RegoExt:
		return o.tests || !strings.HasSuffix(base, "_test.rego")
	case ".json", ".yaml", ".yml":
		return o.allData && base[0] != '.' || !o.allData && wanted(rel)
	}
	return !o.allData && wanted(rel)
}

// addLocal takes a file of a folder, whose JSON nobody has checked yet.
func (p *part) addLocal(rel, text string, o dirOptions) error {
	base := path.Base(rel)
	switch ext := path.Ext(base); {
	case base == manifestName && p.hasMeta:
		return fault.New(fault.Invalid, p.prefix+rel, "a second %s", manifestName)
	case !p.wants(rel) && !o.allData:
		p.note(rel)
		return nil
	case base == manifestName, ext == bundle.RegoExt, rel == signaturesName, base == "patch.json" && !o.allData:
		return p.addFile(rel, text)
	case ext == ".json":
		return p.addJSON(rel, folders(rel), text)
	default:
		return p.addYAML(rel, folders(rel), text)
	}
}

// addJSON adds data that has to be checked first.
func (p *part) addJSON(rel string, at []string, text string) error {
	if err := artifact.ValidateJSON(strings.NewReader(text)); err != nil {
		return fault.In("", p.prefix+rel, err)
	}
	return p.addData(rel, at, text)
}

func readText(name, shown string) (string, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return "", fault.File(shown, err)
	}
	return asText(raw), nil
}
