package builtins

import (
	"context"
	"errors"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/registry"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// CopyArgs are the arguments of [Copy].
type CopyArgs struct {
	Source string `arg:"" complete:"image" help:"Image to copy: a reference (the local store first, then its registry), or ocidir://PATH:TAG."`
	Target string `arg:"" complete:"image" help:"Where to copy it: a reference in a registry, or ocidir://PATH:TAG for an OCI layout on disk."`
	Local  bool   `help:"Write to the local store instead of the registry that the target names."`
}

// Copy moves an image by digest: what arrives has the digest of what left. What
// the target has already is not sent again. It fails like push and pull.
func Copy(ctx context.Context, e *Env, args *CopyArgs) (*Image, error) {
	to, err := e.place(args.Target, args.Local, true)
	if err != nil {
		return nil, err
	}
	from, err := e.place(args.Source, true, false)
	if err != nil {
		return nil, err
	}
	l, err := from.open(ctx, e, args.Source)
	switch {
	case err == nil:
		defer l.Close()
		return l.copyTo(ctx, e, to)
	case from.layout || !errors.Is(err, fault.NotFound) || from.name.Registry == "":
		return nil, err
	case to.store != nil:
		return e.fetch(ctx, from.name, to)
	}
	d, unchanged, err := e.Remote.Copy(ctx, from.name, to.name)
	if err != nil {
		return nil, err
	}
	image := named(to.name, d.Digest)
	if _, raw, err := e.Remote.Manifest(ctx, artifact.Name{Registry: to.name.Registry, Repository: to.name.Repository, Digest: d.Digest}); err == nil {
		if m, err := artifact.ParseManifest(raw); err == nil {
			image = describe(to.name, d.Digest, m)
		}
	}
	image.Unchanged = unchanged
	return image, nil
}

// place is where an image lies or shall lie: a store and the name of its entry
// there, or a registry.
type place struct {
	name   artifact.Name
	entry  string // name of the entry in store
	store  Store  // nil: the registry that name says
	layout bool   // an OCI layout of its own, not the local store
}

const layoutScheme = "ocidir://"

// place reads a source or target. With local, a reference means the local store.
func (e *Env) place(typed string, local, write bool) (place, error) {
	if rest, ok := strings.CutPrefix(typed, layoutScheme); ok {
		return e.layoutPlace(typed, rest, write)
	}
	if strings.Contains(typed, "://") {
		return place{}, fault.New(fault.Usage, artifact.WithoutPassword(typed), "only ocidir:// may stand before a path").
			WithHint("type a reference, or %sPATH:TAG", layoutScheme)
	}
	if !write && isDigestPrefix(typed, prefixDigits) {
		return place{store: e.Store}, nil
	}
	name, err := artifact.ParseName(typed, e.Settings.DefaultDomain)
	if err != nil && looksLikePath(typed) {
		folder, tag := typed, "TAG"
		if i := strings.LastIndexByte(typed, ':'); i > strings.LastIndexByte(typed, '/') {
			folder, tag = typed[:i], typed[i+1:]
		}
		return place{}, fault.New(fault.Usage, typed, "a path, where a reference belongs").
			WithHint("an OCI layout in a folder is %s%s:%s", layoutScheme, folder, tag)
	}
	p := place{name: name, entry: name.Tagged()}
	if local {
		p.store = e.Store
	}
	if err == nil && write && name.Tag == "" {
		err = fault.New(fault.Usage, typed, "a target needs a tag").WithHint("name it %s:TAG", name.Familiar())
	}
	return p, err
}

func (e *Env) layoutPlace(typed, rest string, write bool) (place, error) {
	folder, tag := rest, "latest"
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') {
		folder, tag = rest[:i], rest[i+1:]
	}
	if folder == "" || tag == "" {
		return place{}, fault.New(fault.Usage, typed, "names no folder").WithHint("type %s./layout:1.0.0", layoutScheme)
	}
	real, err := e.layoutFolder(folder, write)
	if err != nil {
		return place{}, err
	}
	in, err := e.layout(folder, real)
	return place{
		name:   artifact.Name{Registry: "ocidir:", Repository: "/" + folder, Tag: tag},
		entry:  tag,
		store:  in,
		layout: true,
	}, err
}

