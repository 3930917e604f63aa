package artifact

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"slices"
)

// fewKeys is how many keys of an object are compared one by one.
const fewKeys = 8

// addKey refuses a key that the innermost object has already. Large objects
// mostly have their keys in order: such need no table. Keys are known by
// a 64-bit hash that is seeded anew for each document: for a million keys in
// one object the chance of a wrong refusal is 1 in 37 million, and trying again
// settles it.
func (s *JSONScanner) addKey(key []byte) error {
	top := &s.frames[len(s.frames)-1]
	h := maphash.Bytes(s.seed, key)
	if h == 0 {
		h = 1 // 0 is an empty slot
	}
	known := s.hashes[top.start:]
	if slices.Contains(known[:min(len(known), fewKeys)], h) {
		return keyTwice(key)
	}
	switch {
	case top.table != nil:
		if !insert(top.table, h) {
			return keyTwice(key)
		}
		if top.count++; top.count*2 > len(top.table) {
			s.grow(top)
		}
	case len(known) < fewKeys:
		s.hashes = append(s.hashes, h)
	case len(known) == fewKeys || bytes.Compare(key, top.last) > 0:
		s.hashes = append(s.hashes, h)
		top.last = append(top.last[:0], key...)
	default:
		s.grow(top)
		if !insert(top.table, h) {
			return keyTwice(key)
		}
		top.count++
	}
	if top.visit {
		s.path = append(s.path, string(key))
	}
	return nil
}

// grow makes a table of two to four times the keys that are not among the first
// few, and moves them there.
func (s *JSONScanner) grow(top *jsonFrame) {
	old := top.table
	if old == nil {
		old = s.hashes[top.start+fewKeys:]
		s.hashes = s.hashes[:top.start+fewKeys]
		top.count = len(old)
	}
	size := 2 << bits.Len(uint(top.count+1))
	top.table = nil
	for i, t := range s.tables {
		if len(t) == size {
			top.table = t
			s.tables = slices.Delete(s.tables, i, i+1)
			break
		}
	}
	if top.table == nil {
		top.table = make([]uint64, size)
	}
	for _, h := range old {
		if h != 0 {
			insert(top.table, h)
		}
	}
}

// insert puts h into an open table; false means it is there already.
func insert(table []uint64, h uint64) bool {
	mask := uint64(len(table) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		switch table[i] {
		case 0:
			table[i] = h
			return true
		case h:
			return false
		}
	}
}
