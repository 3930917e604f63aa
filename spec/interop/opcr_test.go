package interop

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/oci"
)

// opcr does to a store what opcr policy does, with the library that opcr policy
// uses for it: its own binary cannot be had from a Go module.
type opcr struct {
	*user
	store *oci.Store
}

// theirs opens the user's store anew, as each run of opcr policy does.
func (u *user) theirs() opcr {
	u.Helper()
	store, err := oci.New(filepath.Join(u.home, ".policy", "policies-root"))
	if err != nil {
		u.Fatalf("opcr policy cannot open the store: %v", err)
	}
	store.AutoSaveIndex = true
	store.AutoGC = true
	return opcr{u, store}
}

func (o opcr) check(what string, err error) {
	o.Helper()
	if err != nil {
		o.Fatalf("opcr policy cannot %s: %v", what, err)
	}
}

// images are the names it lists.
func (o opcr) images() []string {
	o.Helper()
	var names []string
	o.check("list", o.store.Tags(context.Background(), "", func(tags []string) error {
		names = append(names, tags...)
		return nil
	}))
	slices.Sort(names)
	return names
}

// build makes an image of a bundle as its build does: a manifest whose config
// blob is the empty one, named by its full reference.
func (o opcr) build(ref string, bundle []byte, configType string, withConfig bool) {
	o.Helper()
	ctx := context.Background()
	annotations := map[string]string{
		ocispec.AnnotationTitle:       "docker.io/acme/authz",
		ocispec.AnnotationCreated:     time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC).Format(time.RFC3339),
		"org.openpolicyregistry.type": "policy",
		"rego.version":                "rego.v1",
	}
	layer := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: digest.FromBytes(bundle), Size: int64(len(bundle)), Annotations: annotations}
	if there, _ := o.store.Exists(ctx, layer); !there {
		o.check("store the bundle", o.store.Push(ctx, layer, bytes.NewReader(bundle)))
	}
	config := ocispec.Descriptor{MediaType: configType, Digest: digest.FromString("{}"), Size: 2}
	if there, _ := o.store.Exists(ctx, config); withConfig && !there {
		o.check("store the config", o.store.Push(ctx, config, bytes.NewReader([]byte("{}"))))
	}
	manifest, err := oras.PackManifest(ctx, o.store, oras.PackManifestVersion1_1, ocispec.MediaTypeImageManifest,
		oras.PackManifestOptions{Layers: []ocispec.Descriptor{layer}, ManifestAnnotations: annotations, ConfigDescriptor: &config})
	o.check("store the manifest", err)
	o.check("tag", o.store.Tag(ctx, manifest, ref))
	o.check("save the index", o.store.SaveIndex())
}

// tag gives an image another name.
func (o opcr) tag(ref, other string) {
	o.Helper()
	d, err := o.store.Resolve(context.Background(), ref)
	o.check("find "+ref, err)
	o.check("tag", o.store.Tag(context.Background(), d, other))
}

// bundle reads what save would write: the first layer of the image.
func (o opcr) bundle(ref string) []byte {
	o.Helper()
	ctx := context.Background()
	d, err := o.store.Resolve(ctx, ref)
	o.check("find "+ref, err)
	if d.MediaType != ocispec.MediaTypeImageManifest {
		o.Fatalf("opcr policy takes %s for a %s", ref, d.MediaType)
	}
	_, manifest, err := oras.FetchBytes(ctx, o.store, ref, oras.DefaultFetchBytesOptions)
	o.check("read the manifest", err)
	var m ocispec.Manifest
	o.json(string(manifest), &m)
	config, err := o.store.Resolve(ctx, m.Config.Digest.String())
	o.check("find the config", err)
	if config.Size != 2 {
		o.Errorf("the config has %d bytes", config.Size)
	}
	content, err := o.store.Fetch(ctx, m.Layers[0])
	o.check("read the bundle", err)
	defer content.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(content)
	o.check("read the bundle", err)
	return b.Bytes()
}

// push does to the index what its push does: the name goes to the bundle, then
// to the config, then back to the manifest. A push that dies leaves it on the way.
func (o opcr) push(ref string, dies bool) {
	o.Helper()
	ctx := context.Background()
	manifest, err := o.store.Resolve(ctx, ref)
	o.check("find "+ref, err)
	_, raw, err := oras.FetchBytes(ctx, o.store, ref, oras.DefaultFetchBytesOptions)
	o.check("read the manifest", err)
	var m ocispec.Manifest
	o.json(string(raw), &m)
	for _, d := range []ocispec.Descriptor{m.Layers[0], m.Config, manifest} {
		o.check("untag", o.store.Untag(ctx, ref))
		o.check("tag", o.store.Tag(ctx, d, ref))
		if dies {
			return
		}
	}
}

