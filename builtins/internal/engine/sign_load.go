package engine

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/open-policy-agent/opa/v1/bundle"
)

// fileLoader hands all files of an input to OPA's reader of bundles.
type fileLoader func() (bundle.DirectoryLoader, io.Closer, error)

// folderLoader reads a folder as it is: tests and hidden files are signed too.
func folderLoader(p Path, ignore []string) (bundle.DirectoryLoader, io.Closer, error) {
	root, err := os.OpenRoot(p.Real)
	if err != nil {
		return nil, nil, fromFS(p.Typed, err)
	}
	return bundle.NewFSLoaderWithRoot(root.FS(), ".").WithFilter(exclude(ignore)), root, nil
}

func tarLoader(p Path, ignore []string) (bundle.DirectoryLoader, io.Closer, error) {
	f, err := os.Open(p.Real)
	if err != nil {
		return nil, nil, fromFS(p.Typed, err)
	}
	return bundle.NewTarballLoader(f).WithFilter(exclude(ignore)), f, nil
}

func exclude(ignore []string) func(name string, _ fs.FileInfo, _ int) bool {
	return func(name string, _ fs.FileInfo, _ int) bool {
		return ignored(ignore, strings.Trim(filepath.ToSlash(name), "./"))
	}
}
