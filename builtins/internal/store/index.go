package store

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/policyhost/policy/builtins/artifact"
)

// An index is index.json cut into its entries. Entries and everything around
// them stay the bytes they are: what we do not understand, we do not lose.
type index struct {
	head, tail []byte   // before the "[" and after the "]" of "manifests"
	entries    [][]byte // raw objects
	escaped    bool     // some string has a backslash: it may be spelled in another way
	dirty      bool
	names      map[string]int // name to last position, made when it pays
}

const (
	emptyHead = `{"schemaVersion":2,"mediaType":"` + artifact.MediaTypeIndex + `","manifests":`
	emptyTail = `}`
)

func emptyIndex() *index {
	return &index{head: []byte(emptyHead), tail: []byte(emptyTail)}
}

// parseIndex cuts b. With an error it returns what stood whole before it, which
// is all that Repair wants of a damaged file.
func parseIndex(b []byte) (*index, error) {
	ix := emptyIndex()
	ix.escaped = bytes.IndexByte(b, '\\') >= 0
	s := scanner{b: b}
	found, members, last := false, 0, 0
	err := s.object(0, func(key []byte) error {
		members++
		defer func() { last = s.i }()
		if string(key) != `"manifests"` {
			return s.skip(1)
		}
		if found {
			return errors.New(`"manifests" stands twice`)
		}
		found = true
		ix.head = b[:s.i]
		if s.peek() == 'n' { // Go tools write null for a list that is empty
			err := s.skip(1)
			ix.tail = b[s.i:]
			return err
		}
		err := s.array(1, func() error {
			if s.peek() != '{' {
				return s.unexpected("an entry")
			}
			raw, err := s.value(2)
			if err == nil {
				ix.entries = append(ix.entries, raw)
			}
			return err
		})
		ix.tail = b[s.i:]
		return err
	})
	if err == nil {
		err = s.end()
	}
	if err != nil {
		ix.head, ix.tail = []byte(emptyHead), []byte(emptyTail)
		return ix, err
	}
	if !found {
		ix.insertList(b, members, last)
	}
	return ix, nil
}

// insertList makes room for "manifests" after the last member of an object that
// has none.
func (ix *index) insertList(b []byte, members, last int) {
	comma := ","
	if members == 0 {
		comma, last = "", bytes.IndexByte(b, '{')+1
	}
	ix.head = fmt.Appendf(nil, `%s%s"manifests":`, b[:last], comma)
	ix.tail = b[last:]
}

// write writes the whole file. Its error is that of w.Flush.
func (ix *index) write(w *bufio.Writer) {
	_, _ = w.Write(ix.head)
	_ = w.WriteByte('[')
	for i, raw := range ix.entries {
		if i > 0 {
			_ = w.WriteByte(',')
		}
		_, _ = w.Write(raw)
	}
	_ = w.WriteByte(']')
	_, _ = w.Write(ix.tail)
}

func (ix *index) entry(i int) (Entry, error) {
	e, err := decodeEntry(ix.entries[i])
	if err != nil {
		return Entry{}, fmt.Errorf("entry %d: %w", i, err)
	}
	return e, nil
}

// mayContain is false when the text certainly stands nowhere in entry i.
func (ix *index) mayContain(i int, text string) bool {
	return ix.escaped || bytes.Contains(ix.entries[i], []byte(text))
}

// find is the position of the last entry of this name, -1 when there is none.
func (ix *index) find(name string) (int, error) {
	if ix.names != nil {
		if i, ok := ix.names[name]; ok {
			return i, nil
		}
		return -1, nil
	}
	for i := len(ix.entries) - 1; i >= 0; i-- {
		if !ix.mayContain(i, name) {
			continue
		}
		e, err := ix.entry(i)
		if err != nil {
			return -1, err
		}
		if e.Name == name {
			return i, nil
		}
	}
	return -1, nil
}

// prepare makes find constant-time; it pays from a handful of names on.
func (ix *index) prepare() error {
	ix.names = make(map[string]int, len(ix.entries))
	for i := range ix.entries {
		e, err := ix.entry(i)
		if err != nil {
			ix.names = nil
			return err
		}
		if e.Name != "" {
			ix.names[e.Name] = i
		}
	}
	return nil
}

// set adds e or puts it in the place of the entry of its name (of its digest,
// for a nameless one). Setting what is already there changes nothing.
func (ix *index) set(e Entry, now time.Time) error {
	i, err := ix.place(e)
	if err != nil {
		return err
	}
	return ix.setAt(i, e, now)
}

// setAt is set for who knows the place, -1 for a new one.
func (ix *index) setAt(i int, e Entry, now time.Time) error {
	stamped := e.Annotations[artifact.AnnotationStored] != ""
	if i >= 0 && !stamped {
		old, err := ix.entry(i)
		if err != nil {
			return err
		}
		// The same content under the same name keeps the time it was stored.
		if old.Digest == e.Digest {
			e, stamped = stamp(e, old.Annotations[artifact.AnnotationStored]), true
		}
	}
	if !stamped {
		e = stamp(e, now.UTC().Format(time.RFC3339))
	}
	raw, err := encodeEntry(e)
	ix.escaped = ix.escaped || bytes.IndexByte(raw, '\\') >= 0
	switch {
	case err != nil:
		return err
	case i < 0:
		if ix.names != nil && e.Name != "" {
			ix.names[e.Name] = len(ix.entries)
		}
		ix.entries, ix.dirty = append(ix.entries, raw), true
	case !bytes.Equal(ix.entries[i], raw):
		ix.entries[i], ix.dirty = raw, true
	}
	return nil
}

func (ix *index) place(e Entry) (int, error) {
	if e.Name != "" {
		return ix.find(e.Name)
	}
	for i := range ix.entries {
		if !ix.mayContain(i, e.Digest.String()) {
			continue
		}
		old, err := ix.entry(i)
		if err != nil {
			return -1, err
		}
		if old.Name == "" && old.Digest == e.Digest {
			return i, nil
		}
	}
	return -1, nil
}

func stamp(e Entry, when string) Entry {
	if when == "" {
		return e
	}
	annotations := make(map[string]string, len(e.Annotations)+1)
	for k, v := range e.Annotations {
		annotations[k] = v
	}
	annotations[artifact.AnnotationStored] = when
	e.Annotations = annotations
	return e
}

// drop removes the entries at these positions.
func (ix *index) drop(gone map[int]bool) {
	if len(gone) == 0 {
		return
	}
	kept := ix.entries[:0:0]
	for i, raw := range ix.entries {
		if !gone[i] {
			kept = append(kept, raw)
		}
	}
	ix.entries, ix.names, ix.dirty = kept, nil, true
}