// remove takes a name away, and with the last one the content.
func (o opcr) remove(ref string) {
	o.Helper()
	ctx := context.Background()
	d, err := o.store.Resolve(ctx, ref)
	o.check("find "+ref, err)
	o.check("untag", o.store.Untag(ctx, ref))
	for _, other := range o.images() {
		if same, err := o.store.Resolve(ctx, other); err == nil && same.Digest == d.Digest {
			return
		}
	}
	o.check("delete", o.store.Delete(ctx, d))
}

// TestOpcrPolicyReadsOurs lets opcr policy work on a store that policy wrote.
func TestOpcrPolicyReadsOurs(t *testing.T) {
	t.Parallel()
	ran.Add(1)
	u := newUser(t)
	u.policy("build", "policy", "-t", "acme/authz:1", "-t", "ghcr.io/acme/authz:1")
	u.policy("build", "policy", "-t", "other", "-a", "made=otherwise")
	u.policy("save", "acme/authz:1")
	saved, err := os.ReadFile(filepath.Join(u.home, "bundle.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"docker.io/acme/authz:1", "docker.io/library/other:latest", "ghcr.io/acme/authz:1"}
	if got := u.theirs().images(); !slices.Equal(got, want) {
		t.Errorf("opcr policy lists %v, want %v", got, want)
	}
	if !bytes.Equal(u.theirs().bundle("docker.io/acme/authz:1"), saved) {
		t.Error("opcr policy saves another bundle")
	}
	u.theirs().tag("docker.io/acme/authz:1", "docker.io/acme/authz:2")
	u.theirs().remove("docker.io/acme/authz:1")
	u.theirs().remove("docker.io/library/other:latest")
	u.theirs().push("ghcr.io/acme/authz:1", false)
	u.sound("docker.io/acme/authz:2", "ghcr.io/acme/authz:1")
}

// TestWeReadOpcrPolicy lets policy work on stores of opcr policy's making.
func TestWeReadOpcrPolicy(t *testing.T) {
	t.Parallel()
	ran.Add(1)
	for name, config := range map[string]struct {
		mediaType string
		written   bool
	}{
		"today":              {ocispec.MediaTypeEmptyJSON, true},
		"today, no config":   {ocispec.MediaTypeEmptyJSON, false},
		"v0.2":               {ocispec.MediaTypeImageConfig, true},
		"v0.2, no config":    {ocispec.MediaTypeImageConfig, false},
		"older than a build": {"application/vnd.unknown.config.v1+json", true},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUser(t)
			u.policy("build", "policy", "-t", "source")
			u.policy("save", "source")
			bundle, err := os.ReadFile(filepath.Join(u.home, "bundle.tar.gz"))
			if err != nil {
				t.Fatal(err)
			}
			u.policy("rm", "-f", "source")
			u.policy("store", "prune", "--age", "0s")
			u.theirs().build("docker.io/acme/authz:1", bundle, config.mediaType, config.written)
			u.theirs().tag("docker.io/acme/authz:1", "docker.io/acme/authz:broken")
			u.sound("docker.io/acme/authz:1", "docker.io/acme/authz:broken")
			u.policy("tag", "acme/authz:1", "registry.localhost/acme/authz:1")
			u.policy("push", "registry.localhost/acme/authz:1")
			u.policy("rm", "-f", "registry.localhost/acme/authz:1")
			u.policy("pull", "registry.localhost/acme/authz:1")
			u.sound("docker.io/acme/authz:1", "docker.io/acme/authz:broken", "registry.localhost/acme/authz:1")
			if config.written { // without one, opcr policy cannot push it at all
				u.theirs().bundle("registry.localhost/acme/authz:1")
				u.theirs().push("docker.io/acme/authz:broken", true)
				u.sound("docker.io/acme/authz:1", "docker.io/acme/authz:broken", "registry.localhost/acme/authz:1")
			}
			u.policy("rm", "-f", "acme/authz:1", "acme/authz:broken")
			u.policy("store", "prune", "--age", "0s")
			u.sound("registry.localhost/acme/authz:1")
		})
	}
}

// sound expects these images in the local store, whole, and each to decide.
func (u *user) sound(refs ...string) {
	u.Helper()
	var images []struct{ Ref string }
	u.json(u.policy("images", "--output", "json"), &images)
	var got []string
	for _, i := range images {
		got = append(got, i.Ref)
	}
	slices.Sort(got)
	slices.Sort(refs)
	if !slices.Equal(got, refs) {
		u.Errorf("policy lists %v, want %v", got, refs)
	}
	for _, ref := range refs {
		u.policy("inspect", ref)
		u.equal(u.policy("eval", ref, "data.authz.allow", "-i", "input.json", "--pull", "never"), "true")
	}
	u.policy("store", "check")
}
