package runtime_test

import (
	"testing"

	"github.com/policyhost/policy/runtime"
)

// TestControl holds the declarations of the host's own functions against what is there.
func TestControl(t *testing.T) {
	t.Parallel()
	last := ""
	for _, f := range runtime.Control() {
		if f.Name <= last {
			t.Errorf("%s stands behind %s", f.Name, last)
		}
		last = f.Name
		if f.Summary == "" {
			t.Errorf("%s has no docstring", f.Name)
		}
		for _, p := range f.Params {
			if p.Help == "" {
				t.Errorf("%s: the parameter %s is not described", f.Name, p.Name)
			}
		}
		host := &runtime.Host{}
		if _, err := host.Eval(t.Context(), runtime.Source{Name: "-e", Text: []byte("type([" + f.Name + "][0])")}); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	if last == "" {
		t.Error("there are none")
	}
}
