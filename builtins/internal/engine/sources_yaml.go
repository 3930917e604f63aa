package engine

import (
	"bytes"
	"encoding/json"

	"github.com/open-policy-agent/opa/v1/util"

	"github.com/policyhost/policy/runtime/fault"
)

// YAMLToJSON returns the JSON that OPA makes of a YAML document, keys in order
// and numbers exact. It fails with Invalid, naming name.
func YAMLToJSON(name string, text []byte) ([]byte, error) {
	var v any
	if err := util.Unmarshal(text, &v); err != nil {
		return nil, fault.New(fault.Invalid, name, "not YAML: %w", err)
	}
	return encodeJSON(v)
}

// encodeJSON writes v on one line, as JSON and not as something for HTML.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
