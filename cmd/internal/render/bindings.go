package render

import (
	"bytes"
	"encoding/json"

	"github.com/policyhost/policy/builtins"
)

// bindings writes the solutions of a query as a table: a column for each
// variable, and one for the value of the query where that says more than true.
func (p *Printer) bindings(d *builtins.Decision) (string, error) {
	names, err := toNode(d.Bindings[0])
	if err != nil {
		return "", err
	}
	t := new(table)
	for _, name := range names.keys {
		t.header = append(t.header, Safe(name))
	}
	values := valuesOf(d)
	if values != nil {
		t.header = append(t.header, Safe(d.Query))
	}
	for i, solution := range d.Bindings {
		var of map[string]json.RawMessage
		if err := json.Unmarshal(solution, &of); err != nil {
			return "", err
		}
		var row []string
		for _, name := range names.keys {
			row = append(row, escapeQuoted(string(of[name]), jsonEscape))
		}
		if values != nil {
			row = append(row, escapeQuoted(string(values[i]), jsonEscape))
		}
		t.add(row...)
	}
	return t.render(p), nil
}

// valuesOf are the values of a query, one a solution; nil when they are all true.
func valuesOf(d *builtins.Decision) []json.RawMessage {
	var values []json.RawMessage
	if json.Unmarshal(d.Result, &values) != nil || len(values) != len(d.Bindings) {
		return nil
	}
	for _, v := range values {
		if !bytes.Equal(v, []byte("true")) {
			return values
		}
	}
	return nil
}
