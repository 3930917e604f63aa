package embedded

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// getBlob answers with a blob or a range of it, from the file to the socket.
func (h *handler) getBlob(w http.ResponseWriter, r *http.Request, at route) error {
	d, err := parseDigest(at.ref)
	if err != nil {
		return err
	}
	b, err := h.store.Open(r.Context(), artifact.Descriptor{Digest: d})
	if errors.Is(err, fault.NotFound) {
		return blobUnknown(at)
	}
	if err != nil {
		return err
	}
	defer b.Close()
	var content io.ReadSeeker = b
	if f := b.File(); f != nil {
		content = f // so that the kernel can copy it
	}
	header := w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Docker-Content-Digest", d.String())
	header.Set("ETag", etag(d))
	http.ServeContent(w, r, "", time.Time{}, content)
	return nil
}

func blobUnknown(at route) error {
	return &problem{http.StatusNotFound, "BLOB_UNKNOWN", "no blob " + at.ref}
}

// deleteBlob frees a blob that no manifest of any repository needs. The store
// frees what only a removed name reached, so the blob is given a name to remove.
func (h *handler) deleteBlob(w http.ResponseWriter, r *http.Request, at route) error {
	d, err := parseDigest(at.ref)
	if err != nil {
		return err
	}
	doomed := artifact.Descriptor{Digest: d, MediaType: "application/octet-stream"}
	if !h.store.Has(r.Context(), doomed) {
		return blobUnknown(at)
	}
	name := "deleting " + d.String() // no reference has a space
	if err := h.tagOnly(r.Context(), store.Entry{Name: name, Descriptor: doomed}); err != nil {
		if errors.Is(err, fault.NotFound) {
			return blobUnknown(at)
		}
		return err
	}
	removed, err := h.store.Remove(r.Context(), name)
	if err != nil && !errors.Is(err, fault.NotFound) { // NotFound: somebody else deletes it, too
		return err
	}
	if removed.BytesFreed == 0 && h.store.Has(r.Context(), doomed) {
		used, err := h.used(r.Context(), d)
		if err != nil {
			return err
		}
		if used {
			return &problem{http.StatusMethodNotAllowed, "UNSUPPORTED", "a manifest needs this blob: delete that first"}
		}
	}
	w.WriteHeader(http.StatusAccepted) // when others are at work, prune frees it later
	return nil
}

func (h *handler) tagOnly(ctx context.Context, e store.Entry) error {
	tx, err := h.store.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Close()
	return tx.Tag(ctx, e)
}

// used reports whether a manifest names d, or is d.
func (h *handler) used(ctx context.Context, d artifact.Digest) (bool, error) {
	entries, err := h.store.List(ctx)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if e.Digest == d {
			return true, nil
		}
		body, err := h.store.Read(ctx, e.Descriptor, h.o.MaxManifest)
		if err != nil {
			continue // it needs nothing that could be known
		}
		m, err := parseManifest(body, typeOf(e))
		if err != nil {
			continue
		}
		for _, part := range m.all() {
			if part.Digest == d {
				return true, nil
			}
		}
	}
	return false, nil
}
