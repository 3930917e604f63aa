package builtins

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/registry"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// rehearsedRemote answers for registries in a rehearsal: reads see what the run
// would have written, then the world; writes are remembered, and no blob moves.
// It stands in for the registries' client rather than for their protocol, since
// vendors delete, list and publish through APIs of their own.
type rehearsedRemote struct {
	*registry.Client // reads of the world
	world            *registry.Client
	blobs            *store.Store // what the run has had locally, removed or not
	r                *Rehearsal

	mu           sync.Mutex
	repositories map[string]*plannedRepository
	order        []artifact.Name // tags in the order of their first change
}

// plannedRepository is what would have changed in one repository.
type plannedRepository struct {
	manifests map[artifact.Digest]plannedImage
	tags      map[string]artifact.Digest // "": removed
	before    map[string]artifact.Digest // what the world had under those names; "": nothing
}

// plannedImage is an image that would have been written.
type plannedImage struct {
	descriptor artifact.Descriptor
	raw        []byte
	from       artifact.Name // the image in a registry that has its blobs; zero: blobs has them
}

func (w *rehearsedRemote) repository(n artifact.Name) *plannedRepository {
	key := n.Registry + "/" + n.Repository
	p := w.repositories[key]
	if p == nil {
		p = &plannedRepository{map[artifact.Digest]plannedImage{}, map[string]artifact.Digest{}, map[string]artifact.Digest{}}
		w.repositories[key] = p
	}
	return p
}

// look finds n in the plan. It reports removed for a tag that would be gone.
func (w *rehearsedRemote) look(n artifact.Name) (found plannedImage, planned, removed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.repository(n)
	d := n.Digest
	if d == "" {
		tagged, ok := p.tags[n.Tag]
		if ok && tagged == "" {
			return plannedImage{}, false, true
		}
		d = tagged
	}
	found, planned = p.manifests[d]
	return found, planned, false
}

func gone(n artifact.Name) error {
	return fault.New(fault.NotFound, n.String(), "not found at %s: this run would have removed it", n.Registry)
}

// Resolve is that of the plan, else of the world.
func (w *rehearsedRemote) Resolve(ctx context.Context, n artifact.Name) (artifact.Descriptor, error) {
	image, planned, removed := w.look(n)
	switch {
	case removed:
		return artifact.Descriptor{}, gone(n)
	case planned:
		return image.descriptor, nil
	}
	return w.world.Resolve(ctx, n)
}

// Manifest is that of the plan, else of the world.
func (w *rehearsedRemote) Manifest(ctx context.Context, n artifact.Name) (artifact.Descriptor, []byte, error) {
	image, planned, removed := w.look(n)
	switch {
	case removed:
		return artifact.Descriptor{}, nil, gone(n)
	case planned:
		return image.descriptor, image.raw, nil
	}
	return w.world.Manifest(ctx, n)
}

// Push keeps the blobs that only src has, and plans the rest.
func (w *rehearsedRemote) Push(ctx context.Context, n artifact.Name, manifest []byte, d artifact.Descriptor, src registry.Source) (bool, error) {
	all, err := contentsOf(d, manifest)
	if err != nil {
		return false, err
	}
	tx, err := w.blobs.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer tx.Close()
	if _, err := tx.Put(ctx, d.MediaType, manifest); err != nil {
		return false, err
	}
	for _, blob := range all[1:] {
		if err := keepBlob(ctx, tx, blob, src); err != nil {
			return false, err
		}
	}
	return w.plan(ctx, n, plannedImage{descriptor: bare(d), raw: manifest})
}

// Copy plans an image of one registry for another; its blobs stay where they are.
func (w *rehearsedRemote) Copy(ctx context.Context, from, to artifact.Name) (artifact.Descriptor, bool, error) {
	image, planned, removed := w.look(from)
	if removed {
		return artifact.Descriptor{}, false, gone(from)
	}
	if !planned {
		d, raw, err := w.world.Manifest(ctx, from)
		if err != nil {
			return d, false, err
		}
		if _, err := contentsOf(d, raw); err != nil {
			return d, false, fault.In("", from.String(), err)
		}
		image = plannedImage{descriptor: d, raw: raw, from: artifact.Name{Registry: from.Registry, Repository: from.Repository, Digest: d.Digest}}
	}
	unchanged, err := w.plan(ctx, to, image)
	return image.descriptor, unchanged, err
}

