package engine_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/policyhost/policy/builtins/internal/engine"
	"github.com/policyhost/policy/runtime/fault"
)

// ask opens nothing and fails the test on any error: the value of a query.
func ask(t *testing.T, b *engine.Bundle, query string) string {
	t.Helper()
	d, err := b.Eval(t.Context(), engine.Query{Query: query})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if !d.Defined {
		return "undefined"
	}
	return string(d.Result)
}

// What a query does not reach is not compiled, if somebody vouches for it.
func TestOpenTrusted(t *testing.T) {
	t.Parallel()
	files := map[string]string{"a.rego": "package a\nx := 1\n", "b.rego": "package b\nx := undefined_function(1)\n"}
	if got := ask(t, open(t, files, engine.OpenOptions{Trusted: true}), "data.a.x"); got != "1" {
		t.Errorf("trusted: %s", got)
	}
	_, err := open(t, files, engine.OpenOptions{}).Eval(t.Context(), engine.Query{Query: "data.a.x"})
	if !errors.Is(err, fault.Invalid) {
		t.Errorf("untrusted: %v", err)
	}
	b := open(t, files, engine.OpenOptions{Trusted: true})
	ask(t, b, "data.a.x")
	if _, err := b.Eval(t.Context(), engine.Query{Query: "data.b.x"}); !errors.Is(err, fault.Invalid) {
		t.Errorf("a second query that reaches the rest: %v", err)
	}
	if got := ask(t, b, "data.a.x + 1"); got != "2" {
		t.Errorf("after that: %s", got)
	}
}

