package engine_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/opencontainers/go-digest"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/engine"
	"github.com/policyhost/policy/runtime/fault"
)

// tree writes files (name → text) into a new folder.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func paths(p ...string) []engine.Path {
	var out []engine.Path
	for _, one := range p {
		out = append(out, engine.Path{Typed: one})
	}
	return out
}

func build(t testing.TB, o engine.BuildOptions) ([]byte, *engine.Built) {
	t.Helper()
	var b bytes.Buffer
	built, err := engine.Build(t.Context(), o, &b)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), built
}

// unpack returns the files of a bundle.
func unpack(t testing.TB, data []byte) map[string]string {
	t.Helper()
	out := map[string]string{}
	_, err := artifact.Scan(bytes.NewReader(data), artifact.Limits{}, func(h artifact.Header, r io.Reader) error {
		text, err := io.ReadAll(r)
		if !h.Dir {
			out[h.Name] = string(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func names(m map[string]string) string {
	var out []string
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

const buildSource = "# METADATA\n# entrypoint: true\npackage authz\n\nallow if data.authz.users[input.user]   # bytes are kept\n"

var sample = map[string]string{
	"authz/authz.rego":      buildSource,
	"authz/authz_test.rego": "package authz_test\n\ntest_x if true\n",
	"authz/data.json":       "{ \"users\" : {\"alice\":1.50} }\n",
	"authz/notes.md":        "notes",
	"authz/other.json":      "{}",
	".hidden/x.rego":        "package hidden",
	".x.rego":               "package hidden",
}

func TestBuildKeepsSources(t *testing.T) {
	t.Parallel()
	dir := tree(t, sample)
	data, built := build(t, engine.BuildOptions{Paths: paths(dir), Revision: "r1"})
	got := unpack(t, data)
	if want := ".manifest authz/authz.rego authz/data.json"; names(got) != want {
		t.Errorf("the bundle holds %s, want %s", names(got), want)
	}
	if got["authz/authz.rego"] != buildSource || got["authz/data.json"] != sample["authz/data.json"] {
		t.Errorf("bytes changed: %q", got)
	}
	if want := `{"rego_version":1,"revision":"r1","roots":[""]}` + "\n"; got[".manifest"] != want {
		t.Errorf(".manifest is %s, want %s", got[".manifest"], want)
	}
	want := engine.Built{Revision: "r1", RegoVersion: "rego.v1", Roots: []string{""}, Entrypoints: []string{"authz"}, Files: 3,
		Skipped: []string{filepath.Join(dir, "authz", "other.json")}}
	if fmt.Sprint(*built) != fmt.Sprint(want) {
		t.Errorf("built %+v, want %+v", *built, want)
	}
	data, _ = build(t, engine.BuildOptions{Paths: paths(dir), KeepTests: true, KeepHidden: true, Ignore: []string{"other.*", ".hidden"}})
	if want := ".manifest .x.rego authz/authz.rego authz/authz_test.rego authz/data.json"; names(unpack(t, data)) != want {
		t.Errorf("with tests and hidden files: %s, want %s", names(unpack(t, data)), want)
	}
}

// opaReads loads a bundle with OPA's own reader and returns it.
func opaReads(t testing.TB, data []byte, vc *bundle.VerificationConfig) bundle.Bundle {
	t.Helper()
	r := bundle.NewReader(bytes.NewReader(data)).WithRegoVersion(ast.RegoV1)
	if vc != nil {
		r = r.WithBundleVerificationConfig(vc)
	} else {
		r = r.WithSkipBundleVerification(true)
	}
	b, err := r.Read()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The digest of an image is the same from wherever its sources are built. The
// golden value guards it from one release to the next.
func TestBuildReproducible(t *testing.T) {
	dir := tree(t, sample)
	twin := tree(t, sample)
	if err := os.Chmod(filepath.Join(twin, "authz", "authz.rego"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(twin, "authz", "data.json"), time.Unix(1e9, 0), time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	const golden = "sha256:b1fc7290811fc44a848957b6c35007dcd7240e68eb12db34aea8f99840b8ced1"
	check := func(spelling string) {
		t.Helper()
		data, _ := build(t, engine.BuildOptions{Paths: paths(spelling)})
		if d := digest.FromBytes(data); d != golden {
			t.Errorf("built as %s it is %s, want %s", spelling, d, golden)
		}
	}
	check(dir)
	check(twin)
	check(dir + "/")
	check(dir + "/authz/..")
	t.Chdir(dir)
	check(".")
	check("./")
	t.Chdir("authz")
	check("..")
	check("../../" + filepath.Base(dir))
	t.Setenv("TZ", "Asia/Tokyo")
	check(twin)

	data, _ := build(t, engine.BuildOptions{Paths: paths(dir), Created: time.Unix(1e9, 5)})
	again, _ := build(t, engine.BuildOptions{Paths: paths(twin), Created: time.Unix(1e9, 0).UTC()})
	if digest.FromBytes(data) == golden || !bytes.Equal(data, again) {
		t.Error("with a time the digest is the same, or not stable")
	}
}

func TestBuildInputs(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"a/authz/main.rego":       "package a\n\nx := data.users",
		"a/users/data.yaml":       "# people\nalice: {age: 12345678901234567890}\n\"yes\": true\n",
		"b/authz/main.rego":       "package b\n\ny := 1",
		"b/users/data.json":       `{"bob":{"age":1.0}}`,
		"single.rego":             "package single\n\nz := 1",
		"more.json":               `{"more":[1,2]}`,
		"more.yml":                "evenmore: {x: 1}",
		"roots/.manifest":         `{"roots":["r1","r2/deep"],"metadata":{"owner":"me"},"future":{"x":1},"revision":"from manifest"}`,
		"roots/r1/x.rego":         "package r1.x",
		"roots/r2/deep/data.json": `{"d":1}`,
		"empty/notes.txt":         "x",
	})
	in := func(names ...string) engine.BuildOptions {
		var o engine.BuildOptions
		for _, n := range names {
			o.Paths = append(o.Paths, engine.Path{Typed: n, Real: filepath.Join(dir, n)})
		}
		return o
	}
	for _, tt := range []struct {
		name string
		o    engine.BuildOptions
		want map[string]string
	}{
		{"two folders", in("a", "b"), map[string]string{
			".manifest":         `{"rego_version":1,"revision":"","roots":[""]}` + "\n",
			"authz/main.rego":   "package a\n\nx := data.users",
			"authz/main-2.rego": "package b\n\ny := 1",
			"users/data.json":   `{"alice":{"age":12345678901234567890},"bob":{"age":1.0},"yes":true}` + "\n",
		}},
		{"YAML", in("a"), map[string]string{
			".manifest":       `{"rego_version":1,"revision":"","roots":[""]}` + "\n",
			"authz/main.rego": "package a\n\nx := data.users",
			"users/data.json": `{"alice":{"age":12345678901234567890},"yes":true}` + "\n",
		}},
		{"single files", in("single.rego", "more.json", "more.yml"), map[string]string{
			".manifest":   `{"rego_version":1,"revision":"","roots":[""]}` + "\n",
			"single.rego": "package single\n\nz := 1",
			"data.json":   `{"evenmore":{"x":1},"more":[1,2]}` + "\n",
		}},
		{"one twice", in("single.rego", "./single.rego", "more.json"), map[string]string{
			".manifest":   `{"rego_version":1,"revision":"","roots":[""]}` + "\n",
			"single.rego": "package single\n\nz := 1",
			"data.json":   `{"more":[1,2]}`,
		}},
		{"a manifest", in("roots"), map[string]string{
			".manifest":         `{"future":{"x":1},"metadata":{"owner":"me"},"rego_version":1,"revision":"from manifest","roots":["r1","r2/deep"]}` + "\n",
			"r1/x.rego":         "package r1.x",
			"r2/deep/data.json": `{"d":1}`,
		}},
	} {
		data, _ := build(t, tt.o)
		got := unpack(t, data)
		if fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", tt.name, got, tt.want)
		}
		opaReads(t, data, nil)

		// A bundle built of a bundle is the same bundle.
		file := filepath.Join(t.TempDir(), "bundle.tar.gz")
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if again, _ := build(t, engine.BuildOptions{Paths: paths(file)}); !bytes.Equal(again, data) {
			t.Errorf("%s: rebuilt from the bundle it differs: %q", tt.name, unpack(t, again))
		}
	}
}

func TestBuildFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		files map[string]string
		o     engine.BuildOptions
		kind  fault.Kind
		want  string // with DIR for the folder
		hint  string
	}{
		{name: "missing", o: engine.BuildOptions{Paths: paths("no/such")}, kind: fault.NotFound, want: "no/such: no such file or folder"},
		{name: "nothing", kind: fault.NotFound, want: "DIR: no .rego and no data in it", hint: "hidden"},
		{name: "not data.json", files: map[string]string{"users.json": "{}"}, kind: fault.NotFound, want: "no .rego", hint: "DIR/users.json"},
		{name: "only tests", files: map[string]string{"x_test.rego": "package x"}, kind: fault.NotFound, want: "no .rego", hint: "--include-tests"},
		{name: "parse", files: map[string]string{"a/x.rego": "package x\n\nallow ? 1\n"}, kind: fault.Invalid, want: "DIR/a/x.rego:3:7: rego_parse_error: "},
		{name: "v0", files: map[string]string{"x.rego": "package x\n\nallow { input.x }\n"}, kind: fault.Invalid, want: "rego_parse_error", hint: "--rego-version rego.v0"},
		{name: "neither", files: map[string]string{"x.rego": "package x\n\nallow { input.x \n"}, kind: fault.Invalid, want: "rego_parse_error"},
		{name: "names within names", files: map[string]string{"x.rego": "package x\n\na ? 1\n", "DIR/x.rego": "package y"}, kind: fault.Invalid, want: "DIR/x.rego:3:3: rego_parse_error: "},
		{name: "names within names, compiled", files: map[string]string{"x.rego": "package x\n\na := foo(1)\n", "DIR/x.rego": "package y"}, kind: fault.Invalid, want: "DIR/x.rego:3:6: rego_type_error: "},
		{name: "empty module", files: map[string]string{"x.rego": ""}, kind: fault.Invalid, want: "DIR/x.rego: rego_parse_error: empty module"},
		{name: "compile, all of it", files: map[string]string{"x.rego": "package x\n\na := foo(1)\n", "z.rego": "package z\n\nc := bar(1)\n"}, kind: fault.Invalid,
			want: "2 errors\n  DIR/x.rego:3:6: rego_type_error: undefined function foo\n  DIR/z.rego:3:6: rego_type_error: undefined function bar"},
		{name: "data syntax", files: map[string]string{"x/data.json": "{\n \"a\": 1,\n}"}, kind: fault.Invalid, want: "DIR/x/data.json:3:1: '}' where a key should be"},
		{name: "data twice", files: map[string]string{"data.json": `{"a":1,"a":2}`}, kind: fault.Invalid, want: `DIR/data.json:1:8: the key "a" is there twice`},
		{name: "all data errors", files: map[string]string{"a/data.json": `[`, "b/data.json": `]`}, kind: fault.Invalid, want: "2 errors\n  DIR/a/data.json:1:2: the document ends too early\n  DIR/b/data.json:1:1: "},
		{name: "root no object", files: map[string]string{"data.json": `[1]`}, kind: fault.Invalid, want: "DIR/data.json:1:1: data at the root of a bundle must be an object"},
		{name: "YAML", files: map[string]string{"data.yaml": "a: [1\n"}, kind: fault.Invalid, want: "DIR/data.yaml: not YAML"},
		{name: "data and data", files: map[string]string{"data.json": `{"a":{"b":1}}`, "a/b/data.json": `{"c":1}`}, kind: fault.Invalid, want: "DIR/data.json:1:11: data.a.b is in DIR/a/b/data.json too"},
		{name: "data above data", files: map[string]string{"data.json": `{"a":1}`, "a/b/data.json": `{"c":1}`}, kind: fault.Invalid, want: "DIR/data.json:1:6: data.a is not an object, but DIR/a/b/data.json puts data into it"},
		{name: "data within data", files: map[string]string{"data.json": `{"a":{"b":{"c":2}}}`, "a/data.json": `{"b":{"c":1}}`}, kind: fault.Invalid, want: "DIR/data.json: data.a.b.c is in DIR/a/data.json too"},
		{name: "JSON and YAML", files: map[string]string{"data.json": `{"a":1}`, "data.yaml": "a: 2"}, kind: fault.Invalid, want: "data.a is in DIR/data.json too"},
		{name: "data and rule", files: map[string]string{"x.rego": "package a\n\nb := 1\n", "a/data.json": `{"b":{"c":1}}`}, kind: fault.Invalid, want: "DIR/x.rego:3:1: rego_compile_error: conflicting rule for data path a/b found"},
		{name: "data below rule", files: map[string]string{"x.rego": "package a\n\nb := 1\n", "a/b/c/data.json": `{}`}, kind: fault.Invalid, want: "conflicting rule for data path a/b found"},
		{name: "roots, data", files: map[string]string{".manifest": `{"roots":["a/b"]}`, "data.json": `{"a":{"b":1,"c":2}}`}, kind: fault.Invalid, want: `DIR/data.json:1:17: data.a.c is outside the roots of the manifest: ["a/b"]`},
		{name: "roots, module", files: map[string]string{".manifest": `{"roots":["a"]}`, "x.rego": "package b"}, kind: fault.Invalid, want: "DIR/x.rego: package b is outside the roots", hint: `add "b"`},
		{name: "roots overlap", files: map[string]string{".manifest": `{"roots":["a","a/b"]}`, "x.rego": "package a"}, kind: fault.Invalid, want: `DIR/.manifest: the roots "a" and "a/b" overlap`},
		{name: "manifest", files: map[string]string{".manifest": `{"roots":"a"}`, "x.rego": "package a"}, kind: fault.Invalid, want: "DIR/.manifest: not a manifest"},
		{name: "manifest twice", files: map[string]string{".manifest": `{}`, "a/.manifest": `{}`, "x.rego": "package a"}, kind: fault.Invalid, want: "a second .manifest"},
		{name: "manifest version", files: map[string]string{".manifest": `{"rego_version":9}`, "x.rego": "package a"}, kind: fault.Invalid, want: "unknown rego-version 9"},
		{name: "delta", files: map[string]string{"patch.json": `{}`}, kind: fault.Invalid, want: "delta bundle"},
		{name: "only in case", files: map[string]string{"a/data.json": "{}", "A/data.json": "{}"}, kind: fault.Invalid, want: "only in upper and lower case"},
		{name: "pattern", files: map[string]string{"a.rego": "package a"}, o: engine.BuildOptions{Ignore: []string{"["}}, kind: fault.Usage, want: "not a pattern"},
		{name: "target", files: map[string]string{"a.rego": "package a"}, o: engine.BuildOptions{Target: "x"}, kind: fault.Usage, want: `"x" is not a target`},
		{name: "wasm", files: map[string]string{"a.rego": "package a"}, o: engine.BuildOptions{Target: "wasm"}, kind: fault.Usage, want: "the target wasm needs an entrypoint", hint: "-e"},
		{name: "wasm entrypoint", files: map[string]string{"a.rego": "package a"}, o: engine.BuildOptions{Target: "wasm", Entrypoints: []string{"b/c"}}, kind: fault.Invalid, want: `entrypoint "b/c" does not refer to a rule`},
		{name: "entrypoint in Rego", files: map[string]string{"a.rego": "package a"}, o: engine.BuildOptions{Entrypoints: []string{"data.a.b"}}, kind: fault.Usage, want: "data.a.b: an entrypoint is a path below data", hint: "a/b"},
		{name: "optimize", files: map[string]string{"a.rego": "package a"}, o: engine.BuildOptions{Optimize: 1}, kind: fault.Usage, want: "optimization needs an entrypoint"},
		{name: "version", files: map[string]string{"a.rego": "package a"}, o: engine.BuildOptions{RegoVersion: "v9"}, kind: fault.Usage, want: "not a version of Rego"},
		{name: "capabilities", files: map[string]string{"a.rego": "package a"}, o: engine.BuildOptions{Capabilities: "v0.0.1"}, kind: fault.NotFound, want: "v0.0.1", hint: "v1."},
		{name: "capabilities used", files: map[string]string{"a.rego": "package a\n\nx := io.jwt.verify_eddsa(1, 2)\n"}, o: engine.BuildOptions{Capabilities: "v1.0.0"}, kind: fault.Invalid, want: "undefined function io.jwt.verify_eddsa"},
		{name: "key", files: map[string]string{"a.rego": "package a"}, o: engine.BuildOptions{Signing: engine.Signing{Key: "s3cret"}}, kind: fault.NotFound, want: "the signing key is neither PEM nor a file", hint: "HS256"},
		{name: "claims", files: map[string]string{"a.rego": "package a"}, o: engine.BuildOptions{Signing: engine.Signing{ClaimsFile: "x"}}, kind: fault.Usage, want: "no key to sign with"},
		{name: "not signed", files: map[string]string{"a.rego": "package a"}, o: engine.BuildOptions{Verification: engine.Verification{Key: "k", Algorithm: "HS256"}}, kind: fault.Invalid, want: "DIR: not signed"},
		{name: "signed", files: map[string]string{"a.rego": "package a", ".signatures.json": "{}"}, kind: fault.Invalid, want: "DIR: signed, and there is no key", hint: "--verification-key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, tt.files)
			o := tt.o
			if o.Paths == nil {
				o.Paths = []engine.Path{{Typed: "DIR", Real: dir}}
			}
			_, err := engine.Build(t.Context(), o, io.Discard)
			if err == nil {
				t.Fatal("no error")
			}
			got := filepath.ToSlash(err.Error())
			if f := fault.Of(err); f.Kind != tt.kind || !strings.Contains(got, tt.want) || strings.Contains(got, "DIR/DIR") || !strings.Contains(filepath.ToSlash(f.Hint), tt.hint) || (tt.hint == "" && strings.Contains(f.Hint, "rego-version")) {
				t.Errorf("got %v: %s (%s)\nwant %v: %s (%s)", f.Kind, got, f.Hint, tt.kind, tt.want, tt.hint)
			}
			if strings.Contains(got, "s3cret") || strings.Contains(got, dir) {
				t.Errorf("the message shows too much: %s", got)
			}
		})
	}
}
