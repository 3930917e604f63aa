package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins/internal/engine"
	"github.com/policyhost/policy/runtime/fault"
)

const targetSource = `package authz

# METADATA
# entrypoint: true
allow if {
	some role in data.roles[input.user]
	role == "admin"
}

helper := 1
`

func TestBuildTargets(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"authz/authz.rego": targetSource, "roles/data.json": `{"alice":["admin"]}`})
	other := tree(t, map[string]string{"authz/authz.rego": targetSource, "roles/data.json": `{"alice":["admin"]}`})
	for _, tt := range []struct {
		o    engine.BuildOptions
		want string
	}{
		{engine.BuildOptions{Target: "wasm"}, ".manifest authz/authz.rego policy.wasm roles/data.json"},
		{engine.BuildOptions{Target: "plan"}, ".manifest authz/authz.rego plan.json roles/data.json"},
		{engine.BuildOptions{Optimize: 1}, ".manifest authz/authz.rego optimized/authz.rego roles/data.json"},
		{engine.BuildOptions{Optimize: 2, Entrypoints: []string{"authz/allow", "/authz/helper"}}, ".manifest optimized/authz.1.rego optimized/authz.rego roles/data.json"},
	} {
		o := tt.o
		o.Paths = paths(dir)
		o.Revision = "r1"
		data, built := build(t, o)
		got := unpack(t, data)
		if names(got) != tt.want {
			t.Errorf("%s -O%d: %s, want %s", o.Target, o.Optimize, names(got), tt.want)
		}
		if built.Entrypoints[0] != "authz/allow" || built.Revision != "r1" {
			t.Errorf("%s -O%d: %+v", o.Target, o.Optimize, built)
		}
		b := opaReads(t, data, nil)
		if b.Manifest.Revision != "r1" || *b.Manifest.RegoVersion != 1 {
			t.Errorf("%s -O%d: manifest %v", o.Target, o.Optimize, b.Manifest)
		}
		if o.Target == "wasm" && (len(b.WasmModules) != 1 || len(b.WasmModules[0].Entrypoints) != 1) {
			t.Errorf("wasm: %v", b.Manifest)
		}
		if o.Target == "plan" && strings.Contains(got["plan.json"], dir) {
			t.Error("the plan tells where it was built")
		}
		o.Paths = paths(other)
		if again, _ := build(t, o); !bytes.Equal(again, data) {
			t.Errorf("%s -O%d: another digest from another folder", o.Target, o.Optimize)
		}
	}
}

func TestBuildRegoVersions(t *testing.T) {
	t.Parallel()
	const v0, v1 = "package old\n\nallow { input.x }\n", "package new\n\nallow if input.x\n"
	const both = "package both\n\nimport rego.v1\n\nallow if input.x\n"
	for _, tt := range []struct {
		name, flag string
		files      map[string]string
		want       string // Built.RegoVersion, then the manifest's fields
	}{
		{"v1", "", map[string]string{"x.rego": v1}, "rego.v1 1"},
		{"v0", "rego.v0", map[string]string{"x.rego": v0}, "rego.v0 0"},
		{"v0v1", "rego.v0v1", map[string]string{"x.rego": both}, "rego.v0v1 0"},
		{"the manifest wins", "", map[string]string{".manifest": `{"rego_version":0}`, "x.rego": v0}, "rego.v0 0"},
		{"file by file", "", map[string]string{".manifest": `{"rego_version":1,"file_rego_versions":{"/old/*.rego":0}}`, "old/x.rego": v0, "x.rego": v1}, `rego.v1 1 {"/old/*.rego":0,"old/*.rego":0}`},
	} {
		data, built := build(t, engine.BuildOptions{Paths: paths(tree(t, tt.files)), RegoVersion: tt.flag})
		var m struct {
			Version json.RawMessage `json:"rego_version"`
			Files   json.RawMessage `json:"file_rego_versions"`
		}
		if err := json.Unmarshal([]byte(unpack(t, data)[".manifest"]), &m); err != nil {
			t.Fatal(err)
		}
		got := strings.TrimSpace(built.RegoVersion + " " + string(m.Version) + " " + string(m.Files))
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		opaReads(t, data, nil)
	}
	// Two folders of different versions become one bundle that knows which is which.
	old := tree(t, map[string]string{".manifest": `{"rego_version":0,"roots":["old"]}`, "x.rego": v0})
	data, built := build(t, engine.BuildOptions{Paths: paths(old, tree(t, map[string]string{".manifest": `{"roots":["new"]}`, "x.rego": v1}))})
	const want = `{"file_rego_versions":{"/x.rego":0,"x.rego":0},"rego_version":1,"revision":"","roots":["new","old"]}` + "\n"
	if got := unpack(t, data)[".manifest"]; got != want || built.RegoVersion != "rego.v1" {
		t.Errorf("mixed: %s, want %s", got, want)
	}
	opaReads(t, data, nil)
}

