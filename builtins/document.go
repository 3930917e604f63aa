package builtins

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/policyhost/policy/builtins/internal/engine"
	"github.com/policyhost/policy/runtime/fault"
)

// maxDocument bounds what is read whole into memory: 1 GiB.
const maxDocument = 1 << 30

// Document is a JSON document given to a verb: the path of a JSON or YAML file
// or "-" on the command line, any value in a script.
type Document struct {
	path string
	json []byte
}

// UnmarshalText takes a path, or "-" for standard input.
func (d *Document) UnmarshalText(text []byte) error {
	d.path = string(text)
	return nil
}

// SetValue takes a script's value; a string is a JSON string.
func (d *Document) SetValue(value any) error {
	if text, ok := value.(json.RawMessage); ok { // read before: it is valid, and may be large
		d.json = text
		return nil
	}
	text, err := json.Marshal(value)
	d.json = text
	return err
}

// IsZero reports that no document was given.
func (d Document) IsZero() bool { return d.path == "" && d.json == nil }

// read gives the document as JSON text, nil when there is none.
func (d Document) read(e *Env) ([]byte, error) {
	switch {
	case d.json != nil || d.path == "":
		return d.json, nil
	case d.path != "-":
		text, err := readAll(e.Files, d.path, maxDocument)
		if err != nil || !isYAML(d.path) {
			return text, err
		}
		return engine.YAMLToJSON(d.path, text)
	case e.In == nil:
		return nil, fault.New(fault.Usage, "-", "there is no standard input here").WithHint("pass the value itself")
	}
	text, err := io.ReadAll(io.LimitReader(e.In, maxDocument+1))
	if err != nil {
		return nil, fault.File("standard input", err)
	}
	if len(text) > maxDocument {
		return nil, fault.New(fault.Limit, "standard input", "larger than %d bytes", maxDocument)
	}
	return text, nil
}

func isYAML(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

// Value is any value a script passes, and whether it did.
type Value struct {
	value any
	given bool
}

// SetValue keeps the value.
func (v *Value) SetValue(value any) error {
	v.value, v.given = value, true
	return nil
}

// UnmarshalText keeps the text as a string value.
func (v *Value) UnmarshalText(text []byte) error { return v.SetValue(string(text)) }
