package creds

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// object is a JSON object whose members keep their order and their bytes, so
// that a file comes back with everything in it that is not ours.
type object []member

// member is one key of an object. at is the offset of raw in the file, in bytes.
type member struct {
	key string
	raw json.RawMessage
	at  int
}

// positioned is a mistake at a byte of the file. Its text never repeats what
// stands there: that may be a secret.
type positioned struct {
	at  int
	err error
}

func (p *positioned) Error() string { return p.err.Error() }
func (p *positioned) Unwrap() error { return p.err }

// checkSyntax finds the first byte that is not JSON.
func checkSyntax(data []byte) error {
	var all json.RawMessage
	err := json.Unmarshal(data, &all)
	if err == nil {
		return nil
	}
	at := len(data)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = int(syntax.Offset)
	}
	return &positioned{at, fmt.Errorf("not JSON: %w", err)} // shows one character at most
}

// decodeObject takes one level of an object apart; null is an empty one.
func decodeObject(raw []byte, base int) (object, error) {
	wrong := func(offset int64) (object, error) {
		return nil, &positioned{base + int(offset), errors.New("want an object in { }")}
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	switch start, err := d.Token(); {
	case err != nil:
		return wrong(d.InputOffset())
	case start == nil:
		return nil, nil
	case start != json.Delim('{'):
		return wrong(d.InputOffset())
	}
	var o object
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return wrong(d.InputOffset())
		}
		m := member{key: key.(string)} // the grammar allows nothing else here
		if err := d.Decode(&m.raw); err != nil {
			return wrong(d.InputOffset())
		}
		m.at = base + int(d.InputOffset()) - len(m.raw)
		o = append(o, m)
	}
	return o, nil
}

// find returns the member that counts for name: the last, as for Docker, which
// does not mind the case of letters either.
func (o object) find(name string) (member, bool) {
	for i := len(o) - 1; i >= 0; i-- {
		if strings.EqualFold(o[i].key, name) {
			return o[i], true
		}
	}
	return member{}, false
}

// with returns o with name set to raw, in its old place when it had one.
func (o object) with(name string, raw json.RawMessage) object {
	var out object
	old, had := o.find(name)
	for _, m := range o {
		switch {
		case !strings.EqualFold(m.key, name):
			out = append(out, m)
		case m.key == old.key && m.at == old.at:
			out = append(out, member{key: m.key, raw: raw})
		}
	}
	if !had {
		out = append(out, member{key: name, raw: raw})
	}
	return out
}

// without returns o without the members that drop picks.
func (o object) without(drop func(member) bool) object {
	out := object{}
	for _, m := range o {
		if !drop(m) {
			out = append(out, m)
		}
	}
	return out
}

// encode writes o with the values as they were.
func (o object) encode() json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(quote(m.key))
		b.WriteByte(':')
		b.Write(m.raw)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// quote is s as JSON, with < and > as they are.
func quote(s string) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string always encodes
	}
	return bytes.TrimSpace(b.Bytes())
}

// lineOf is the line of a byte, from 1.
func lineOf(data []byte, at int) int {
	return 1 + bytes.Count(data[:min(max(at, 0), len(data))], []byte("\n"))
}

// trimBOM drops the mark that editors on Windows put before UTF-8.
func trimBOM(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) }
