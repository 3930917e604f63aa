package store

import (
	"io/fs"
	"slices"
	"time"
)

// remembered is the index as it was read last. While that generation of the file
// stands there it need not be read again: a pipeline with many verbs, or a
// registry that is asked again and again, parses ten thousand entries once. It is
// shared, and never changed.
type remembered struct {
	*index
	generation fs.FileInfo
}

// A file that changed less than this ago may change again within one tick of the
// file system's clock, and look the same.
const settled = 20 * time.Millisecond

// recall gives the index that stands there, nil when it must be read.
func (s *Store) recall() *remembered {
	last := s.last.Load()
	if last == nil {
		return nil
	}
	if now, err := s.fs.Stat(s.path(indexFile)); err != nil || !sameFile(last.generation, now) {
		return nil
	}
	return last
}

func (s *Store) remember(ix *index, generation fs.FileInfo) {
	if s.o.Now().Sub(generation.ModTime()) > settled {
		s.last.Store(&remembered{ix, generation})
	}
}

// clone is a copy to change.
func (ix *index) clone() *index {
	c := *ix
	c.entries, c.names = slices.Clone(ix.entries), nil
	return &c
}
