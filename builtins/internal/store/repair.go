package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"slices"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// RepairReport is what Repair did.
type RepairReport struct {
	Dir       string    `json:"dir"`        // the store
	Unchanged bool      `json:"unchanged"`  // nothing was wrong
	Images    int       `json:"images"`     // named entries, afterwards
	Layout    bool      `json:"layout"`     // oci-layout was written
	Rebuilt   bool      `json:"rebuilt"`    // the index was damaged or lost, and was rebuilt
	Restored  []string  `json:"restored"`   // names that only the previous generation of the index had
	Nameless  []string  `json:"nameless"`   // digests of images found without their name: tag them again
	Dropped   []Problem `json:"dropped"`    // images that cannot be had back from here: pull or build them again
	Blobs     []string  `json:"blobs"`      // digests of damaged blobs, removed
	DamagedAs string    `json:"damaged_as"` // where the damaged index was kept, below the store
}

// Repair makes a store sound again and loses nothing that is still there. A
// damaged index is rebuilt from what can be read of it, its previous generation
// and the blobs; the damaged file is kept. Damaged blobs are removed, so that
// they can be fetched again, and so are the names that cannot work without them.
// It waits until nobody else uses the store.
func (s *Store) Repair(ctx context.Context) (RepairReport, error) {
	out := RepairReport{Dir: s.dir, Restored: []string{}, Nameless: []string{}, Dropped: []Problem{}, Blobs: []string{}}
	if there, err := s.exists(); err != nil || !there {
		out.Unchanged = err == nil
		return out, err
	}
	gc, err := s.lock(ctx, gcLock, true)
	if err != nil {
		return out, lockFault(s.path(gcLock), err)
	}
	defer unlock(gc)
	l, err := s.lock(ctx, indexLock, true)
	if err != nil {
		return out, lockFault(s.path(indexLock), err)
	}
	defer unlock(l)
	if out.Layout, err = s.healLayout(); err != nil {
		return out, err
	}
	ix, generation, err := s.rebuild(ctx, &out)
	if err != nil {
		return out, err
	}
	a := audit{s: s, blobs: make(map[artifact.Digest]string)}
	if err := a.dropBroken(ctx, ix, &out); err != nil {
		return out, err
	}
	if ix.dirty {
		backup := previousFile
		if out.Rebuilt {
			backup = damagedFile // the previous generation is the better one
		}
		if err := s.writeIndex(ix, generation, backup, alreadyDurable); err != nil {
			return out, diskFault("writing the index", err)
		}
	}
	if err := a.removeDamaged(ctx, &out); err != nil {
		return out, err
	}
	named, err := s.named(ix)
	out.Images = len(named)
	out.Unchanged = !out.Layout && !ix.dirty && len(out.Blobs) == 0
	return out, err
}

// rebuild returns the index as it is, or what can be known of it when it is
// damaged or lost.
func (s *Store) rebuild(ctx context.Context, out *RepairReport) (*index, fs.FileInfo, error) {
	current, generation, damaged, err := s.salvage(indexFile)
	if err != nil || generation != nil && !damaged {
		return current, generation, err
	}
	previous, before, _, err := s.salvage(previousFile)
	if err != nil {
		return nil, nil, err
	}
	if damaged {
		out.DamagedAs = damagedFile
	}
	ix := emptyIndex()
	ix.dirty = damaged || before != nil
	if before != nil {
		ix.head, ix.tail = previous.head, previous.tail
	}
	merge(ix, previous, current, out)
	err = s.addNameless(ctx, ix, out)
	out.Rebuilt = ix.dirty
	return ix, generation, err
}

// merge puts the entries of both into ix; those of current win.
func merge(ix, previous, current *index, out *RepairReport) {
	at := make(map[string]int)
	add := func(raw []byte) string {
		e, err := decodeEntry(raw)
		if err != nil || e.Digest.Validate() != nil {
			return ""
		}
		key := cmp.Or(e.Name, e.Digest.String())
		if i, ok := at[key]; ok {
			ix.entries[i] = raw
		} else {
			at[key] = len(ix.entries)
			ix.entries = append(ix.entries, raw)
		}
		return e.Name
	}
	lost := make(map[string]bool)
	for _, raw := range previous.entries {
		lost[add(raw)] = true
	}
	for _, raw := range current.entries {
		delete(lost, add(raw))
	}
	delete(lost, "")
	out.Restored = slices.AppendSeq(out.Restored, maps.Keys(lost))
	slices.Sort(out.Restored)
}