func TestBuildRequiredBuiltins(t *testing.T) {
	t.Parallel()
	decl := func(name string) string {
		return `{"metadata":{"required_builtins":{"builtin1":[{"name":"` + name + `","decl":{"args":[{"type":"any"}],"result":{"type":"any"},"type":"function"}}]}}}`
	}
	a := tree(t, map[string]string{".manifest": decl("ds.check"), "a.rego": "package a\n\nx := ds.check(1)\n"})
	b := tree(t, map[string]string{".manifest": decl("ds.user"), "b.rego": "package b\n\nx := ds.user({\"id\": input.id})\n"})
	for _, o := range []engine.BuildOptions{
		{Paths: paths(a, b)},
		{Paths: paths(a, b), Target: "wasm", Entrypoints: []string{"a/x"}},
		{Paths: paths(a, b), Target: "plan", Entrypoints: []string{"b/x"}},
	} {
		data, _ := build(t, o)
		if m := unpack(t, data)[".manifest"]; !strings.Contains(m, "ds.user") {
			t.Errorf("the manifest lost a function: %s", m)
		}
	}
	_, err := engine.Build(t.Context(), engine.BuildOptions{Paths: paths(a), Optimize: 1, Entrypoints: []string{"a/x"}}, io.Discard)
	if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "a.rego:3:6: eval_internal_error") || !strings.Contains(fault.Of(err).Hint, "cannot be optimized") {
		t.Errorf("optimized: %v (%s)", err, fault.Of(err).Hint)
	}
	_, err = engine.Build(t.Context(), engine.BuildOptions{Paths: paths(filepath.Join(a, "a.rego"))}, io.Discard)
	if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "undefined function ds.check") {
		t.Errorf("without the manifest: %v", err)
	}
}

