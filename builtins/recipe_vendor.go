package builtins

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// Where the content of a recipe is; what is vendored may be cached as well.
const (
	Vendored  = "vendored"
	Cached    = "cached"
	Elsewhere = "registry"
)

// Where says where a recipe is read from: the nearest place that has all of it.
func (r *Recipes) Where(ctx context.Context, digest artifact.Digest) string {
	for _, at := range []struct {
		store *store.Store
		name  string
	}{{r.vendor, Vendored}, {r.cache, Cached}} {
		if at.store != nil && hasRecipe(ctx, at.store, digest) {
			return at.name
		}
	}
	return Elsewhere
}

func hasRecipe(ctx context.Context, s *store.Store, digest artifact.Digest) bool {
	raw, err := s.Read(ctx, artifact.Descriptor{Digest: digest}, maxManifest)
	if err != nil {
		return false
	}
	m, err := artifact.ParseManifest(raw)
	return err == nil && !slices.ContainsFunc(append(m.Layers, m.Config), func(d artifact.Descriptor) bool { return !s.Has(ctx, d) })
}

// VendorChanges compares the vendor folder with the recipes that it shall hold:
// those that are not there, and the names, "ghcr.io/acme/gates:v1@sha256:…", of
// what is there and shall not be.
func (r *Recipes) VendorChanges(ctx context.Context, all []*Recipe) (missing []*Recipe, extra []string, err error) {
	entries, err := r.vendor.Entries(ctx)
	if err != nil {
		return nil, nil, err
	}
	there := map[string]bool{}
	for _, e := range entries {
		there[e.Name] = true
	}
	for _, recipe := range all {
		name := recipe.content()
		if !there[name] || !hasRecipe(ctx, r.vendor, recipe.Digest) {
			missing = append(missing, recipe)
		}
		delete(there, name)
	}
	for name := range there {
		extra = append(extra, name)
	}
	slices.Sort(extra)
	return missing, extra, nil
}

// Vendor makes the vendor folder, an OCI layout that is asked before the network
// is, hold these recipes, which were opened before, and no others.
func (r *Recipes) Vendor(ctx context.Context, all []*Recipe) (added []*Recipe, removed []string, err error) {
	added, removed, err = r.VendorChanges(ctx, all)
	if err == nil && len(added) > 0 {
		err = r.vendorAll(ctx, added)
	}
	if err == nil && len(removed) > 0 {
		_, err = r.vendor.Remove(ctx, removed...)
	}
	return added, removed, err
}

func (r *Recipes) vendorAll(ctx context.Context, all []*Recipe) error {
	tx, err := r.vendor.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Close()
	var entries []store.Entry
	for _, recipe := range all {
		from := r.cache
		if !hasRecipe(ctx, from, recipe.Digest) {
			from = r.vendor
		}
		manifest, err := copyRecipe(ctx, tx, from, recipe.Digest)
		if err != nil {
			return err
		}
		manifest.Annotations = map[string]string{artifact.AnnotationStored: "1970-01-01T00:00:00Z"} // the same recipes, the same file
		entries = append(entries, store.Entry{Name: recipe.content(), Descriptor: manifest})
	}
	slices.SortFunc(entries, func(a, b store.Entry) int { return strings.Compare(a.Name, b.Name) })
	if err := tx.Tag(ctx, entries...); err != nil {
		return err
	}
	return forGit(r.vendor.Dir())
}

func copyRecipe(ctx context.Context, tx *store.Tx, from *store.Store, digest artifact.Digest) (artifact.Descriptor, error) {
	raw, err := from.Read(ctx, artifact.Descriptor{Digest: digest}, maxManifest)
	if err != nil {
		return artifact.Descriptor{}, err
	}
	m, err := artifact.ParseManifest(raw)
	if err != nil {
		return artifact.Descriptor{}, err
	}
	manifest := artifact.Descriptor{MediaType: m.MediaType, Digest: digest, Size: int64(len(raw))}
	blobs := sourceFunc(func(ctx context.Context, d artifact.Descriptor) (io.ReadSeekCloser, error) { return from.Open(ctx, d) })
	for _, d := range append(m.Layers, m.Config, manifest) {
		if err := keepBlob(ctx, tx, d, blobs); err != nil {
			return artifact.Descriptor{}, err
		}
	}
	return manifest, nil
}

// Content is the recipe's reference with its digest.
func (r *Recipe) Content() string {
	if strings.Contains(r.Ref, "@") {
		return r.Ref
	}
	return r.Ref + "@" + r.Digest.String()
}

// content is the name in the vendor folder: two contents of a tag may be needed at
// once.
func (r *Recipe) content() string { return strings.TrimPrefix(r.Content(), artifact.RecipeScheme) }

// forGit makes the folder one that can be committed: git leaves out what is only for
// the moment, and changes no byte of the rest.
func forGit(dir string) error {
	for name, text := range map[string]string{
		".gitignore":     ".lock\n.gc.lock\nindex.json.previous\ningest/\n",
		".gitattributes": "* -text\n",
	} {
		file := filepath.Join(dir, name)
		if _, err := os.Lstat(file); !errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return fault.File(file, err)
		}
	}
	return nil
}
