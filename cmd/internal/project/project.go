package project

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// Name is what the file is called.
const Name = "policy.toml"

// largest is the size in bytes beyond which a file describes no project: 1 MiB.
const largest = 1 << 20

// Project is a folder and what its policy.toml says. Without one, only Root is
// set.
type Project struct {
	Root string // absolute
	File string // the policy.toml, as messages name it; empty: there is none

	Requires string            // versions of policy: ">= 1.2, < 2"; empty: any
	Recipes  map[string]string // by alias: "oci://ghcr.io/acme/recipes:v1", with registry and tag or digest
	Policies []Policy          // in the order of the file
	Defaults []Default         // in the order of the file, not yet checked to be settings
	Recipe   *Recipe           // nil: it is none
}

// Policy is one of the policies of a project.
type Policy struct {
	Name        string   // a word, unique
	Path        string   // below the root, with / between folders
	Tag         string   // the image's name; the policy's when the file gives none
	Entrypoints []string // rules, "authz/allow"
}

// Default is a value that a setting gets when neither flag nor variable nor
// configuration file has one.
type Default struct {
	Key   string // dotted: "limits.total"
	Texts []string
	List  bool // written as one
	Line  int
}

// Recipe is what the project is when others load it.
type Recipe struct {
	Name        string // a word
	Version     string // semantic, "1.2.0"
	Description string // one line
	Source      string // URL of the sources
	Licenses    string // SPDX expression
	Needs       artifact.Needs
}

// Load reads the policy.toml of the nearest folder from dir upwards that has one;
// without any the project is dir and says nothing. Version is that of the running
// policy. It fails with Invalid and the line for a file that is not what
// spec/project.md says, and for one that requires another version, whatever else it
// holds; with Denied for a file that must not be read.
func Load(dir, version string) (*Project, error) {
	root, found, err := Find(dir)
	if err != nil || !found {
		return &Project{Root: root}, err
	}
	text, err := read(filepath.Join(root, Name))
	p := &Project{Root: root, File: shown(filepath.Join(root, Name))}
	if err != nil {
		return nil, fault.File(p.File, err)
	}
	if err := p.parse(text, version); err != nil {
		return nil, err
	}
	return p, nil
}

// Wrong is an Invalid fault about a line of the file, for those who know what a
// value there must be.
func (p *Project) Wrong(line int, err error) *fault.Error { return inLine(p.File, line, err) }

// Find gives the root of the project that dir is in, as an absolute path, and
// whether it has a policy.toml: without one the root is dir itself. It fails with
// Denied, Unavailable or Invalid when it cannot be told.
func Find(dir string) (root string, found bool, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return "", false, fault.File(dir, err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Stat(filepath.Join(at, Name))
		switch {
		case err == nil && isOurs(at, info):
			return at, true, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) && at == dir:
			return "", false, fault.File(shown(filepath.Join(at, Name)), err)
		}
		if at == filepath.Dir(at) {
			return dir, false, nil
		}
	}
}

// shown is the path of a file as messages name it: from the working folder,
// unless that is longer.
func shown(file string) string {
	wd, err := os.Getwd()
	if err != nil {
		return file
	}
	if rel, err := filepath.Rel(wd, file); err == nil && len(rel) < len(file) {
		return rel
	}
	return file
}

// read gives the text of a regular file that is not too large.
func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its writer
		return nil, fault.New(fault.Invalid, shown(path), "is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, largest+1))
	if err := cmp.Or(err, f.Close()); err != nil {
		return nil, err
	}
	if len(text) > largest {
		return nil, fault.New(fault.Invalid, shown(path), "is larger than %d MiB: it describes no project", largest>>20)
	}
	return bytes.TrimPrefix(text, []byte("\ufeff")), nil // editors on Windows begin with it
}
