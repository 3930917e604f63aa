package builtins

import (
	"context"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/registry"
)

// gatedRemote is the registries for a recipe: each operation asks its pass first.
type gatedRemote struct {
	Remote
	p *pass
}

// Login fails: credentials are not for recipes.
func (r gatedRemote) Login(context.Context, string, registry.Credential) error {
	return lockedKeys{g: r.p.gate}.denied()
}

// Resolve asks to read.
func (r gatedRemote) Resolve(ctx context.Context, n artifact.Name) (artifact.Descriptor, error) {
	if err := r.p.mayName("read", n); err != nil {
		return artifact.Descriptor{}, err
	}
	return r.Remote.Resolve(ctx, n)
}

// Manifest asks to read.
func (r gatedRemote) Manifest(ctx context.Context, n artifact.Name) (artifact.Descriptor, []byte, error) {
	if err := r.p.mayName("read", n); err != nil {
		return artifact.Descriptor{}, nil, err
	}
	return r.Remote.Manifest(ctx, n)
}

// Push asks to write.
func (r gatedRemote) Push(ctx context.Context, n artifact.Name, manifest []byte, d artifact.Descriptor, src registry.Source) (bool, error) {
	if err := r.p.mayName("write", n); err != nil {
		return false, err
	}
	return r.Remote.Push(ctx, n, manifest, d, src)
}

// Pull asks to read.
func (r gatedRemote) Pull(ctx context.Context, n artifact.Name, sink registry.Sink, check func(artifact.Descriptor, []byte) error) (artifact.Descriptor, []byte, error) {
	if err := r.p.mayName("read", n); err != nil {
		return artifact.Descriptor{}, nil, err
	}
	return r.Remote.Pull(ctx, n, sink, check)
}

// Copy asks to read the one and to write the other.
func (r gatedRemote) Copy(ctx context.Context, from, to artifact.Name) (artifact.Descriptor, bool, error) {
	err := r.p.mayName("read", from)
	if err == nil {
		err = r.p.mayName("write", to)
	}
	if err != nil {
		return artifact.Descriptor{}, false, err
	}
	return r.Remote.Copy(ctx, from, to)
}

// Tags asks to read.
func (r gatedRemote) Tags(ctx context.Context, host, repository string, yield func(page []string) error) error {
	if err := r.p.may("read", host+"/"+repository); err != nil {
		return err
	}
	return r.Remote.Tags(ctx, host, repository, yield)
}

// Repositories asks to read all below the prefix.
func (r gatedRemote) Repositories(ctx context.Context, host, prefix string, yield func(page []string) error) error {
	below := host + "/*"
	if prefix != "" {
		below = host + "/" + prefix + "/*"
	}
	if err := r.p.may("read", below); err != nil {
		return err
	}
	return r.Remote.Repositories(ctx, host, prefix, yield)
}

// DeleteTag asks to delete.
func (r gatedRemote) DeleteTag(ctx context.Context, n artifact.Name) error {
	if err := r.p.mayName("delete", n); err != nil {
		return err
	}
	return r.Remote.DeleteTag(ctx, n)
}

// DeleteRepository asks to delete.
func (r gatedRemote) DeleteRepository(ctx context.Context, n artifact.Name) (bool, error) {
	if err := r.p.mayName("delete", n); err != nil {
		return false, err
	}
	return r.Remote.DeleteRepository(ctx, n)
}

// SetVisibility asks to write, to all below the first part of the path where more
// than the repository changes.
func (r gatedRemote) SetVisibility(ctx context.Context, n artifact.Name, public bool) error {
	err := r.p.mayName("write", n)
	if err == nil && r.VisibilityUnit(n) != "" {
		project, _, _ := strings.Cut(n.Repository, "/")
		err = r.p.may("write", n.Registry+"/"+project+"/*")
	}
	if err != nil {
		return err
	}
	return r.Remote.SetVisibility(ctx, n, public)
}
