package engine

import (
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
)

// A manifest and signatures are foreign bytes that OPA's types decode.
func FuzzManifest(f *testing.F) {
	for _, s := range []string{
		`{"revision":"r","roots":["a","b/c"],"rego_version":0,"file_rego_versions":{"/a/*.rego":1}}`,
		`{"metadata":{"required_builtins":{"builtin1":[{"name":"x.y","decl":{"type":"function","args":[{"type":"any"}],"result":{"type":"any"}}}]}}}`,
		`{"wasm":[{"entrypoint":"a/b","module":"/policy.wasm"}],"roots":null}`,
		`{"file_rego_versions":{"[":1}}`, `[]`, `null`, `{"roots":[""]}`,
	} {
		f.Add(s, `{"signatures":["a.b.c"],"plugin":"x"}`)
	}
	f.Fuzz(func(t *testing.T, manifest, signatures string) {
		p := newPart("x", "")
		p.addModule("a/b.rego", "package a\n\nx := 1\n")
		if p.addFile(".manifest", manifest) != nil || p.data.insert([]string{"a"}, &node{text: `{"c":1}`}) != nil {
			return
		}
		if p.finish(ast.RegoV1, ast.CapabilitiesForThisVersion()) == nil && p.manifest.Roots == nil {
			t.Fatal("a manifest without roots")
		}
		if p.addFile(".signatures.json", signatures) == nil {
			if got := readSignatures(p.signatures); len(got) != len(p.signatures.Signatures) {
				t.Fatalf("%d signatures of %d", len(got), len(p.signatures.Signatures))
			}
		}
		_ = readSignatures(&bundle.SignaturesConfig{Signatures: []string{signatures, manifest}})
	})
}
