package lsp

import (
	"context"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/creachadair/jrpc2"
)

// File is a text as the editor has it.
type File struct {
	URI     string
	Path    string // on disk, absolute; empty for a text that is in no file
	Version int
	*Text

	others map[string]*File
}

// Open is the text of another file that the editor has open, or nil.
func (f *File) Open(path string) []byte {
	if other := f.others[path]; other != nil {
		return other.Bytes
	}
	return nil
}

// PathOf is the file that a URI names, empty when it names none.
func PathOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "file" {
		return ""
	}
	path := u.Path
	if len(path) > 2 && path[0] == '/' && path[2] == ':' { // /C:/folder
		path = path[1:]
	}
	return filepath.FromSlash(path)
}

// URIOf is the URI of an absolute path.
func URIOf(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

func (s *server) open(_ context.Context, p openParams) error {
	d := p.TextDocument
	s.mu.Lock()
	s.files[d.URI] = &File{URI: d.URI, Path: PathOf(d.URI), Version: d.Version, Text: NewText(d.Text, s.encoding)}
	s.mu.Unlock()
	s.checks.all()
	return nil
}

func (s *server) changed(_ context.Context, p changeParams) error {
	s.mu.Lock()
	old := s.files[p.TextDocument.URI]
	if old == nil {
		s.mu.Unlock()
		return nil
	}
	f := *old
	f.Version = p.TextDocument.Version
	f.Text = &Text{Bytes: old.Bytes, lines: slices.Clone(old.lines), encoding: s.encoding}
	for _, c := range p.ContentChanges {
		f.change(c)
	}
	s.files[f.URI] = &f
	s.mu.Unlock()
	s.checks.all()
	return nil
}

// saved looks at everything again: files that are not open may have changed, too.
func (s *server) saved(context.Context) error {
	s.checks.all()
	return nil
}

func (s *server) closes(_ context.Context, p documentParams) error {
	s.mu.Lock()
	delete(s.files, p.TextDocument.URI)
	s.mu.Unlock()
	s.checks.all()
	return nil
}

// file is what the editor has open now; it fails for what is not open.
func (s *server) file(uri string) (*File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[uri]
	if f == nil {
		return nil, jrpc2.Errorf(jrpc2.InvalidParams, "%s is not open", uri)
	}
	return s.among(f), nil
}

// among is f, knowing the other files that are open. The caller holds the lock.
func (s *server) among(f *File) *File {
	c := *f
	c.others = make(map[string]*File, len(s.files))
	for _, other := range s.files {
		if other.Path != "" {
			c.others[other.Path] = other
		}
	}
	return &c
}

// openFiles are all, in an order that does not change.
func (s *server) openFiles() []*File {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*File
	for _, f := range s.files {
		all = append(all, s.among(f))
	}
	slices.SortFunc(all, func(a, b *File) int { return strings.Compare(a.URI, b.URI) })
	return all
}
