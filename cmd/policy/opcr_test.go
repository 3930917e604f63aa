package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// An opcrStore is a local store as a version of opcr policy leaves it, made by
// hand from what those versions were seen to write.
type opcrStore struct {
	ts      *testscript.TestScript
	root    string
	entries []map[string]any
}

// opcr-store VERSION DIR SOURCES REF...: a store root DIR in which opcr policy
// VERSION (v0.1, v0.2, today, unconfigured, cut-short) built SOURCES, one folder,
// under the names REF.
func makeOpcrStore(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 4 {
		ts.Fatalf("usage: opcr-store VERSION DIR SOURCES REF...")
	}
	version, refs := args[0], args[3:]
	s := opcrStore{ts: ts, root: filepath.Join(ts.MkAbs(args[1]), "policies-root")}
	bundle := s.bundle(ts.MkAbs(args[2]), version)
	created := "2023-05-01T12:00:00Z"
	annotations := map[string]string{
		"org.openpolicyregistry.type":      "policy",
		"org.opencontainers.image.title":   "docker.io/acme/door",
		"org.opencontainers.image.created": created,
	}
	layer := s.blob("application/vnd.oci.image.layer.v1.tar+gzip", bundle)
	layer["annotations"] = annotations
	switch version {
	case "v0.1": // names the bundle itself
		s.name(layer, annotations, refs)
	case "v0.2":
		config := s.blob("application/vnd.oci.image.config.v1+json", []byte("{}"))
		s.name(s.manifest(layer, config, annotations), nil, refs)
	case "today", "unconfigured", "cut-short":
		annotations["rego.version"] = "rego.v1"
		config := map[string]any{
			"mediaType": "application/vnd.oci.empty.v1+json", "size": 2,
			"digest":      "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
			"annotations": map[string]string{"org.opencontainers.image.created": created},
		}
		if version != "unconfigured" {
			s.blob("", []byte("{}"))
		}
		manifest := s.manifest(layer, config, annotations)
		if version == "cut-short" { // a push that died: the name is at the config, the manifest has none
			s.name(config, nil, refs)
			s.entries = append(s.entries, manifest)
			break
		}
		s.name(manifest, nil, refs)
		s.entries = append(s.entries, // what a push leaves behind
			map[string]any{"mediaType": layer["mediaType"], "digest": layer["digest"], "size": layer["size"]})
	default:
		ts.Fatalf("no fixture for opcr policy %s", version)
	}
	s.json("oci-layout", map[string]string{"imageLayoutVersion": "1.0.0"})
	s.json("index.json", map[string]any{"schemaVersion": 2, "manifests": s.entries})
}

func (s *opcrStore) blob(mediaType string, content []byte) map[string]any {
	hex := fmt.Sprintf("%x", sha256.Sum256(content))
	s.write(filepath.Join("blobs", "sha256", hex), content)
	return map[string]any{"mediaType": mediaType, "digest": "sha256:" + hex, "size": len(content)}
}

func (s *opcrStore) manifest(layer, config map[string]any, annotations map[string]string) map[string]any {
	m := map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": config, "layers": []any{layer}, "annotations": annotations,
	}
	if config["mediaType"] == "application/vnd.oci.empty.v1+json" {
		m["artifactType"] = m["mediaType"]
	}
	text, err := json.Marshal(m)
	s.ts.Check(err)
	return s.blob("application/vnd.oci.image.manifest.v1+json", text)
}

// name adds an entry of the index for each reference.
func (s *opcrStore) name(d map[string]any, annotations map[string]string, refs []string) {
	for _, ref := range refs {
		named := map[string]string{"org.opencontainers.image.ref.name": ref}
		for k, v := range annotations {
			named[k] = v
		}
		s.entries = append(s.entries, map[string]any{"mediaType": d["mediaType"], "digest": d["digest"], "size": d["size"], "annotations": named})
	}
}

// bundle is what the OPA of the time made: absolute names, no folders, the
// manifest last, in which today's says the language.
func (s *opcrStore) bundle(sources, version string) []byte {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	add := func(name string, content []byte) {
		s.ts.Check(archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content)), Typeflag: tar.TypeReg}))
		_, err := archive.Write(content)
		s.ts.Check(err)
	}
	files, err := os.ReadDir(sources)
	s.ts.Check(err)
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(sources, f.Name()))
		s.ts.Check(err)
		name := "/" + f.Name()
		if filepath.Ext(name) == ".rego" { // OPA puts it below the path it was typed as
			name = "/home/jo/src" + name
		}
		add(name, content)
	}
	manifest := map[string]any{"revision": "", "roots": []string{""}}
	if version != "v0.1" && version != "v0.2" {
		manifest["rego_version"] = 1
	}
	text, err := json.Marshal(manifest)
	s.ts.Check(err)
	add("/.manifest", text)
	s.ts.Check(archive.Close())
	s.ts.Check(zip.Close())
	return out.Bytes()
}

func (s *opcrStore) json(name string, v any) {
	text, err := json.Marshal(v)
	s.ts.Check(err)
	s.write(name, text)
}

func (s *opcrStore) write(name string, content []byte) {
	path := filepath.Join(s.root, name)
	s.ts.Check(os.MkdirAll(filepath.Dir(path), 0o700))
	s.ts.Check(os.WriteFile(path, content, 0o600))
}
