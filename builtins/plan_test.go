package builtins_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/runtime/fault"
)

const planned = `{"version": 1, "changes": [
	{"action": "add", "where": "registry", "ref": "registry.localhost/a/b:1", "after": "sha256:` + hex64 + `", "size": 3},
	{"action": "remove", "where": "store", "ref": "registry.localhost/a/b:2", "before": "sha256:` + hex64 + `"},
	{"action": "login", "where": "credentials", "ref": "ghcr.io", "username": "jo"}]}`

const hex64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestReadPlan(t *testing.T) {
	t.Parallel()
	plan, err := builtins.ReadPlan("plan.json", strings.NewReader(planned))
	if err != nil || len(plan.Changes) != 3 {
		t.Fatalf("%+v, %v", plan, err)
	}
	for name, text := range map[string]string{
		"no JSON":            "a plan",
		"another version":    `{"version": 2}`,
		"an unknown step":    `{"version": 1, "changes": [{"action": "run", "where": "file", "ref": "x"}]}`,
		"no digest":          strings.Replace(planned, hex64, "../../etc", 1),
		"nothing to add":     strings.Replace(planned, "sha256:"+hex64, "", 1),
		"no name":            strings.Replace(planned, "registry.localhost/a/b:1", "", 1),
		"an impossible size": strings.Replace(planned, `"size": 3`, `"size": -1`, 1),
	} {
		if _, err := builtins.ReadPlan("plan.json", strings.NewReader(text)); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReadPlan(f *testing.F) {
	f.Add(planned)
	f.Add(`{"version": 1, "changes": null}`)
	f.Fuzz(func(t *testing.T, text string) {
		plan, err := builtins.ReadPlan("plan.json", strings.NewReader(text))
		if err != nil {
			return
		}
		written, err := json.Marshal(plan)
		if err != nil {
			t.Fatal(err)
		}
		again, err := builtins.ReadPlan("plan.json", strings.NewReader(string(written)))
		if err != nil || len(again.Changes) != len(plan.Changes) {
			t.Errorf("%s is no plan any more: %v", written, err)
		}
	})
}
