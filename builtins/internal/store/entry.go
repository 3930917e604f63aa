package store

import (
	"bytes"
	"encoding/json"
	"maps"
	"strconv"
	"unicode/utf8"

	"github.com/policyhost/policy/builtins/artifact"
)

// Entry is one line of the index: what an image is called and which content it
// is. Name is "" for an entry without one. The descriptor's annotations are
// those of the entry, without the name; its media type may be empty, and it may
// name a layer instead of a manifest (stores written by opcr policy v0.1).
type Entry struct {
	Name string `json:"name,omitempty"`
	artifact.Descriptor
}

// line is an entry as it stands in the index: as OCI's descriptor, but an
// unknown media type stays out, as those who write none expect.
type line struct {
	MediaType string `json:"mediaType,omitempty"`
	artifact.Descriptor
}

func encodeEntry(e Entry) ([]byte, error) {
	l := line{e.MediaType, e.Descriptor}
	l.Annotations = maps.Clone(l.Annotations)
	delete(l.Annotations, artifact.AnnotationRefName)
	if e.Name != "" {
		if l.Annotations == nil {
			l.Annotations = make(map[string]string, 1)
		}
		l.Annotations[artifact.AnnotationRefName] = e.Name
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(l); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func decodeEntry(raw []byte) (Entry, error) {
	e, plain, err := decodePlain(raw)
	if err != nil {
		return Entry{}, err
	}
	if !plain {
		e = Entry{}
		if err := json.Unmarshal(raw, &e.Descriptor); err != nil {
			return Entry{}, err
		}
	}
	if name, ok := e.Annotations[artifact.AnnotationRefName]; ok {
		e.Name = name
		delete(e.Annotations, artifact.AnnotationRefName)
	}
	if len(e.Annotations) == 0 {
		e.Annotations = nil
	}
	return e, nil
}

// decodePlain reads the entry that nearly every one is: strings without
// escapes, no rare fields. It reports false for all others, which take the long
// way through encoding/json. A listing of ten thousand images lives from it.
func decodePlain(raw []byte) (e Entry, plain bool, err error) {
	if bytes.IndexByte(raw, '\\') >= 0 || !utf8.Valid(raw) {
		return e, false, nil
	}
	plain = true
	s := scanner{b: raw}
	whole := string(raw) // one allocation for all strings
	text := func() (string, error) {
		s.space()
		start := s.i
		if err := s.skip(1); err != nil || raw[start] != '"' {
			plain = false
			return "", err
		}
		return whole[start+1 : s.i-1], nil
	}
	err = s.object(0, func(key []byte) (err error) {
		switch string(key) {
		case `"mediaType"`:
			e.MediaType, err = text()
		case `"digest"`:
			var d string
			d, err = text()
			e.Digest = artifact.Digest(d)
		case `"size"`:
			var v []byte
			if v, err = s.value(1); err != nil {
				return err
			}
			n, bad := strconv.ParseInt(string(v), 10, 64)
			e.Size, plain = n, plain && bad == nil
		case `"annotations"`:
			if s.peek() != '{' {
				plain = false
				return s.skip(1)
			}
			if e.Annotations == nil {
				e.Annotations = make(map[string]string, 4)
			}
			return s.object(1, func(key []byte) (err error) {
				k := string(key[1 : len(key)-1])
				e.Annotations[k], err = text()
				return err
			})
		default:
			plain = false
			err = s.skip(1)
		}
		return err
	})
	return e, plain, err
}