func (e *Env) layoutFolder(folder string, write bool) (string, error) {
	if write {
		if err := mayWrite(e.Files, folder); err != nil {
			return "", err
		}
	}
	return layoutIn(e.Files, folder, write)
}

// layoutIn is where an OCI layout is, or will be.
func layoutIn(files Files, folder string, write bool) (string, error) {
	if over, ok := files.(interface {
		layout(name string, write bool) (string, error)
	}); ok {
		return over.layout(folder, write)
	}
	real, err := files.Path(folder)
	if write && errors.Is(err, fault.NotFound) {
		real, err = files.Path(path.Dir(filepath.ToSlash(folder)))
		real = filepath.Join(real, filepath.Base(folder))
	}
	return real, err
}

// layout is the store in a folder, typed so.
func (e *Env) layout(typed, real string) (*store.Store, error) {
	s := store.New(real, store.Options{LockTimeout: e.Settings.LockTimeout})
	if e.rehearsal != nil {
		return e.rehearsal.layout(typed, real, s)
	}
	return s, nil
}

// open opens the image at p when a store has it.
func (p place) open(ctx context.Context, e *Env, typed string) (*local, error) {
	if !p.layout {
		return e.open(ctx, Ref{typed}, prefixDigits)
	}
	return held(ctx, p.store, func() (*local, error) {
		entry, err := p.store.Get(ctx, p.entry)
		if errors.Is(err, fault.NotFound) {
			return nil, fault.New(fault.NotFound, typed, "no image of that tag in the layout").
				WithHint("a layout is named ocidir://FOLDER:TAG, without :TAG it is :latest")
		}
		if err != nil {
			return nil, fault.In("", typed, err)
		}
		return openEntry(ctx, p.store, entry, p.name)
	})
}

// copyTo sends a stored image to another place.
func (l *local) copyTo(ctx context.Context, e *Env, to place) (*Image, error) {
	image := describe(to.name, l.descriptor.Digest, l.manifest)
	if to.store == nil {
		var err error
		if image.Unchanged, err = e.Remote.Push(ctx, to.name, l.manifest.Raw, l.descriptor, l); err != nil {
			return nil, err
		}
		return image, nil
	}
	before, err := to.store.Get(ctx, to.entry)
	if err == nil && before.Digest == l.descriptor.Digest {
		image.Unchanged = true
		stepOf(ctx).changed(to.delta(before, image))
		return image, nil
	} else if err != nil && !errors.Is(err, fault.NotFound) {
		return nil, err
	}
	tx, err := to.store.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Close()
	for _, d := range append(slices.Clone(l.manifest.Layers), l.manifest.Config, l.descriptor) {
		if err := keepBlob(ctx, tx, d, l); err != nil {
			return nil, err
		}
	}
	entry := newEntry(to.name, l.descriptor, l.manifest)
	entry.Name = to.entry
	if err := tx.Tag(ctx, entry); err != nil {
		return nil, err
	}
	stepOf(ctx).changed(to.delta(before, image))
	return image, nil
}

// delta is what became of a place in a store.
func (p place) delta(before store.Entry, image *Image) Delta {
	d := Delta{Subject: image.Ref, Where: InStore, Before: before.Digest.String(), After: string(image.Digest), Unchanged: image.Unchanged}
	if p.layout {
		d.Where = InLayout
	}
	return d
}

// keepBlob puts a blob of src into a store that lacks it.
func keepBlob(ctx context.Context, tx *store.Tx, d artifact.Descriptor, src registry.Source) error {
	if tx.Has(ctx, d) {
		return nil
	}
	r, err := src.Open(ctx, d)
	if err != nil {
		return err
	}
	defer r.Close()
	in, err := tx.Create(ctx, d)
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := io.Copy(in, r); err != nil {
		return err
	}
	stepOf(ctx).moved(d.Size)
	_, err = in.Commit(ctx)
	return err
}
