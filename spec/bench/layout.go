package main

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Images written as OCI layouts directly, since building them would take longer
// than what is measured. A layout of names is policy's local store; a layout of
// tags is what crane and regctl read.

const (
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
)

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// layout is a folder that images are added to.
type layout struct {
	dir   string
	index *os.File
	w     *bufio.Writer
	n     int
}

func newLayout(dir string) (*layout, error) {
	for _, sub := range []string{filepath.Join("blobs", "sha256"), "ingest"} { // ingest is policy's own
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644); err != nil {
		return nil, err
	}
	index, err := os.Create(filepath.Join(dir, "index.json"))
	if err != nil {
		return nil, err
	}
	l := &layout{dir: dir, index: index, w: bufio.NewWriter(index)}
	fmt.Fprint(l.w, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[`)
	return l, nil
}

// blob writes content of any size, and moves it to where its digest says.
func (l *layout) blob(mediaType string, write func(io.Writer) error) (descriptor, error) {
	part := filepath.Join(l.dir, "part")
	sum := sha256.New()
	err := create(part, func(w io.Writer) error { return write(io.MultiWriter(w, sum)) })
	if err != nil {
		return descriptor{}, err
	}
	info, err := os.Stat(part)
	if err != nil {
		return descriptor{}, err
	}
	hex := fmt.Sprintf("%x", sum.Sum(nil))
	d := descriptor{MediaType: mediaType, Digest: "sha256:" + hex, Size: info.Size()}
	return d, os.Rename(part, filepath.Join(l.dir, "blobs", "sha256", hex))
}

// bundle writes a layer with a policy and about size bytes of random data. They
// are stored, not compressed: it would gain nothing.
func (l *layout) bundle(size int) (descriptor, error) {
	return l.blob(typeLayer, func(w io.Writer) error {
		level := gzip.NoCompression
		if size == 0 {
			level = gzip.BestSpeed
		}
		zip, err := gzip.NewWriterLevel(w, level)
		if err != nil {
			return err
		}
		archive := tar.NewWriter(zip)
		data := filepath.Join(l.dir, "data")
		defer os.Remove(data)
		if err := create(data, func(w io.Writer) error { return writeNoise(w, size) }); err != nil {
			return err
		}
		for _, name := range []string{".manifest", "authz.rego"} {
			content := map[string]string{".manifest": `{"roots":[""]}`, "authz.rego": smallRego}[name]
			if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
				return err
			}
			if _, err := io.WriteString(archive, content); err != nil {
				return err
			}
		}
		f, err := os.Open(data)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if err := archive.WriteHeader(&tar.Header{Name: "data.json", Mode: 0o644, Size: info.Size()}); err != nil {
			return err
		}
		if _, err := io.Copy(archive, f); err != nil {
			return err
		}
		if err := archive.Close(); err != nil {
			return err
		}
		return zip.Close()
	})
}

// image writes a manifest around a layer.
func (l *layout) image(layer descriptor, revision string) (descriptor, error) {
	config, err := l.blob(typeConfig, func(w io.Writer) error {
		_, err := io.WriteString(w, "{}")
		return err
	})
	if err != nil {
		return config, err
	}
	raw, err := json.Marshal(manifest{2, typeManifest, config, []descriptor{layer}, annotations(revision)})
	if err != nil {
		return config, err
	}
	return l.blob(typeManifest, func(w io.Writer) error {
		_, err := w.Write(raw)
		return err
	})
}

func annotations(revision string) map[string]string {
	return map[string]string{
		"org.openpolicyregistry.type":       "policy",
		"org.opencontainers.image.revision": revision,
		"rego.version":                      "rego.v1",
	}
}

// name adds an entry to the index: a tag in a plain layout, a full reference in
// policy's store, which keeps beside it what a listing shows.
func (l *layout) name(name string, image, layer descriptor, revision string) error {
	image.Annotations = annotations(revision)
	image.Annotations["org.opencontainers.image.ref.name"] = name
	image.Annotations["io.github.policyhost.bundle.size"] = fmt.Sprint(layer.Size)
	image.Annotations["io.github.policyhost.stored"] = "2026-01-31T12:00:00Z"
	raw, err := json.Marshal(image)
	if err != nil {
		return err
	}
	if l.n > 0 {
		fmt.Fprint(l.w, ",")
	}
	l.n++
	_, err = l.w.Write(raw)
	return err
}

func (l *layout) close() error {
	defer l.index.Close()
	fmt.Fprint(l.w, "]}")
	if err := l.w.Flush(); err != nil {
		return err
	}
	return l.index.Close()
}

// single is a layout with one image, tagged 1, with a bundle of about size bytes.
func (b *bench) single(size int) (string, error) {
	return b.fixture(fmt.Sprintf("image-%d-1", size), func(dir string) error {
		l, err := newLayout(dir)
		if err != nil {
			return err
		}
		layer, err := l.bundle(size)
		if err != nil {
			return err
		}
		image, err := l.image(layer, "1")
		if err != nil {
			return err
		}
		if err := l.name("1", image, layer, "1"); err != nil {
			return err
		}
		return l.close()
	})
}

// crowd is the root of a store with n images in it.
func (b *bench) crowd(n int) (string, error) {
	return b.fixture(fmt.Sprintf("store-%d-1", n), func(dir string) error {
		l, err := newLayout(filepath.Join(dir, "policies-root"))
		if err != nil {
			return err
		}
		layer, err := l.bundle(0)
		if err != nil {
			return err
		}
		for i := range n {
			revision := fmt.Sprintf("%040x", i)
			image, err := l.image(layer, revision)
			if err != nil {
				return err
			}
			if err := l.name(fmt.Sprintf("ghcr.io/acme/policy-%d:1.%d", i%50, i), image, layer, revision); err != nil {
				return err
			}
		}
		return l.close()
	})
}

// adopt makes a store of a single layout, its image under the given names. The
// blobs are shared, not copied.
func adopt(single, root string, names ...string) error {
	image, err := theImage(single)
	if err != nil {
		return err
	}
	layer, err := layerOf(single, image)
	if err != nil {
		return err
	}
	l, err := newLayout(filepath.Join(root, "policies-root"))
	if err != nil {
		return err
	}
	if err := linkBlobs(single, l.dir); err != nil {
		return err
	}
	for _, name := range names {
		if err := l.name(name, image, layer, "1"); err != nil {
			return err
		}
	}
	return l.close()
}

// theImage is the only image of a layout.
func theImage(single string) (descriptor, error) {
	raw, err := os.ReadFile(filepath.Join(single, "index.json"))
	if err != nil {
		return descriptor{}, err
	}
	var index struct{ Manifests []descriptor }
	if err := json.Unmarshal(raw, &index); err != nil {
		return descriptor{}, err
	}
	if len(index.Manifests) != 1 {
		return descriptor{}, fmt.Errorf("%s: %d images, wanted one", single, len(index.Manifests))
	}
	return index.Manifests[0], nil
}

// layerOf is the layer of an image.
func layerOf(dir string, image descriptor) (descriptor, error) {
	_, hex, _ := strings.Cut(image.Digest, ":")
	raw, err := os.ReadFile(filepath.Join(dir, "blobs", "sha256", hex))
	if err != nil {
		return descriptor{}, err
	}
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return descriptor{}, err
	}
	return m.Layers[0], nil
}

func linkBlobs(from, to string) error {
	blobs := filepath.Join("blobs", "sha256")
	entries, err := os.ReadDir(filepath.Join(from, blobs))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := os.Link(filepath.Join(from, blobs, entry.Name()), filepath.Join(to, blobs, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}