// A verdict is remembered by digest and by all it depends on.
func TestOpenVerdict(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := map[string]string{"a.rego": "package a\nx := 1\n", "b.rego": "package b\nx := 1\n"}
	bad := map[string]string{"a.rego": "package a\nx := 1\n", "b.rego": "package b\nx := undefined_function(1)\n"}
	ask(t, open(t, good, engine.OpenOptions{CacheDir: dir, Key: "sha256:1"}), "data.a.x")
	// The same key with other content does not happen; it shows here who looked.
	ask(t, open(t, bad, engine.OpenOptions{CacheDir: dir, Key: "sha256:1"}), "data.a.x")
	twice := tarball(t, map[string]string{"a.rego": "package a\nx := 1\n", "data.json": `{"k":1,"k":2,"a":{"x":2}}`})
	again, err := engine.OpenBundle(t.Context(), bytes.NewReader(twice), engine.OpenOptions{CacheDir: dir, Key: "sha256:1"})
	if err != nil {
		t.Fatalf("its JSON was looked into again: %v", err)
	}
	ask(t, again, "data.a.x") // nor was its data looked into for what rules hide
	if _, err := engine.OpenBundle(t.Context(), bytes.NewReader(twice), engine.OpenOptions{CacheDir: dir, Key: "sha256:2"}); !errors.Is(err, fault.Invalid) {
		t.Errorf("a key twice in what nobody saw before: %v", err)
	}
	for name, o := range map[string]engine.OpenOptions{
		"other digest":  {CacheDir: dir, Key: "sha256:2"},
		"other version": {CacheDir: dir, Key: "sha256:1", RegoVersion: "rego.v0v1"},
		"network":       {CacheDir: dir, Key: "sha256:1", AllowNet: []string{"x"}},
		"no key":        {CacheDir: dir},
		"unusable":      {CacheDir: filepath.Join(dir, "compiled", "nothing", "\x00"), Key: "sha256:1"},
	} {
		if _, err := open(t, bad, o).Eval(t.Context(), engine.Query{Query: "data.a.x"}); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := open(t, bad, engine.OpenOptions{CacheDir: dir, Key: "sha256:3"}).Eval(t.Context(), engine.Query{Query: "data.a.x"}); err == nil {
		t.Error("bad content accepted")
	}
	if _, err := open(t, bad, engine.OpenOptions{CacheDir: dir, Key: "sha256:3"}).Eval(t.Context(), engine.Query{Query: "data.a.x"}); err == nil {
		t.Error("a refusal was remembered as a verdict")
	}
}

func TestOpenRegoVersions(t *testing.T) {
	t.Parallel()
	const v0 = "package old\n\nallow { input.x }\n\nlist[x] { x := 1 }\n"
	const v0future = "package old2\n\nimport future.keywords.if\nimport future.keywords.in\n\nallow if 1 in [1]\n"
	const v1 = "package new\n\nallow if true\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		o     engine.OpenOptions
		query string
		want  string // a value, or the error
	}{
		{"default is v1", map[string]string{"a.rego": v0}, engine.OpenOptions{}, "data.old.list", "rego_parse_error"},
		{"manifest says 0", map[string]string{".manifest": `{"rego_version":0}`, "a.rego": v0}, engine.OpenOptions{}, "data.old.list", "[1]"},
		{"manifest wins", map[string]string{".manifest": `{"rego_version":1}`, "a.rego": v0}, engine.OpenOptions{RegoVersion: "rego.v0"}, "data.old.list", "rego_parse_error"},
		{"annotation says 0", map[string]string{"a.rego": v0}, engine.OpenOptions{RegoVersion: "rego.v0"}, "data.old.list", "[1]"},
		{"v0 with future keywords", map[string]string{".manifest": `{"rego_version":0}`, "a.rego": v0future}, engine.OpenOptions{}, "data.old2.allow", "true"},
		{"per file", map[string]string{".manifest": `{"rego_version":1,"file_rego_versions":{"/old/*.rego":0}}`, "old/a.rego": v0, "b.rego": v1}, engine.OpenOptions{}, "data.old.list", "[1]"},
		{"v0v1", map[string]string{"a.rego": "package a\n\nimport rego.v1\n\nallow if true\n"}, engine.OpenOptions{RegoVersion: "rego.v0v1"}, "data.a.allow", "true"},
		{"unknown number", map[string]string{".manifest": `{"rego_version":9}`, "a.rego": v1}, engine.OpenOptions{}, "data.new.allow", "unknown rego-version"},
		{"unknown name", map[string]string{"a.rego": v1}, engine.OpenOptions{RegoVersion: "rego.v9"}, "data.new.allow", "not a version of Rego"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, err := engine.OpenBundle(t.Context(), bytes.NewReader(tarball(t, c.files)), c.o)
			var got string
			if err == nil {
				var d *engine.Decision
				if d, err = b.Eval(t.Context(), engine.Query{Query: c.query}); err == nil {
					got = string(d.Result)
				}
			}
			if err != nil {
				got = err.Error()
			}
			if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	const wasm = `{"roots":[""],"wasm":[{"entrypoint":"authz/allow","module":"/policy.wasm"}]}`
	for _, c := range []struct {
		name  string
		files map[string]string
		query string // empty: opening fails
		want  string
	}{
		{name: "module outside the roots", files: map[string]string{".manifest": `{"roots":["a"]}`, "b.rego": "package b\n"}, want: "package b is outside the roots"},
		{name: "data outside the roots", files: map[string]string{".manifest": `{"roots":["a/b"]}`, "data.json": `{"a":{"b":1,"c":2}}`}, want: "data.a.c is outside the roots"},
		{name: "roots overlap", files: map[string]string{".manifest": `{"roots":["a","a/b"]}`, "a.rego": "package a\n"}, want: "overlap"},
		{name: "manifest", files: map[string]string{".manifest": `{"roots":7}`, "a.rego": "package a\n"}, want: ".manifest"},
		{name: "two values", files: map[string]string{"data.json": `{"a":{"b":1}}`, "a/data.json": `{"b":2}`}, want: "data.a.b: two files give it a value"},
		{name: "value and folder", files: map[string]string{"data.json": `{"a":1}`, "a/b/data.json": `{"c":2}`}, want: "two files give it a value"},
		{name: "root is a list", files: map[string]string{"data.json": `[1]`}, want: "must be an object"},
		{name: "duplicate key", files: map[string]string{"data.json": `{"a":1,"a":2}`}, want: "data.json"},
		{name: "delta", files: map[string]string{"patch.json": `{"data":[]}`}, want: "delta bundle"},
		{name: "yaml", files: map[string]string{"data.yaml": "a: [1"}, want: "data.yaml"},
		{name: "wasm only", files: map[string]string{".manifest": wasm, "policy.wasm": "\x00asm"}, query: "data.authz.allow", want: "WebAssembly"},
		{name: "wasm beside pruned rego", files: map[string]string{".manifest": wasm, "policy.wasm": "\x00asm", "a.rego": "package authz\n\nother := 1\n"}, query: "data.authz", want: "data.authz.allow is WebAssembly only"},
		{name: "wasm behind a reference", files: map[string]string{".manifest": wasm, "policy.wasm": "\x00asm", "a.rego": "package b\n\nx := data.authz.allow\n"}, query: "data.b.x", want: "data.authz.allow is WebAssembly only"},
		{name: "plan only", files: map[string]string{"plan.json": `{}`}, query: "data.a", want: "compiled code"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, err := engine.OpenBundle(t.Context(), bytes.NewReader(tarball(t, c.files)), engine.OpenOptions{Name: "x.tar.gz"})
			if c.query != "" {
				if err != nil {
					t.Fatal(err)
				}
				_, err = b.Eval(t.Context(), engine.Query{Query: c.query})
			}
			if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	whole := open(t, map[string]string{".manifest": wasm, "policy.wasm": "\x00asm", "a.rego": "package authz\n\nallow := true\n"}, engine.OpenOptions{})
	if got := ask(t, whole, "data.authz.allow"); got != "true" {
		t.Errorf("WebAssembly beside whole Rego: %s", got)
	}
	pruned := open(t, map[string]string{".manifest": wasm, "policy.wasm": "\x00asm", "a.rego": "package other\n\nx := 1\n"}, engine.OpenOptions{})
	if got := ask(t, pruned, "data.other.x"); got != "1" {
		t.Errorf("beside WebAssembly that is not asked: %s", got)
	}
}

// Bundles of stock OPA have absolute names.
func TestOpenAbsoluteNames(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	for _, f := range [][2]string{{"/data.json", `{"n":1}`}, {"/authz/policy.rego", "package authz\nx := data.n\n"}, {"/.manifest", `{"revision":"r1","roots":["authz","n"]}`}} {
		if err := tw.WriteHeader(&tar.Header{Name: f[0], Size: int64(len(f[1])), Mode: 0o600, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(f[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		t.Fatal(err)
	}
	b, err := engine.OpenBundle(t.Context(), bytes.NewReader(buf.Bytes()), engine.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, b, "data.authz.x"); got != "1" {
		t.Errorf("got %s", got)
	}
}

// A tarball cut anywhere is refused, never half loaded.
func TestOpenTruncated(t *testing.T) {
	t.Parallel()
	raw := tarball(t, map[string]string{"data.json": users, "authz.rego": authz})
	for n := range len(raw) {
		if _, err := engine.OpenBundle(t.Context(), bytes.NewReader(raw[:n]), engine.OpenOptions{}); err == nil {
			t.Fatalf("accepted after %d of %d bytes", n, len(raw))
		}
	}
}

func TestOpenDir(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"authz.rego": authz, "authz_test.rego": "package broken {", "data.json": `{"users":{"alice":{"roles":["admin"]}}}`,
		"conf/data.yaml": "step: 3\n", "conf/other.json": `{"never":1}`, ".hidden/data.json": `{"never":1}`, ".hidden/x.rego": "no",
		"README.md": "#", "input.json": `{"never":1}`, "lib/x/lib.rego": "package lib\nv := data.conf.step\n",
		".hidden.rego": "no", "sub/.manifest": `{"rego_version":1}`, "plan.json": `{}`,
	})
	extra := folder(t, map[string]string{"bob.json": `{"users":{"bob":{"roles":["dev"]}}}`, "sub/any.yaml": "k: v\n", "more.rego": "package more\nv := data.sub.k\n"})
	single := filepath.Join(extra, "bob.json")
	for link, target := range map[string]string{"folder": extra, "inside.rego": "lib/x/lib.rego"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Logf("no symbolic links here: %v", err)
		}
	}
	b, err := engine.OpenDir(t.Context(), []string{dir}, engine.OpenOptions{Name: dir, Data: []string{extra}})
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"data.lib.v": "3", "data.conf": `{"step":3}`, "data.never": "undefined", "data.more.v": `"v"`,
		"data.users": `{"alice":{"roles":["admin"]},"bob":{"roles":["dev"]}}`,
	} {
		if got := ask(t, b, query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	b, err = engine.OpenDir(t.Context(), []string{filepath.Join(dir, "authz.rego"), single}, engine.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, b, "data.users"); got != `{"bob":{"roles":["dev"]}}` {
		t.Errorf("single files: %s", got)
	}
	twice := folder(t, map[string]string{"p.rego": "package p\n\ndefault x := 1\n", "data.json": `{"a":1}`})
	b, err = engine.OpenDir(t.Context(), []string{twice, filepath.Join(twice, "p.rego"), twice + "/./data.json"}, engine.OpenOptions{Data: []string{folder(t, map[string]string{"p.rego": "package q\n\nx := 2\n"})}})
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, b, "[data.p.x, data.q.x, data.a]"); got != "[1,2,1]" {
		t.Errorf("files named twice: %s", got)
	}
	for _, c := range []struct {
		paths []string
		o     engine.OpenOptions
		kind  fault.Kind
		want  string
	}{
		{[]string{filepath.Join(dir, "nowhere")}, engine.OpenOptions{}, fault.NotFound, "nowhere"},
		{[]string{t.TempDir()}, engine.OpenOptions{}, fault.NotFound, "no .rego"},
		{[]string{filepath.Join(dir, "README.md")}, engine.OpenOptions{}, fault.Usage, "not a policy"},
		{[]string{dir}, engine.OpenOptions{Data: []string{dir}}, fault.Invalid, "two files"},
		{[]string{dir}, engine.OpenOptions{Data: []string{"nowhere.json"}}, fault.NotFound, "nowhere.json"},
	} {
		_, err := engine.OpenDir(t.Context(), c.paths, c.o)
		if !errors.Is(err, c.kind) || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%v: %v, want %v %s", c.paths, err, c.kind, c.want)
		}
	}
	two := folder(t, map[string]string{".manifest": "{}", "a/.manifest": "{}", "p.rego": "package p\n"})
	if _, err := engine.OpenDir(t.Context(), []string{two}, engine.OpenOptions{}); !errors.Is(err, fault.Invalid) {
		t.Errorf("two manifests: %v", err)
	}
	if out := folder(t, map[string]string{"p.rego": "package p\n"}); os.Symlink(filepath.Join(extra, "more.rego"), filepath.Join(out, "out.rego")) == nil {
		if _, err := engine.OpenDir(t.Context(), []string{out}, engine.OpenOptions{}); !errors.Is(err, fault.Invalid) {
			t.Errorf("a link that leads out: %v", err)
		}
	}
	broken := folder(t, map[string]string{"p/a.rego": "package a\nx if y\n"})
	b, err = engine.OpenDir(t.Context(), []string{broken}, engine.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Eval(t.Context(), engine.Query{Query: "data.a"}); err == nil || !strings.Contains(err.Error(), filepath.ToSlash(broken)+"/p/a.rego:2:6") {
		t.Errorf("the place is not as typed: %v", err)
	}
}

// What build makes of a folder answers as the folder does.
func TestOpenBuilt(t *testing.T) {
	t.Parallel()
	dir := folder(t, sameFiles)
	var layer bytes.Buffer
	if _, err := engine.Build(t.Context(), engine.BuildOptions{Paths: []engine.Path{{Typed: "policies", Real: dir}}}, &layer); err != nil {
		t.Fatal(err)
	}
	built, err := engine.OpenBundle(t.Context(), &layer, engine.OpenOptions{Trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	local, err := engine.OpenDir(t.Context(), []string{dir}, engine.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range sameQueries {
		q := engine.Query{Query: query, Input: []byte(`{"user":"alice","what":"step"}`), Time: time.Unix(0, 0)}
		a, errA := built.Eval(t.Context(), q)
		b, errB := local.Eval(t.Context(), q)
		if (errA == nil) != (errB == nil) || errA == nil && (string(a.Result) != string(b.Result) || a.Defined != b.Defined) {
			t.Errorf("%s: built %v %v, local %v %v", query, a, errA, b, errB)
		}
	}
}

func TestInspect(t *testing.T) {
	t.Parallel()
	token := "eyJhbGciOiJIUzI1NiJ9.eyJmaWxlcyI6W3sibmFtZSI6ImRhdGEuanNvbiJ9XSwia2V5aWQiOiJrMSIsInNjb3BlIjoid3JpdGUifQ.c2ln"
	raw := tarball(t, map[string]string{
		".manifest":        `{"revision":"abc","roots":["authz","users"],"rego_version":1,"metadata":{"team":"x","required_builtins":{"builtin1":[{"name":"ds.user","decl":{"type":"function","args":[{"type":"any"}],"result":{"type":"any"}}}]}}}`,
		".signatures.json": `{"signatures":["` + token + `","garbage"]}`,
		"authz/a.rego":     "# METADATA\n# title: Authorization\n# description: who may\n# authors:\n# - Ann <ann@example.com>\n# related_resources:\n# - https://example.com/doc\n# organizations:\n# - Acme\n# custom:\n#   level: 3\npackage authz\n\n# METADATA\n# entrypoint: true\nallow := startswith(input.x, \"a\")\n\nlong if 3 < count(input.x)\n",
		"authz/b.rego":     "package authz.roles\n\nx if {\n",
		"data.json":        `{"users":{}}`,
	})
	in, err := engine.Inspect(t.Context(), bytes.NewReader(raw), engine.OpenOptions{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if in.Revision != "abc" || in.RegoVersion != "rego.v1" || fmt.Sprint(in.Roots) != "[authz users]" ||
		fmt.Sprint(in.Packages) != "[authz authz.roles]" || fmt.Sprint(in.Entrypoints) != "[authz/allow]" ||
		fmt.Sprint(in.RequiredBuiltins) != "[ds.user]" || fmt.Sprint(in.Calls) != "[count startswith]" || in.Metadata["team"] != "x" {
		t.Errorf("%+v", in)
	}
	if want := []engine.Signature{{Algorithm: "HS256", KeyID: "k1", Scope: "write", Files: 1}, {}}; !reflect.DeepEqual(in.Signatures, want) {
		t.Errorf("signatures %+v", in.Signatures)
	}
	if len(in.Files) != 5 || in.Files[0].Path != ".manifest" || in.Files[4] != (engine.FileInfo{Path: "data.json", Size: 12}) {
		t.Errorf("files %+v", in.Files)
	}
	if len(in.Problems) != 1 || in.Problems[0].File != "authz/b.rego" {
		t.Errorf("problems %+v", in.Problems)
	}
	if len(in.Annotations) != 2 {
		t.Fatalf("annotations %+v", in.Annotations)
	}
	a := in.Annotations[0]
	if a.Path != "data.authz" || a.Title != "Authorization" || a.File != "authz/a.rego" || a.Line != 12 || fmt.Sprint(a.Authors) != "[Ann <ann@example.com>]" ||
		fmt.Sprint(a.Resources) != "[https://example.com/doc]" || fmt.Sprint(a.Orgs) != "[Acme]" || fmt.Sprint(a.Custom) != "map[level:3]" {
		t.Errorf("annotation %+v", a)
	}
	empty, err := engine.Inspect(t.Context(), bytes.NewReader(tarball(t, map[string]string{"data.json": "{}"})), engine.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(empty)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"roots":[""],"revision":"","rego_version":"rego.v1","packages":[],"entrypoints":[],"required_builtins":[],"calls":[],"signatures":[],"files":[{"path":"data.json","size":2}]}`; string(text) != want {
		t.Errorf("got %s", text)
	}
}
