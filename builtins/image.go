package builtins

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"time"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// describe makes the answer for an image whose manifest is known.
func describe(name artifact.Name, digest artifact.Digest, m *artifact.Manifest) *Image {
	image := named(name, digest)
	if layer, err := m.Layer(); err == nil {
		image.Size = &layer.Size
	}
	image.annotate(m.Annotations)
	return image
}

// named makes the answer for an image of which only the name is known.
func named(name artifact.Name, digest artifact.Digest) *Image {
	ref := name.Tagged()
	if name.Tag == "" && name.Digest == "" {
		ref = name.Familiar() // a repository without images
	}
	return &Image{
		Ref:         ref,
		Repository:  ref[:len(name.Familiar())], // one text for both: there may be very many
		Tag:         name.Tag,
		Digest:      ManifestDigest(digest),
		Annotations: map[string]string{},
	}
}

func (i *Image) annotate(annotations map[string]string) {
	maps.Copy(i.Annotations, annotations)
	if t, err := time.Parse(time.RFC3339, annotations[artifact.AnnotationCreated]); err == nil {
		i.Created = &t
	}
}

// listed describes an entry of the store from the index alone.
func (e *Env) listed(entry store.Entry) *Image {
	name, err := artifact.ParseName(entry.Name, e.Settings.DefaultDomain)
	if err != nil { // written by a tool with other rules: shown as it is
		name = artifact.Name{Repository: entry.Name}
	}
	image := named(name, imageDigest(entry))
	if err != nil {
		image.Ref, image.Repository = entry.Name, entry.Name
	}
	image.annotate(entry.Annotations)
	delete(image.Annotations, artifact.AnnotationBundleSize)
	delete(image.Annotations, artifact.AnnotationStored)
	if size, err := strconv.ParseInt(entry.Annotations[artifact.AnnotationBundleSize], 10, 64); err == nil {
		image.Size = &size
	}
	if isLayer(entry.MediaType) {
		image.Size = &entry.Size
	}
	if t, err := time.Parse(time.RFC3339, entry.Annotations[artifact.AnnotationStored]); err == nil && image.Created == nil {
		image.Created = &t
	}
	return image
}

// newEntry is the index entry of an image: what a listing shows is in it. The
// store adds when.
func newEntry(name artifact.Name, d artifact.Descriptor, m *artifact.Manifest) store.Entry {
	d.Annotations = maps.Clone(m.Annotations)
	if d.Annotations == nil {
		d.Annotations = map[string]string{}
	}
	delete(d.Annotations, artifact.AnnotationRefName)
	if layer, err := m.Layer(); err == nil {
		d.Annotations[artifact.AnnotationBundleSize] = strconv.FormatInt(layer.Size, 10)
	}
	return store.Entry{Name: name.Tagged(), Descriptor: d}
}

// FindImage gives the image of a reference, the local one if there is one, else
// that of its registry, without fetching it. It fails with Usage for what is no
// reference, and with NotFound, Denied and Unavailable.
func FindImage(ctx context.Context, e *Env, ref string) (*Image, error) {
	r, err := ParseRef(ref)
	if err != nil {
		return nil, err
	}
	l, err := e.open(ctx, r, prefixDigits)
	if err == nil {
		defer l.Close()
		return l.image(), nil
	}
	name, nameErr := e.name(r)
	if !errors.Is(err, fault.NotFound) || nameErr != nil {
		return nil, err
	}
	d, raw, err := e.Remote.Manifest(ctx, name)
	if err != nil {
		return nil, err
	}
	m, err := artifact.ParseManifest(raw)
	if err != nil {
		return nil, fault.In("", name.String(), err)
	}
	return describe(name, d.Digest, m), nil
}
