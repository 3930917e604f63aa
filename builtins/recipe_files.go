package builtins

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// packageFiles is a file system in memory: content by path. It is never changed
// once it is used.
type packageFiles map[string][]byte

// Open opens a file, or a folder that has some.
func (p packageFiles) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	if content, ok := p[name]; ok {
		return &packageFile{packageInfo{path.Base(name), int64(len(content)), 0o444}, bytes.NewReader(content)}, nil
	}
	entries := p.below(name)
	if len(entries) == 0 && name != "." {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &packageFolder{info: packageInfo{path.Base(name), 0, fs.ModeDir | 0o555}, entries: entries}, nil
}

// below lists a folder.
func (p packageFiles) below(folder string) []fs.DirEntry {
	seen := map[string]packageInfo{}
	for name, content := range p {
		rest, ok := name, true
		if folder != "." {
			rest, ok = strings.CutPrefix(name, folder+"/")
		}
		if !ok {
			continue
		}
		if first, _, deeper := strings.Cut(rest, "/"); deeper {
			seen[first] = packageInfo{first, 0, fs.ModeDir | 0o555}
		} else {
			seen[rest] = packageInfo{rest, int64(len(content)), 0o444}
		}
	}
	var all []fs.DirEntry
	for _, info := range seen {
		all = append(all, fs.FileInfoToDirEntry(info))
	}
	slices.SortFunc(all, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return all
}

type packageInfo struct {
	name string
	size int64
	mode fs.FileMode
}

func (i packageInfo) Name() string       { return i.name }
func (i packageInfo) Size() int64        { return i.size }
func (i packageInfo) Mode() fs.FileMode  { return i.mode }
func (i packageInfo) ModTime() time.Time { return time.Time{} }
func (i packageInfo) IsDir() bool        { return i.mode.IsDir() }
func (i packageInfo) Sys() any           { return nil }

type packageFile struct {
	info packageInfo
	*bytes.Reader
}

func (f *packageFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *packageFile) Close() error               { return nil }

type packageFolder struct {
	info    packageInfo
	entries []fs.DirEntry
}

func (f *packageFolder) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *packageFolder) Close() error               { return nil }
func (f *packageFolder) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: f.info.name, Err: fs.ErrInvalid}
}

// ReadDir gives the next n entries, or all that are left.
func (f *packageFolder) ReadDir(n int) ([]fs.DirEntry, error) {
	if n > 0 && len(f.entries) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(f.entries) {
		n = len(f.entries)
	}
	some := f.entries[:n]
	f.entries = f.entries[n:]
	return some, nil
}
