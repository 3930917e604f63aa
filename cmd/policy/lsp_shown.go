package main

import (
	"io/fs"
	"strings"
	"time"
)

// shownFile is a text of the editor as a file.
type shownFile struct {
	name string
	*strings.Reader
}

// Stat is what a regular file of that size has.
func (f *shownFile) Stat() (fs.FileInfo, error) { return shownInfo{f.name, f.Size()}, nil }

// Close does nothing.
func (*shownFile) Close() error { return nil }

type shownInfo struct {
	name string
	size int64
}

func (i shownInfo) Name() string     { return i.name }
func (i shownInfo) Size() int64      { return i.size }
func (shownInfo) Mode() fs.FileMode  { return 0o444 }
func (shownInfo) ModTime() time.Time { return time.Time{} }
func (shownInfo) IsDir() bool        { return false }
func (shownInfo) Sys() any           { return nil }
