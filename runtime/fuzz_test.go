package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

// FuzzBind gives builtins any JSON value for any parameter: it is taken, or it
// is a usage error; never a crash.
func FuzzBind(f *testing.F) {
	for _, seed := range [][2]string{
		{"text", `"x"`}, {"number", `7`}, {"number", `1e400`}, {"small", `128`}, {"positive", `-1`}, {"ratio", `0.5`},
		{"timeout", `"30s"`}, {"timeout", `"9999999h"`}, {"at", `"2026-01-31T12:00:00Z"`}, {"names", `["a", 1]`},
		{"refs", `["a b"]`}, {"labels", `{"a": {"b": 1}}`}, {"counts", `{"a": 9223372036854775808}`}, {"maybe", `null`},
		{"target", `"wasm"`}, {"targets", `["x"]`}, {"even", `3`}, {"document", `{"a": [1, 1.0, null]}`},
		{"password", `"p"`}, {"nope", `1`}, {"in_deep", `1`}, {"", `1`}, {"_", `[[[[]]]]`},
	} {
		f.Add(seed[0], seed[1])
	}
	host := &runtime.Host{
		Predeclared: func(runtime.Module) []runtime.Builtin { return fixtures() },
		Limits:      runtime.Limits{Steps: 1_000_000, Time: 5 * time.Second},
	}
	p, err := host.Load(f.Context(), runtime.Source{Name: "f.star", Text: []byte("def main(name, value):\n    return take(**{name: value})\n")})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		if !json.Valid([]byte(value)) {
			t.Skip("not JSON")
		}
		got, err := p.Call(t.Context(), "main", map[string]any{"name": name, "value": json.RawMessage(value)}, nil)
		switch {
		case errors.Is(err, fault.Usage):
		case err != nil:
			t.Errorf("take(%s = %s): %s", name, value, show(err))
		case name == "document":
			// What went through the script is what came in.
			text, _ := got.(runtime.Map).Get("document")
			if again, err := json.Marshal(json.RawMessage(value)); err == nil && !sameJSON(t, again, []byte(text.(string))) {
				t.Errorf("%s became %s", again, text)
			}
		}
	})
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	p, _ := json.Marshal(x)
	q, _ := json.Marshal(y)
	return string(p) == string(q)
}

// FuzzLoadName holds that no name makes a load statement open a file outside.
func FuzzLoadName(f *testing.F) {
	for _, seed := range []string{
		":x.star", "x.star", "//x.star", "@std//x.star", "@acme//x.star", "oci://h/r:v//x.star", "../x.star", "//../x.star",
		"a/../../x.star", "/x.star", "C:x.star", `..\x.star`, "./x.star", ":./x.star", "::x.star", "//", "@std//", ".star", "a//b.star", "x.star\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		opened := &recorder{}
		host := &runtime.Host{Files: opened, Std: opened}
		quoted, err := json.Marshal(name)
		if err != nil || !strings.HasPrefix(string(quoted), `"`) {
			t.Skip("no string")
		}
		_, err = host.Load(context.Background(), runtime.Source{Name: "dir/m.star", Text: []byte("load(" + string(quoted) + ", 'x')")})
		if err == nil || errors.Is(err, fault.Internal) {
			t.Errorf("load(%q): %v", name, err)
		}
		for _, file := range opened.names {
			if path.IsAbs(file) || strings.HasPrefix(path.Clean(file), "..") || strings.ContainsAny(file, "\\\x00") {
				t.Errorf("load(%q) opened %q", name, file)
			}
		}
	})
}

// recorder is a file system with nothing in it that remembers what was asked for.
type recorder struct {
	fstest.MapFS
	names []string
}

func (r *recorder) Open(name string) (fs.File, error) {
	r.names = append(r.names, name)
	return r.MapFS.Open(name)
}
