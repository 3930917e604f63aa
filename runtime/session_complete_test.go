package runtime_test

import (
	"context"
	"slices"
	"testing"

	"github.com/policyhost/policy/runtime"
)

type greetArgs struct {
	Name  string `arg:"" help:"Whom."`
	Force bool   `help:"Loudly."`
}

func TestSessionComplete(t *testing.T) {
	t.Parallel()
	h := &runtime.Host{Predeclared: func(runtime.Module) []runtime.Builtin {
		return []runtime.Builtin{{
			Name: "greet", Aliases: []string{"hail"}, Args: func() any { return new(greetArgs) },
			Call: func(context.Context, runtime.Call) (any, error) { return "hello", nil },
		}}
	}}
	s := open(t, h, "")
	for _, line := range []string{
		"point = struct(x = 1, y = [struct(z = 1)])", `d = {"k": struct(inner = 1)}`, "def given(alpha, *rest, beta = 1): pass",
		"P = record(height = int)", "_hidden = 1",
	} {
		if _, err := s.Eval(t.Context(), line); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		line, typed string
		want        []string
	}{
		{"gre", "gre", []string{"greet"}},
		{"x = gi", "gi", []string{"given"}},
		{"whi", "whi", []string{"while"}},
		{"Tru", "Tru", []string{"True"}},
		{"_hid", "_hid", []string{"_hidden"}},
		{"point.", "", []string{"x", "y"}},
		{"f(point.y[0].", "", []string{"z"}},
		{`d["k"].in`, "in", []string{"inner"}},
		{`d["none"].in`, "in", nil},
		{"json.enc", "enc", []string{"encode", "encode_indent"}},
		{"greet(", "", []string{"force = ", "name = "}},
		{"hail('a', ", "", []string{"force = ", "name = "}},
		{"greet('a', fo", "fo", []string{"for", "force = "}},
		{"given(", "", []string{"alpha = ", "beta = "}},
		{"P(", "", []string{"height = "}},
		{"greet([whi", "whi", []string{"while"}},
		{`"gre`, "", nil},
		{`"a" + gre`, "gre", []string{"greet"}},
		{`"`, "", nil},
		{"# gre", "", nil},
		{"nothing.", "", nil},
		{"f().", "", nil},
	}
	for _, tt := range tests {
		typed, names := s.Complete(tt.line)
		if typed != tt.typed || !slices.Equal(names, tt.want) {
			t.Errorf("%s: %q %q, want %q %q", tt.line, typed, names, tt.typed, tt.want)
		}
	}
	if _, names := s.Complete(""); !slices.Contains(names, "point") || slices.Contains(names, "_hidden") {
		t.Errorf("an empty line: %q", names)
	}
}
