package engine

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/util"
)

// This file tests the lazy data from inside: from outside it is just data.

func TestNodeLookup(t *testing.T) {
	t.Parallel()
	long := "{" + keys(100) + `,"esc\"aped":{"x":[1,{"y":"]}"}]},"tail\\":true , "ünï" : null}`
	for _, c := range []struct{ text, path, want string }{
		{`{"a":1}`, "a", "1"},
		{`{"a":1}`, "b", ""},
		{`{"a":1}`, "a/b", ""},
		{`{"a":{"b":{"c":[10,[20]]}}}`, "a/b/c/1/0", "20"},
		{`{"a":{"b":{"c":[10,[20]]}}}`, "a/b/c/2", ""},
		{`{"a":{"b":{"c":[10,[20]]}}}`, "a/b/c/-1", ""},
		{`{"a":{"b":{"c":[10,[20]]}}}`, "a/b/c/x", ""},
		{` { "a" : [ 1 , 2 ] , "b" : "s" } `, "a/1", "2"},
		{` { "a" : [ 1 , 2 ] , "b" : "s" } `, "b", `"s"`},
		{`{"":1}`, "", "1"},
		{`{}`, "a", ""},
		{`[]`, "0", ""},
		{`7`, "0", ""},
		{`"a"`, "0", ""},
		{long, "k0", "0"},
		{long, "k99", "99"},
		{long, "k100", ""},
		{long, `esc"aped/x/1/y`, `"]}"`},
		{long, `tail\`, "true"},
		{long, "ünï", "null"},
	} {
		n := &node{text: strings.TrimSpace(c.text)}
		path := strings.Split(c.path, "/")
		for range 2 { // the second time from the index
			got, err := n.lookup(path)
			if err != nil {
				t.Fatalf("%s: %v", c.path, err)
			}
			text := ""
			if got != nil {
				v, err := got.decode()
				if err != nil {
					t.Fatalf("%s: %v", c.path, err)
				}
				text = jsonText(v)
			}
			if text != c.want {
				t.Errorf("%.30s at %q: %q, want %q", c.text, c.path, text, c.want)
			}
		}
	}
}

// What a lookup does not touch is not decoded, or it would not be lazy.
func TestNodeIsLazy(t *testing.T) {
	t.Parallel()
	n := &node{text: `{"users":{"alice":{"age":1},"bob":{"age":2}},"rest":{"x":1}}`}
	kid, err := n.lookup([]string{"users", "bob", "age"})
	if err != nil || kid == nil {
		t.Fatal(kid, err)
	}
	if n.value != nil || n.kids["rest"] != nil || n.kids["users"].value != nil || n.kids["users"].kids["alice"] != nil {
		t.Error("more was read than asked for")
	}
	if a, err := kid.decode(); err != nil || a.Compare(ast.Number("2")) != 0 {
		t.Errorf("got %v, %v", a, err)
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	s := &store{root: &node{text: `{"a":{"b":1},"l":[1]}`}}
	txn, err := s.NewTransaction(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(t.Context(), txn, storage.Path{"a", "x"}); !storage.IsNotFound(err) {
		t.Errorf("missing: %v", err)
	}
	if err := s.Write(t.Context(), txn, storage.AddOp, storage.Path{"a"}, 1); err == nil {
		t.Error("a write was accepted")
	}
	exists := s.NonEmpty(t.Context(), txn)
	for path, want := range map[string]bool{"a": true, "a/b": true, "a/c": false, "x": false, "a/b/c": true, "l/0": true} {
		if got, err := exists(strings.Split(path, "/")); err != nil || got != want {
			t.Errorf("%s: %v, %v", path, got, err)
		}
	}
}

func TestScanPackage(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		"package a":                             "a",
		"package a.b.c\n":                       "a/b/c",
		"# c\n\n  # d\r\npackage\ta_1.b2 # x\n": "a_1/b2",
		"package a;x := 1":                      "a",
		`package a["b-c"].d` + "\n":             "a/b-c/d",
		"\ufeffpackage a\n":                     "a",
		"package a ; x := 1":                    "a",
		`package a["b\"c"]`:                     "?",
		"package a .b\n":                        "?",
		"package\na":                            "?",
		"packagea":                              "?",
		"package 1a":                            "?",
		"package a..b":                          "?",
		"package a[b]":                          "?",
		"import a":                              "?",
		"# only":                                "?",
		"":                                      "?",
	} {
		got := "?"
		if path, ok := scanPackage(src); ok {
			got = strings.Join(path, "/")
		}
		if got != want {
			t.Errorf("%q: %s, want %s", src, got, want)
		}
	}
}

// The scanner says what the parser says, or that it does not know.
func FuzzScanPackage(f *testing.F) {
	for _, s := range []string{"package a.b\nx := 1", "# c\npackage a[\"b\"]\n", "package a;b", "package a .b", "package if.x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		path, ok := scanPackage(src)
		if !ok {
			return
		}
		m, err := ast.ParseModuleWithOpts("x.rego", src, ast.ParserOptions{})
		if err != nil || m == nil {
			return
		}
		want := ast.Ref{ast.DefaultRootDocument}
		for _, p := range path {
			want = append(want, ast.StringTerm(p))
		}
		if !m.Package.Path.Equal(want) {
			t.Fatalf("%q: %v, the parser says %v", src, want, m.Package.Path)
		}
	})
}

// Whatever the text, looking around in it neither panics nor leaves its bounds;
// in sound text it finds what decoding finds.
func FuzzNode(f *testing.F) {
	for _, s := range []string{`{"a":{"b":[1,"x\"y",{}]},"c":null}`, `[1,[2,3]]`, `{"a":`, `{"\u0061":1}`, `"x`, `{"a":1}}`} {
		f.Add(s, "a", "0")
	}
	f.Fuzz(func(t *testing.T, text, one, two string) {
		text = strings.TrimSpace(text)
		if text == "" {
			return
		}
		n := &node{text: text}
		kid, err := n.lookup([]string{one, two})
		whole, wholeErr := decodeJSON(text)
		if wholeErr != nil {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		want, wantErr := valueAt(whole, one, two)
		if (kid == nil) != wantErr {
			t.Fatalf("%s at %q %q: found %v, decoding finds %v", text, one, two, kid != nil, want)
		}
		if kid != nil {
			if got, err := kid.decode(); err != nil || got.Compare(want) != 0 {
				t.Fatalf("%s at %q %q: %v %v, decoding finds %v", text, one, two, got, err, want)
			}
		}
	})
}

func valueAt(v ast.Value, path ...string) (ast.Value, bool) {
	for _, key := range path {
		switch x := v.(type) {
		case ast.Object:
			t := x.Get(ast.StringTerm(key))
			if t == nil {
				return nil, true
			}
			v = t.Value
		case *ast.Array:
			i, ok := util.Atoi(key)
			if !ok || i < 0 || i >= x.Len() {
				return nil, true
			}
			v = x.Elem(i).Value
		default:
			return nil, true
		}
	}
	return v, false
}

func BenchmarkLookup23MB(b *testing.B) {
	text := users(120_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		n := &node{text: text}
		if kid, err := n.lookup([]string{"users", "user7", "roles"}); kid == nil || err != nil {
			b.Fatal(kid, err)
		}
	}
}
