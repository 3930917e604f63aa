package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	large = 1_000_000_000
	tiny  = 0 // a bundle of less than 1 KB
)

// wire is a registry, an image of a size, and where those who take part keep it.
type wire struct {
	*bench
	addr   string
	single string // the layout that crane and regctl push from
	layer  descriptor
	store  string // policy's
	down   string // where pulls go, removed before each
}

func (b *bench) wire(ctx context.Context, size int) (*wire, error) {
	single, err := b.single(size)
	if err != nil {
		return nil, err
	}
	addr, err := b.registry(ctx)
	if err != nil {
		return nil, err
	}
	image, err := theImage(single)
	if err != nil {
		return nil, err
	}
	layer, err := layerOf(single, image)
	if err != nil {
		return nil, err
	}
	store, err := b.folder("store")
	return &wire{b, addr, single, layer, store, filepath.Join(b.work, "down")}, err
}

// blob is the file of the layer.
func (w *wire) blob() string {
	return filepath.Join(w.single, "blobs", "sha256", strings.TrimPrefix(w.layer.Digest, "sha256:"))
}

// ref is a repository of its own for each program and run, so that all is sent.
func (w *wire) ref(size int, who string, run int) string {
	return fmt.Sprintf("%s/bench/%d/%s/%d:1", w.addr, size, who, run)
}

const curlPush = `set -e
to=$(curl -sS -f -X POST -o /dev/null -D - "http://$1/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
curl -sS -f -X PUT -H 'Content-Type: application/octet-stream' -H 'Expect:' -T "$2" "$to&digest=$3"
`

// pushes compares sending an image to a repository that does not have it.
func (b *bench) pushes(ctx context.Context, size, runs int) ([]series, error) {
	w, err := b.wire(ctx, size)
	if err != nil {
		return nil, err
	}
	if b.runs > 0 {
		runs = b.runs
	}
	var names []string
	for run := range runs + 1 {
		names = append(names, w.ref(size, "policy", run))
	}
	if err := adopt(w.single, w.store, names...); err != nil {
		return nil, err
	}
	quiet := func(int) error { settle(); return nil }
	all := map[string]program{
		"policy": {store: w.store, before: quiet, want: w.addr, command: func(run int) []string {
			return []string{b.tools["policy"].path, "push", names[run]}
		}},
		"crane": {before: quiet, command: func(run int) []string {
			return []string{b.tools["crane"].path, "push", w.single, w.ref(size, "crane", run)}
		}},
		"regctl": {before: quiet, command: func(run int) []string {
			return []string{b.tools["regctl"].path, "--host", "reg=" + w.addr + ",tls=disabled", "image", "copy", "ocidir://" + w.single + ":1", w.ref(size, "regctl", run)}
		}},
		"skopeo": {before: quiet, command: func(run int) []string {
			return []string{b.tools["skopeo"].path, "copy", "--dest-tls-verify=false", "oci:" + w.single + ":1", "docker://" + w.ref(size, "skopeo", run)}
		}},
		"curl": {before: quiet, command: func(run int) []string {
			repository := strings.TrimSuffix(strings.Replace(w.ref(size, "curl", run), "/", "/v2/", 1), ":1")
			return []string{"sh", "-c", curlPush, "curl", repository, w.blob(), w.layer.Digest}
		}},
	}
	return b.alternate(ctx, runs, b.has(all, "policy", "crane", "regctl", "skopeo", "curl")...)
}

// pulls compares fetching an image into an empty place.
func (b *bench) pulls(ctx context.Context, size, runs int) ([]series, error) {
	w, err := b.wire(ctx, size)
	if err != nil {
		return nil, err
	}
	ref := w.ref(size, "source", 0)
	if err := adopt(w.single, w.store, ref); err != nil {
		return nil, err
	}
	if _, err := b.once(ctx, program{store: w.store}, 0, []string{b.tools["policy"].path, "push", ref}); err != nil {
		return nil, err
	}
	empty := func(int) error { return b.afresh(w.down) }
	url := "http://" + strings.TrimSuffix(strings.Replace(ref, "/", "/v2/", 1), ":1") + "/blobs/" + w.layer.Digest
	all := map[string]program{
		"policy": {store: w.down, before: func(int) error { return b.freshStore(w.down) }, want: ref, command: always(b.tools["policy"].path, "pull", ref)},
		"crane":  {before: empty, command: always(b.tools["crane"].path, "pull", "--format", "oci", ref, w.down)},
		"regctl": {before: empty, command: always(b.tools["regctl"].path, "--host", "reg="+w.addr+",tls=disabled", "image", "copy", ref, "ocidir://"+w.down+":1")},
		"skopeo": {before: empty, command: always(b.tools["skopeo"].path, "copy", "--src-tls-verify=false", "docker://"+ref, "oci:"+w.down+":1")},
		"curl":   {before: empty, command: always("curl", "-sS", "-f", "-o", w.down, url)},
	}
	programs := b.has(all, "policy", "crane", "regctl", "skopeo", "curl")
	if crane, ok := b.tools["crane"]; ok {
		programs = append(programs, program{
			name: "crane + sync -d", before: empty,
			command: always("sh", "-c", `"$1" pull --format oci "$2" "$3" && find "$3" -type f -exec sync -d {} +`, "crane", crane.path, ref, w.down),
		})
	}
	if _, ok := b.tools["curl"]; ok {
		programs = append(programs, program{
			name: "curl + sync -d", before: empty,
			command: always("sh", "-c", `curl -sS -f -o "$1" "$2" && sync -d "$1"`, "curl", w.down, url),
		})
	}
	series, err := b.alternate(ctx, runs, programs...)
	return series, errors.Join(err, os.RemoveAll(w.down))
}

func pushLarge(ctx context.Context, b *bench) ([]series, error) { return b.pushes(ctx, large, 4) }
func pullLarge(ctx context.Context, b *bench) ([]series, error) { return b.pulls(ctx, large, 4) }
func pushSmall(ctx context.Context, b *bench) ([]series, error) { return b.pushes(ctx, tiny, 20) }
func pullSmall(ctx context.Context, b *bench) ([]series, error) { return b.pulls(ctx, tiny, 20) }

// pushAgain sends what is there already.
func pushAgain(ctx context.Context, b *bench) ([]series, error) {
	w, err := b.wire(ctx, tiny)
	if err != nil {
		return nil, err
	}
	ref := w.ref(tiny, "again", 0)
	if err := adopt(w.single, w.store, ref); err != nil {
		return nil, err
	}
	all := map[string]program{
		"policy": {store: w.store, want: ref, command: always(b.tools["policy"].path, "push", ref)},
		"crane":  {command: always(b.tools["crane"].path, "push", w.single, ref)},
		"regctl": {command: always(b.tools["regctl"].path, "--host", "reg="+w.addr+",tls=disabled", "image", "copy", "ocidir://"+w.single+":1", ref)},
	}
	return b.alternate(ctx, 20, append(b.has(all, "policy", "crane", "regctl"), b.yardstick()...)...)
}
