package store

// ParseIndex gives the tests the cutter of foreign bytes: the entries that stood
// whole, and what the file would be written as.
func ParseIndex(b []byte) (entries [][]byte, whole []byte, err error) {
	ix, err := parseIndex(b)
	return ix.entries, ix.bytes(), err
}

// DecodeEntry and EncodeEntry are the two ways of one line of the index.
func DecodeEntry(raw []byte) (Entry, error) { return decodeEntry(raw) }
func EncodeEntry(e Entry) ([]byte, error)   { return encodeEntry(e) }
