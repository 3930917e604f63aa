// Package store keeps images in one OCI image layout on disk that any number of
// processes may use at once, and that survives a kill at any moment.
//
// A blob is immutable and named by its digest. index.json is the only file that
// changes: it maps a full reference to a descriptor. Everything rests on a few
// habits:
//
//   - what is new is written beside its place and synced before it gets its name:
//     a reader sees all of it or nothing;
//   - children come before parents, and parents before the index; the names of all
//     blobs are durable, by one sync of their folder, before an index that leads to
//     them takes its place;
//   - index.json is changed by one process at a time, under .lock, and success
//     is reported only when it is durable;
//   - readers take no index lock. Who resolves a name and opens what it names
//     holds .gc.lock shared, as every writer does; prune holds it alone.
//
// Reading:
//
//	hold, err := s.Hold(ctx)            // nothing is pruned until Close
//	defer hold.Close()
//	e, err := s.Get(ctx, "ghcr.io/acme/authz:1.0")
//	manifest, err := s.Read(ctx, e.Descriptor, 4<<20)
//
// Writing:
//
//	tx, err := s.Begin(ctx)
//	defer tx.Close()
//	d, err := tx.Put(ctx, artifact.MediaTypeManifest, manifest)
//	err = tx.Tag(ctx, store.Entry{Name: "ghcr.io/acme/authz:1.0", Descriptor: d})
package store
