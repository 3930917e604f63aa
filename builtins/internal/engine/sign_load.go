package engine

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/open-policy-agent/opa/v1/bundle"

	"github.com/policyhost/policy/runtime/fault"
)

// fileLoader hands all files of an input to OPA's reader of bundles.
type fileLoader func() (bundle.DirectoryLoader, io.Closer, error)

// folderLoader reads a folder as it is: tests and hidden files are signed too.
func folderLoader(p Path, ignore []string) (bundle.DirectoryLoader, io.Closer, error) {
	root, err := os.OpenRoot(p.Real)
	if err != nil {
		return nil, nil, fault.File(p.Typed, err)
	}
	return bundle.NewFSLoaderWithRoot(below{root.FS()}, belowName).WithFilter(exclude(ignore)), root, nil
}

// below puts a folder into another: OPA's loader takes the dot off the names of
// files whose folder is called ".".
type below struct{ fs.FS }

const belowName = "bundle"

func (b below) Open(name string) (fs.File, error) {
	if name = strings.TrimPrefix(strings.TrimPrefix(name, belowName), "/"); name == "" {
		name = "."
	}
	return b.FS.Open(name)
}

func tarLoader(p Path, ignore []string) (bundle.DirectoryLoader, io.Closer, error) {
	f, err := os.Open(p.Real)
	if err != nil {
		return nil, nil, fault.File(p.Typed, err)
	}
	return bundle.NewTarballLoader(f).WithFilter(exclude(ignore)), f, nil
}

func exclude(ignore []string) func(name string, _ fs.FileInfo, _ int) bool {
	return func(name string, _ fs.FileInfo, _ int) bool {
		name = strings.TrimPrefix(filepath.ToSlash(name), belowName+"/")
		return ignored(ignore, strings.TrimPrefix(strings.TrimPrefix(name, "./"), "/"))
	}
}