func TestBuildSymlinks(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links need a privilege on Windows")
	}
	outside := tree(t, map[string]string{"secret.rego": "package secret", "d/y.rego": "package y"})
	dir := tree(t, map[string]string{"..data/x.rego": "package x", "real/z.rego": "package z"})
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("..data/x.rego", "x.rego") // as Kubernetes mounts a ConfigMap
	link("real", "folder")
	link(outside, "elsewhere")
	data, _ := build(t, engine.BuildOptions{Paths: paths(dir)})
	if got := names(unpack(t, data)); got != ".manifest real/z.rego x.rego" {
		t.Errorf("got %s", got)
	}
	// A path that is itself a link is what it leads to.
	linked := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, linked); err != nil {
		t.Fatal(err)
	}
	if again, _ := build(t, engine.BuildOptions{Paths: paths(linked)}); !bytes.Equal(again, data) {
		t.Error("another digest through a link")
	}
	for _, to := range []string{filepath.Join(outside, "secret.rego"), "../" + filepath.Base(outside) + "/secret.rego", "nowhere", "bad.rego"} {
		link(to, "bad.rego")
		_, err := engine.Build(t.Context(), engine.BuildOptions{Paths: []engine.Path{{Typed: "DIR", Real: dir}}}, io.Discard)
		if !errors.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), "DIR/bad.rego: a symbolic link that leads nowhere or out of DIR") {
			t.Errorf("a link to %s: %v", to, err)
		}
		if err := os.Remove(filepath.Join(dir, "bad.rego")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBuildConfigFile(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"x.rego": "package x\n\nallow { input.y }\n", "y.bak.rego": "broken"})
	config := filepath.Join(t.TempDir(), "build.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("rego-version: rego.v0\nignore: ['*.bak.rego']\nrevision: from-config\n")
	_, built := build(t, engine.BuildOptions{Paths: paths(dir), BuildConfigFile: config, Target: "rego", RegoVersion: "rego.v1"})
	if built.RegoVersion != "rego.v0" || built.Revision != "from-config" {
		t.Errorf("built %+v", built)
	}
	_, built = build(t, engine.BuildOptions{Paths: paths(dir), BuildConfigFile: config, Revision: "mine"})
	if built.Revision != "mine" {
		t.Errorf("an option loses against the file: %+v", built)
	}
	write("revisoin: x\n")
	_, err := engine.Build(t.Context(), engine.BuildOptions{Paths: paths(dir), BuildConfigFile: config}, io.Discard)
	if !errors.Is(err, fault.Usage) || !strings.Contains(err.Error(), `"revisoin"`) {
		t.Errorf("a misspelt key: %v", err)
	}
	_, err = engine.Build(t.Context(), engine.BuildOptions{Paths: paths(dir), BuildConfigFile: "no/such"}, io.Discard)
	if !errors.Is(err, fault.NotFound) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestBuildHostileTarball(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bundle.tar.gz")
	data, _ := build(t, engine.BuildOptions{Paths: paths(tree(t, sample))})
	for name, bad := range map[string][]byte{"cut": data[:len(data)-1], "more": append(bytes.Clone(data), 0), "text": []byte("package x")} {
		if err := os.WriteFile(file, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := engine.Build(t.Context(), engine.BuildOptions{Paths: []engine.Path{{Typed: "b.tar.gz", Real: file}}}, io.Discard)
		if !errors.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), "b.tar.gz: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBuildTooCompressible(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"data.json": `{"k":[` + strings.Repeat("0,", 2<<20) + "0]}"})
	_, err := engine.Build(t.Context(), engine.BuildOptions{Paths: paths(dir)}, io.Discard)
	if !errors.Is(err, fault.Limit) {
		t.Errorf("what a scan refuses was built: %v", err)
	}
	build(t, engine.BuildOptions{Paths: paths(dir), Limits: engine.Limits{Ratio: 5000}})
}

// A data file in a tarball that is too large to be kept is read out of it again.
func TestBuildLargeTarball(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString(`{"k":[`)
	for i := 0; text.Len() < 3<<20; i++ {
		fmt.Fprintf(&text, `{"name":"someone %x","roles":["a","b"]},`, i*7919)
	}
	text.WriteString("0]}")
	data, _ := build(t, engine.BuildOptions{Paths: paths(tree(t, map[string]string{"a/data.json": text.String(), "x.rego": "package x"}))})
	file := filepath.Join(t.TempDir(), "bundle.tar.gz")
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	again, _ := build(t, engine.BuildOptions{Paths: paths(file)})
	if !bytes.Equal(again, data) {
		t.Error("rebuilt it differs")
	}
}

func TestBuildStops(t *testing.T) {
	t.Parallel()
	dir := tree(t, sample)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := engine.Build(ctx, engine.BuildOptions{Paths: paths(dir)}, io.Discard); fault.Of(err).Kind != fault.Canceled {
		t.Errorf("cancelled before: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	_, err := engine.Build(ctx, engine.BuildOptions{Paths: paths(dir)}, writerFunc(func(p []byte) (int, error) {
		cancel()
		return len(p), nil
	}))
	if err != nil && fault.Of(err).Kind != fault.Canceled {
		t.Errorf("cancelled while it writes: %v", err)
	}
	full := errors.New("no space")
	_, err = engine.Build(t.Context(), engine.BuildOptions{Paths: paths(dir)}, writerFunc(func([]byte) (int, error) { return 0, full }))
	if !errors.Is(err, full) || errors.Is(err, fault.Invalid) {
		t.Errorf("the writer's error came back as %v", err)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
