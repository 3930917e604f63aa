package builtins

import (
	"bytes"
	"context"
	"io"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
)

// Pack makes the image of a recipe, into the cache, and gives its digest: files
// are the content of its package by path. The same recipe has the same digest
// everywhere. It fails with Invalid or Limit for a package that nobody could open.
func (r *Recipes) Pack(ctx context.Context, c artifact.RecipeConfig, files map[string][]byte) (artifact.Digest, error) {
	tx, err := r.cache.Begin(ctx)
	if err != nil {
		return "", err
	}
	defer tx.Close()
	in, err := tx.Create(ctx, artifact.Descriptor{MediaType: artifact.MediaTypeLayer})
	if err != nil {
		return "", err
	}
	defer in.Close()
	var all []artifact.File
	for path, content := range files {
		all = append(all, artifact.File{Path: path, Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(content)), nil
		}})
	}
	if err := artifact.Pack(in, all, artifact.PackOptions{Limits: recipeLimits}); err != nil {
		return "", err
	}
	layer, err := in.Commit(ctx)
	if err != nil {
		return "", err
	}
	image, err := artifact.NewRecipeImage(layer, c)
	if err != nil {
		return "", err
	}
	if _, err := artifact.ParseRecipeConfig(image.Config); err != nil {
		return "", err
	}
	if _, err := tx.Put(ctx, image.ConfigDescriptor.MediaType, image.Config); err != nil {
		return "", err
	}
	if _, err := tx.Put(ctx, image.ManifestDescriptor.MediaType, image.Manifest); err != nil {
		return "", err
	}
	entry := store.Entry{Name: "packed@" + image.ManifestDescriptor.Digest.String(), Descriptor: image.ManifestDescriptor}
	return image.ManifestDescriptor.Digest, tx.Tag(ctx, entry)
}

// Describe gives a recipe that was packed or fetched as the image n.
func (r *Recipes) Describe(ctx context.Context, n artifact.Name, digest artifact.Digest) (*Image, error) {
	m, err := r.manifest(ctx, digest)
	if err != nil {
		return nil, err
	}
	layer, err := m.RecipeLayer()
	if err != nil {
		return nil, err
	}
	image := named(n, digest)
	image.Size = &layer.Size
	image.annotate(m.Annotations)
	return image, nil
}

func (r *Recipes) manifest(ctx context.Context, digest artifact.Digest) (*artifact.Manifest, error) {
	raw, err := r.cache.Read(ctx, artifact.Descriptor{Digest: digest}, maxManifest)
	if err != nil {
		return nil, err
	}
	return artifact.ParseManifest(raw)
}

// Push sends a recipe that was packed or fetched to the registry that n names. It
// fails like the verb push.
func (r *Recipes) Push(ctx context.Context, n artifact.Name, digest artifact.Digest) (image *Image, err error) {
	ctx, end := r.env.Begin(ctx, Step{Verb: "recipe publish", Effect: Write, Delta: Delta{Subject: n.Tagged(), Where: InRegistry}})
	defer func() { end(image, err) }()
	image, err = r.Describe(ctx, n, digest)
	if err != nil {
		return nil, err
	}
	m, err := r.manifest(ctx, digest)
	if err != nil {
		return nil, err
	}
	d := artifact.Descriptor{MediaType: m.MediaType, Digest: digest, Size: int64(len(m.Raw))}
	blobs := sourceFunc(func(ctx context.Context, d artifact.Descriptor) (io.ReadSeekCloser, error) {
		return r.cache.Open(ctx, d)
	})
	image.Unchanged, err = r.env.Remote.Push(ctx, n, m.Raw, d, blobs)
	return image, err
}