// plan gives an image the name n, unless it has it.
func (w *rehearsedRemote) plan(ctx context.Context, n artifact.Name, image plannedImage) (unchanged bool, err error) {
	name := n
	if name.Digest = ""; name.Tag == "" {
		name.Digest = image.descriptor.Digest
	}
	before, err := w.standing(ctx, name)
	stepOf(ctx).finds(name, before)
	if err != nil || before == image.descriptor.Digest {
		return err == nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.repository(name)
	p.manifests[image.descriptor.Digest] = image
	w.set(p, name, before, image.descriptor.Digest)
	return false, nil
}

// standing is the digest that a push to n would find.
func (w *rehearsedRemote) standing(ctx context.Context, n artifact.Name) (artifact.Digest, error) {
	image, planned, removed := w.look(n)
	switch {
	case removed:
		return "", nil
	case planned:
		return image.descriptor.Digest, nil
	}
	return w.world.Standing(ctx, n)
}

// set remembers what a name stands for, and what it stood for at first.
func (w *rehearsedRemote) set(p *plannedRepository, n artifact.Name, before, after artifact.Digest) {
	key := n.Tag
	if n.Digest != "" {
		key = "@" + string(n.Digest)
	}
	if _, known := p.before[key]; !known {
		p.before[key] = before
		w.order = append(w.order, n)
	}
	p.tags[key] = after
}

// Pull gives planned images from where their blobs are.
func (w *rehearsedRemote) Pull(ctx context.Context, n artifact.Name, sink registry.Sink, check func(artifact.Descriptor, []byte) error) (artifact.Descriptor, []byte, error) {
	image, planned, removed := w.look(n)
	switch {
	case removed:
		return artifact.Descriptor{}, nil, gone(n)
	case !planned:
		return w.world.Pull(ctx, n, sink, check)
	case image.from.Registry != "":
		return w.world.Pull(ctx, image.from, sink, check)
	}
	if check != nil {
		if err := check(image.descriptor, image.raw); err != nil {
			return image.descriptor, nil, err
		}
	}
	all, err := contentsOf(image.descriptor, image.raw)
	if err != nil {
		return image.descriptor, nil, err
	}
	for _, blob := range all[1:] {
		if err := w.fetch(ctx, blob, sink); err != nil {
			return image.descriptor, nil, err
		}
	}
	return image.descriptor, image.raw, nil
}

func (w *rehearsedRemote) fetch(ctx context.Context, d artifact.Descriptor, sink registry.Sink) error {
	if sink.Has(ctx, d) {
		return nil
	}
	in, err := w.blobs.Open(ctx, d)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := sink.Create(ctx, d)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }() // after Commit it does nothing
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Commit(ctx)
}

// Tags are those of the world without what would be gone, and with what would be
// new.
func (w *rehearsedRemote) Tags(ctx context.Context, host, repository string, yield func(page []string) error) error {
	var all []string
	err := w.world.Tags(ctx, host, repository, func(page []string) error {
		all = append(all, page...)
		return nil
	})
	w.mu.Lock()
	p := w.repository(artifact.Name{Registry: host, Repository: repository})
	sorted, planned := slices.IsSorted(all), len(p.tags) > 0
	for tag, d := range p.tags {
		switch at := slices.Index(all, tag); {
		case strings.HasPrefix(tag, "@"):
		case d == "" && at >= 0:
			all = slices.Delete(all, at, at+1)
		case d != "" && at < 0:
			all = append(all, tag)
		}
	}
	w.mu.Unlock()
	if err != nil && (!planned || !errors.Is(err, fault.NotFound)) {
		return err
	}
	if sorted {
		slices.Sort(all)
	}
	return yield(all)
}

// Repositories are those of the world and those that would be new.
func (w *rehearsedRemote) Repositories(ctx context.Context, host, prefix string, yield func(page []string) error) error {
	known := map[string]bool{}
	err := w.world.Repositories(ctx, host, prefix, func(page []string) error {
		for _, r := range page {
			known[r] = true
		}
		return yield(page)
	})
	if err != nil {
		return err
	}
	prefix = strings.Trim(prefix, "/")
	var added []string
	w.mu.Lock()
	for key, p := range w.repositories {
		r, here := strings.CutPrefix(key, host+"/")
		below := prefix == "" || r == prefix || strings.HasPrefix(r, prefix+"/")
		if here && below && !known[r] && len(p.manifests) > 0 {
			added = append(added, r)
		}
	}
	w.mu.Unlock()
	slices.Sort(added)
	if len(added) == 0 {
		return nil
	}
	return yield(added)
}

// DeleteTag plans that a tag is removed.
func (w *rehearsedRemote) DeleteTag(ctx context.Context, n artifact.Name) error {
	if n.Tag == "" {
		return w.world.DeleteTag(ctx, n) // which refuses it
	}
	byTag := n
	byTag.Digest = ""
	d, err := w.Resolve(ctx, byTag)
	if err != nil {
		return err
	}
	if n.Digest != "" && n.Digest != d.Digest {
		return fault.New(fault.Conflict, n.String(), "the tag names %s by now", d.Digest)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set(w.repository(byTag), byTag, d.Digest, "")
	return nil
}

// DeleteRepository leaves it to DeleteTag, so that the plan has every tag.
func (w *rehearsedRemote) DeleteRepository(context.Context, artifact.Name) (bool, error) {
	return false, nil
}

// SetVisibility plans it.
func (w *rehearsedRemote) SetVisibility(_ context.Context, n artifact.Name, public bool) error {
	action := MakePrivat
	if public {
		action = MakePublic
	}
	w.r.note(Change{Action: action, Where: InRegistry, Ref: n.Familiar()})
	return nil
}

// changes are what would have become of names in registries.
func (w *rehearsedRemote) changes() []Change {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []Change
	for _, n := range w.order {
		p, key := w.repository(n), n.Tag
		ref := n.Tagged()
		if n.Digest != "" {
			key, ref = "@"+string(n.Digest), n.String()
		}
		after := p.tags[key]
		image := p.manifests[after]
		c := Change{Where: InRegistry, Ref: ref, MediaType: image.descriptor.MediaType, Size: image.descriptor.Size}
		if image.from.Registry != "" {
			c.From = image.from.String()
		}
		if c, changed := c.between(p.before[key], after); changed {
			all = append(all, c)
		}
	}
	return all
}
