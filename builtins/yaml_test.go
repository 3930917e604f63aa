package builtins

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/policyhost/policy/runtime/fault"
)

func TestYAMLToJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ yaml, json string }{
		{"", `null`},
		{"b: 1\na: 1.0\nc: 12345678901234567890123", `{"b":1,"a":1.0,"c":12345678901234567890123}`},
		{"- yes\n- true\n- null\n- ~\n- 0x10\n- '1'\n- 2026-01-01", `["yes",true,null,null,16,"1","2026-01-01"]`},
		{"x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}", `{"x":{"a":1,"b":2},"y":{"b":3,"a":1}}`},
		{"a: &a [1]\nb: *a", `{"a":[1],"b":[1]}`},
		{"1: one", `{"1":"one"}`},
	} {
		got, err := yamlToJSON("f.yaml", []byte(tt.yaml))
		if err != nil || string(got) != tt.json {
			t.Errorf("%q: got %s, %v, want %s", tt.yaml, got, err, tt.json)
		}
	}
	for yaml, want := range map[string]string{
		"a: 1\na: 2":              "twice",
		"a: [":                    "not YAML",
		"a: 1\n---\nb: 2":         "more than one",
		"a: .inf":                 "JSON has no .inf",
		"? [a]\n: 1":              "must be text",
		"a: &a\n  b: *a\n  c: *a": "",
		"&a <<: *a":               "",
		"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
			"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n" +
			"g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: [*g,*g,*g,*g,*g,*g,*g,*g,*g]": "unfold",
	} {
		_, err := yamlToJSON("f.yaml", []byte(yaml))
		if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", yaml, err, want)
		}
	}
}

func FuzzYAMLToJSON(f *testing.F) {
	for _, seed := range []string{"a: 1", "- &x [*x]", "<<: {a: 1}", "? a\n: b", "!!binary x", "1_000: 0o7", "a: !!float 1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := yamlToJSON("f.yaml", []byte(text)); err == nil && !json.Valid(got) {
			t.Errorf("%q gave %q, which is no JSON", text, got)
		}
	})
}
