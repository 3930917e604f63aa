package builtins

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// Recipe is a recipe that was opened: its content is what its digest says.
type Recipe struct {
	Ref         string                // as policy.lock names it: "oci://ghcr.io/acme/recipes:v1"
	Digest      artifact.Digest       // of the manifest
	Size        int64                 // bytes of the layer
	Config      artifact.RecipeConfig // what it says of itself
	Annotations map[string]string     // of the manifest
	Files       fs.FS                 // its modules, tests and documents
}

// Recipes finds recipes by digest: in a vendor folder, in the cache, in their
// registries, in this order. It reads each once. It is safe for concurrent use.
type Recipes struct {
	Offline bool // what is neither in the vendor folder nor in the cache is not found

	env    *Env
	vendor *store.Store // nil: there is none
	cache  *store.Store

	mu   sync.Mutex
	open map[artifact.Digest]func() (*Recipe, error)
}

// recipeLimits bound what a recipe may hold.
var recipeLimits = artifact.Limits{Total: 32 << 20, Entries: 2000}

// maxRecipeConfig bounds the config of a recipe: 1 MiB.
const maxRecipeConfig = 1 << 20

// Recipes returns a shelf with e's registries and cache, and the OCI layout in the
// folder vendor, which may be empty or missing.
func (e *Env) Recipes(vendor string) *Recipes {
	r := &Recipes{
		env:   e,
		cache: store.New(filepath.Join(e.Settings.cache(), "recipes"), store.Options{LockTimeout: e.Settings.LockTimeout}),
		open:  map[artifact.Digest]func() (*Recipe, error){},
	}
	if vendor != "" {
		r.vendor = store.New(vendor, store.Options{LockTimeout: e.Settings.LockTimeout})
	}
	return r
}

// Resolve asks a registry which digest a tag stands for now; a name with a digest
// stands for that. It fails with NotFound, Denied and Unavailable.
func (r *Recipes) Resolve(ctx context.Context, n artifact.Name) (artifact.Digest, error) {
	if n.Digest != "" {
		return n.Digest, nil
	}
	d, err := r.env.Remote.Resolve(ctx, n)
	return d.Digest, err
}

// Open gives the recipe of a name with a digest. What the vendor folder or the
// cache has needs no network. It fails with Invalid for what is no recipe, and for
// content that is not what the digest says.
func (r *Recipes) Open(ctx context.Context, n artifact.Name) (*Recipe, error) {
	r.mu.Lock()
	once := r.open[n.Digest]
	if once == nil {
		once = sync.OnceValues(func() (*Recipe, error) { return r.find(ctx, n) })
		r.open[n.Digest] = once
	}
	r.mu.Unlock()
	found, err := once()
	if err != nil {
		r.mu.Lock()
		delete(r.open, n.Digest) // whoever tried may only have been interrupted
		r.mu.Unlock()
		return nil, about(RecipeRef(n), err, true)
	}
	named := *found
	named.Ref = RecipeRef(n)
	return &named, nil
}

// RecipeRef is a recipe's name as policy.lock writes it: without the digest when
// it has a tag.
func RecipeRef(n artifact.Name) string {
	if n.Tag != "" {
		n.Digest = ""
	}
	return artifact.RecipeScheme + n.String()
}

func (r *Recipes) find(ctx context.Context, n artifact.Name) (*Recipe, error) {
	for _, s := range []*store.Store{r.vendor, r.cache} {
		if s == nil {
			continue
		}
		found, err := readRecipe(ctx, s, n.Digest)
		if errors.Is(err, store.ErrDamaged) {
			return nil, r.damaged(s, err)
		}
		if err == nil || !errors.Is(err, fault.NotFound) {
			return found, err
		}
	}
	if r.Offline {
		return nil, fault.New(fault.NotFound, "", "it is not on this machine yet").WithHint("policy check fetches it")
	}
	if err := r.fetch(ctx, n, r.cache); err != nil {
		return nil, err
	}
	return readRecipe(ctx, r.cache, n.Digest)
}

// damaged says what to do about content that is broken: policy store repair looks
// into neither of these folders.
func (r *Recipes) damaged(s *store.Store, err error) error {
	f := fault.New(fault.Invalid, "", "%w", err)
	if s == r.vendor {
		return f.WithHint("remove the folder %s and make it anew: policy recipe vendor", s.Dir())
	}
	return f.WithHint("remove the folder %s: what was in it is fetched again", s.Dir())
}

// fetch brings a recipe from its registry into a store.
func (r *Recipes) fetch(ctx context.Context, n artifact.Name, to *store.Store) error {
	tx, err := to.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Close()
	d, raw, err := r.env.Remote.Pull(ctx, n, &sink{tx: tx}, isRecipe)
	if err != nil {
		return err
	}
	if _, err := tx.Put(ctx, d.MediaType, raw); err != nil {
		return err
	}
	return tx.Tag(ctx, store.Entry{Name: n.String(), Descriptor: bare(d)})
}

// isRecipe refuses what is no recipe before any of it is fetched.
func isRecipe(_ artifact.Descriptor, raw []byte) error {
	m, err := artifact.ParseManifest(raw)
	if err != nil {
		return err
	}
	layer, err := m.RecipeLayer()
	if err == nil && (layer.Size > recipeLimits.Total || m.Config.Size > maxRecipeConfig) {
		err = fault.New(fault.Limit, "", "larger than a recipe may be")
	}
	return err
}

// readRecipe reads a recipe from a store. It fails with NotFound unless all of it
// is there.
func readRecipe(ctx context.Context, s *store.Store, digest artifact.Digest) (*Recipe, error) {
	hold, err := s.Hold(ctx)
	if err != nil {
		return nil, err
	}
	defer hold.Close()
	raw, err := s.Read(ctx, artifact.Descriptor{Digest: digest}, maxManifest)
	if err != nil {
		return nil, err
	}
	recipe, layer, err := withoutFiles(ctx, s, digest, raw)
	if err != nil {
		return nil, err
	}
	content, err := s.Open(ctx, layer)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	verified := newVerifier(content, layer)
	files := packageFiles{}
	_, err = artifact.Scan(verified, recipeLimits, func(h artifact.Header, r io.Reader) error {
		if h.Dir {
			return ctx.Err()
		}
		content, err := io.ReadAll(r) // Scan bounds it
		files[h.Name] = content
		return err
	})
	if altered := verified.finish(); altered != nil { // which explains any other failure
		err = altered
	}
	recipe.Files = files
	return recipe, err
}

// withoutFiles is a recipe as its manifest and the config in a store describe it,
// and the layer that has its files.
func withoutFiles(ctx context.Context, s *store.Store, digest artifact.Digest, manifest []byte) (*Recipe, artifact.Descriptor, error) {
	m, err := artifact.ParseManifest(manifest)
	if err != nil {
		return nil, artifact.Descriptor{}, err
	}
	layer, err := m.RecipeLayer()
	if err != nil {
		return nil, layer, err
	}
	text, err := s.Read(ctx, m.Config, maxRecipeConfig)
	if err != nil {
		return nil, layer, err
	}
	recipe := &Recipe{Digest: digest, Size: layer.Size, Annotations: m.Annotations}
	recipe.Config, err = artifact.ParseRecipeConfig(text)
	return recipe, layer, err
}
