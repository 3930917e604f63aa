package builtins

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/policyhost/policy/runtime/fault"
)

func TestEvalGate(t *testing.T) {
	t.Parallel()
	const undefined = ""
	fail, defined, nonEmpty := EvalArgs{Fail: true}, EvalArgs{FailDefined: true}, EvalArgs{FailNonEmpty: true}
	for _, tt := range []struct {
		gate    string
		args    EvalArgs
		rejects []string
		passes  []string
	}{
		{"none", EvalArgs{}, nil, []string{undefined, "false", "true", `["x"]`}},
		{"fail", fail, []string{undefined, "false", "false\n"}, []string{"true", "0", `""`, "[]", "null", `"false"`}},
		{"fail-defined", defined, []string{"false", "true", "null", "[]"}, []string{undefined}},
		{"fail-non-empty", nonEmpty, []string{`["x"]`, `{"a":1}`, `"x"`, "[[]]"}, []string{undefined, "[]", "{}", `""`, "true", "false", "null", "7", " []\n"}},
	} {
		ask := func(result string) error {
			return tt.args.gate(&Decision{Result: json.RawMessage(result), Defined: result != undefined})
		}
		for _, result := range tt.rejects {
			if err := ask(result); !errors.Is(err, fault.Rejected) {
				t.Errorf("%s: %q gives %v", tt.gate, result, err)
			}
		}
		for _, result := range tt.passes {
			if err := ask(result); err != nil {
				t.Errorf("%s: %q gives %v", tt.gate, result, err)
			}
		}
	}
}

func TestEvalInputOnce(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]EvalArgs{
		"file and text":  {Input: Document{path: "x.json"}, InputJSON: "{}"},
		"stdin and text": {StdinInput: true, InputJSON: "{}"},
		"file and stdin": {Input: Document{path: "-"}, StdinInput: true},
		"stdin of none":  {StdinInput: true},
	} {
		if got, err := args.input(&Env{Files: Anywhere{}}); !errors.Is(err, fault.Usage) {
			t.Errorf("%s: got %s, %v", name, got, err)
		}
	}
}
