package builtins

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// rehearsedStore is a store, the local one or an OCI layout, in a rehearsal.
type rehearsedStore struct {
	where  string // InStore or InLayout
	typed  string // the folder of a layout
	folder string // really
	world  *store.Store

	begin            []store.Entry // what the world had
	here, everything *store.Store
}

// rehearse fills in the copies of a store and remembers it.
func (r *Rehearsal) rehearse(s *rehearsedStore) (*rehearsedStore, error) {
	dir, err := r.folder()
	if err != nil {
		return nil, err
	}
	if s.here, s.everything, err = s.world.Rehearse(dir); err != nil {
		return nil, err
	}
	if s.begin, err = s.here.List(context.Background()); err != nil { // of files just copied
		return nil, err
	}
	r.mu.Lock()
	r.stores = append(r.stores, s)
	r.mu.Unlock()
	return s, nil
}

// layout is the rehearsal of the OCI layout in a folder.
func (r *Rehearsal) layout(typed, folder string, world *store.Store) (*store.Store, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, fault.File(typed, err)
	}
	r.layouts.Lock()
	defer r.layouts.Unlock()
	if s := r.known(folder); s != nil {
		return s.here, nil
	}
	s, err := r.rehearse(&rehearsedStore{where: InLayout, typed: typed, folder: folder, world: world})
	if err != nil {
		return nil, err
	}
	return s.here, nil
}

// known is the rehearsal of the layout in a folder, an absolute path; nil when
// there is none.
func (r *Rehearsal) known(folder string) *rehearsedStore {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := slices.IndexFunc(r.stores, func(s *rehearsedStore) bool { return s.where == InLayout && s.folder == folder })
	if at < 0 {
		return nil
	}
	return r.stores[at]
}

// changes are what became of the names in the store.
func (s *rehearsedStore) changes(ctx context.Context) ([]Change, error) {
	now, err := s.here.List(ctx)
	if err != nil {
		return nil, err
	}
	before := map[string]artifact.Digest{}
	for _, e := range s.begin {
		before[e.Name] = e.Digest
	}
	var all []Change
	left := map[string]bool{}
	for _, e := range now {
		left[e.Name] = true
		c := Change{Where: s.where, Ref: e.Name, MediaType: e.MediaType, Size: e.Size, Layout: s.folder}
		if c, changed := c.between(before[e.Name], e.Digest); changed {
			all = append(all, c)
		}
	}
	for _, e := range s.begin {
		if !left[e.Name] {
			c, _ := Change{Where: s.where, Ref: e.Name, Layout: s.folder}.between(e.Digest, "")
			all = append(all, c)
		}
	}
	return all, nil
}

// stored is the digest that a name has in a store, "" when it has none.
func stored(ctx context.Context, s Store, name string) (artifact.Digest, error) {
	e, err := s.Get(ctx, name)
	if errors.Is(err, fault.NotFound) {
		return "", nil
	}
	return e.Digest, err
}
