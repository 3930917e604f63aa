package store

import (
	"bufio"
	"bytes"
	"errors"
)

// ParseIndex gives the tests the cutter of foreign bytes: the entries that stood
// whole, and what the file would be written as.
func ParseIndex(b []byte) (entries [][]byte, whole []byte, err error) {
	ix, err := parseIndex(b)
	var text bytes.Buffer
	w := bufio.NewWriter(&text)
	ix.write(w)
	err = errors.Join(err, w.Flush())
	return ix.entries, text.Bytes(), err
}

// DecodeEntry and EncodeEntry are the two ways of one line of the index.
func DecodeEntry(raw []byte) (Entry, error) { return decodeEntry(raw) }
func EncodeEntry(e Entry) ([]byte, error)   { return encodeEntry(e) }