// salvage reads what stands whole in a file that may be damaged. Without the
// file it returns an empty index and no generation.
func (s *Store) salvage(name string) (ix *index, generation fs.FileInfo, damaged bool, err error) {
	b, generation, err := s.readFile(s.path(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return emptyIndex(), nil, false, nil
	case err != nil:
		return nil, nil, false, diskFault("reading the index", err)
	}
	ix, bad := parseIndex(b)
	for i := 0; i < len(ix.entries) && bad == nil; i++ {
		_, bad = ix.entry(i)
	}
	return ix, generation, bad != nil, nil
}

// addNameless finds manifests that no entry leads to: images whose name is lost.
func (s *Store) addNameless(ctx context.Context, ix *index, out *RepairReport) error {
	alive := make(reach)
	for i := range ix.entries {
		e, err := ix.entry(i)
		if err != nil {
			return s.invalidIndex(err)
		}
		if err := s.walk(ctx, alive, e.Descriptor); err != nil {
			return err
		}
	}
	lost := make(map[artifact.Digest]Entry)
	below := make(reach) // what lost indexes lead to needs no entry of its own
	err := s.eachBlob(ctx, func(d artifact.Digest, info fs.FileInfo) error {
		if alive.has(d) || info.Size() > maxManifest {
			return nil
		}
		e, ok, err := s.asManifest(ctx, d, info.Size())
		if err != nil || !ok {
			return err
		}
		lost[d] = e
		l, err := s.links(ctx, e.Descriptor)
		for _, child := range l.needs() {
			below[child.Digest] = true
		}
		return err
	}, func(string) {})
	if err != nil {
		return err
	}
	for d, e := range lost {
		if below.has(d) {
			continue
		}
		if err := ix.set(e, s.o.Now()); err != nil {
			return err
		}
		out.Nameless = append(out.Nameless, d.String())
	}
	return nil
}

// asManifest makes an entry for a blob that is a whole manifest.
func (s *Store) asManifest(ctx context.Context, d artifact.Digest, size int64) (Entry, bool, error) {
	b, err := s.Read(ctx, artifact.Descriptor{Digest: d, Size: size}, maxManifest)
	if errors.Is(err, fault.Invalid) || errors.Is(err, fault.NotFound) {
		return Entry{}, false, nil
	} else if err != nil {
		return Entry{}, false, err
	}
	mediaType := sniff(b)
	return Entry{Descriptor: artifact.Descriptor{MediaType: mediaType, Digest: d, Size: size}}, mediaType != "", nil
}

// sniff is the media type of a manifest, "" when b is none.
func sniff(b []byte) string {
	var m struct {
		Version   int             `json:"schemaVersion"`
		MediaType string          `json:"mediaType"`
		Config    json.RawMessage `json:"config"`
		Manifests json.RawMessage `json:"manifests"`
	}
	switch err := json.Unmarshal(b, &m); {
	case err != nil || m.Version != 2:
		return ""
	case m.MediaType != "":
		if follow, _ := namesOthers(m.MediaType); !follow {
			return ""
		}
		return m.MediaType
	case m.Manifests != nil:
		return artifact.MediaTypeIndex
	case m.Config != nil:
		return artifact.MediaTypeManifest
	}
	return ""
}

// dropBroken drops the entries whose closure is not whole.
func (a *audit) dropBroken(ctx context.Context, ix *index, out *RepairReport) error {
	gone := make(map[int]bool)
	for i := range ix.entries {
		e, err := ix.entry(i)
		if err != nil {
			return a.s.invalidIndex(err)
		}
		wrong, err := a.image(ctx, e)
		if err != nil {
			return err
		}
		if len(wrong) > 0 {
			gone[i] = true
			out.Dropped = append(out.Dropped, wrong...)
		}
	}
	ix.drop(gone)
	return nil
}

// removeDamaged removes blobs that do not hash to their name: as long as they
// lie there, nobody would fetch them again.
func (a *audit) removeDamaged(ctx context.Context, out *RepairReport) error {
	return a.s.eachBlob(ctx, func(d artifact.Digest, _ fs.FileInfo) error {
		why, err := a.blob(ctx, artifact.Descriptor{Digest: d})
		if err != nil || why == "" || why == missingBlob {
			return err
		}
		if _, err := a.s.removeBlob(d); err != nil {
			return err
		}
		out.Blobs = append(out.Blobs, d.String())
		return nil
	}, func(string) {})
}
