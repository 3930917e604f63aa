package engine

import (
	"errors"
	"io"
	"os"
	"path"
	"strings"

	"github.com/open-policy-agent/opa/v1/bundle"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// Files of a tarball up to this size are kept in memory, as long as all of them
// are below the second; the others are read out of it again.
const (
	keepFile = 1 << 20
	keepAll  = 32 << 20
)

// tarball takes a bundle that was built before. The pre-scan sees all of it first.
func (g *gatherer) tarball(in *input) error {
	f, err := os.Open(in.path.Real)
	if err != nil {
		return fault.File(in.path.Typed, err)
	}
	defer f.Close()
	var magic [2]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil || magic != [2]byte{0x1f, 0x8b} {
		return fault.New(fault.Invalid, in.path.Typed, "neither a folder, a .rego, .json or .yaml file, nor a bundle tarball")
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fault.File(in.path.Typed, err)
	}
	in.bundle = func() (bundle.DirectoryLoader, io.Closer, error) { return tarLoader(in.path, g.o.Ignore) }
	var files []*source
	kept := int64(0)
	_, err = artifact.Scan(f, g.o.Limits, func(h artifact.Header, r io.Reader) error {
		if h.Dir || !wanted(h.Name) || g.leavesOutEntry(h.Name) {
			if !h.Dir && isDataLike(h.Name) && !wanted(h.Name) {
				in.skipped = append(in.skipped, in.path.Typed+"/"+h.Name)
			}
			return nil
		}
		s := &source{name: h.Name, typed: in.path.Typed + "/" + h.Name, size: h.Size}
		s.file = func() (io.ReadCloser, error) { return openEntry(in.path, g.o.Limits, h.Name) }
		if strings.HasSuffix(h.Name, ".rego") || h.Size <= keepFile && kept+h.Size <= keepAll {
			text, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			s.text, s.file = append([]byte{}, text...), nil
			kept += h.Size
		}
		files = append(files, s)
		return nil
	})
	if err != nil {
		return inTarball(in.path.Typed, err)
	}
	for _, s := range files {
		if err := in.add(s); err != nil {
			return err
		}
	}
	return nil
}

func (g *gatherer) leavesOutEntry(name string) bool {
	if ignored(g.o.Ignore, name) {
		return true
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if ignored(g.o.Ignore, dir) {
			return true
		}
	}
	return false
}

var errFound = errors.New("found")

// openEntry streams one file out of a tarball.
func openEntry(p Path, l artifact.Limits, name string) (io.ReadCloser, error) {
	f, err := os.Open(p.Real)
	if err != nil {
		return nil, fault.File(p.Typed, err)
	}
	pr, pw := io.Pipe()
	go func() {
		defer f.Close()
		var err error
		defer func() { _ = pw.CloseWithError(err) }()
		defer fault.Recover("", &err)
		_, err = artifact.Scan(f, l, func(h artifact.Header, r io.Reader) error {
			if h.Name != name {
				return nil
			}
			if _, err := io.CopyBuffer(struct{ io.Writer }{pw}, r, make([]byte, 128<<10)); err != nil {
				return err
			}
			return errFound
		})
		switch {
		case errors.Is(err, errFound):
			err = nil
		case err == nil:
			err = fault.New(fault.Conflict, p.Typed, "changed while it was read")
		}
	}()
	return pr, nil
}
