package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
)

// postUpload begins an upload, or does all of it: with ?digest the body is the
// blob, with ?mount a blob that is here already needs no body.
func (h *handler) postUpload(w http.ResponseWriter, r *http.Request, at route) error {
	query := r.URL.Query()
	if query.Has("digest") {
		d, err := parseDigest(query.Get("digest"))
		if err != nil {
			return err
		}
		u := &session{}
		defer u.close()
		return h.finish(w, r, at, u, d)
	}
	if from := query.Get("mount"); from != "" {
		d, err := parseDigest(from)
		if err != nil {
			return err
		}
		if there, err := h.keepYoung(r.Context(), d); err != nil {
			return err
		} else if there {
			h.created(w, at, d)
			return nil
		}
	}
	u, err := h.uploads.begin(at.repository)
	if err != nil {
		return err
	}
	defer h.uploads.give(u)
	u.describe(w.Header())
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// keepYoung reports whether the blob is here, and has prune spare it until the
// manifest comes that needs it.
func (h *handler) keepYoung(ctx context.Context, d artifact.Digest) (bool, error) {
	if !h.store.Has(ctx, artifact.Descriptor{Digest: d}) {
		return false, nil
	}
	tx, err := h.store.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer tx.Close()
	return tx.Has(ctx, artifact.Descriptor{Digest: d}), nil
}

// getUpload says how much has come.
func (h *handler) getUpload(w http.ResponseWriter, r *http.Request, at route) error {
	u, err := h.uploads.take(r.Context(), at)
	if err != nil {
		return err
	}
	defer h.uploads.give(u)
	u.describe(w.Header())
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// patchUpload takes a chunk.
func (h *handler) patchUpload(w http.ResponseWriter, r *http.Request, at route) error {
	u, err := h.uploads.take(r.Context(), at)
	if err != nil {
		return err
	}
	defer h.uploads.give(u)
	u.describe(w.Header()) // a refusal says it, too
	if err := h.receive(r, u, ""); err != nil {
		return err
	}
	u.describe(w.Header())
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// putUpload takes the last chunk, if there is one, and ends the upload.
func (h *handler) putUpload(w http.ResponseWriter, r *http.Request, at route) error {
	u, err := h.uploads.take(r.Context(), at)
	if err != nil {
		return err
	}
	defer h.uploads.give(u)
	d, err := parseDigest(r.URL.Query().Get("digest"))
	if err != nil {
		return err
	}
	if d.Algorithm() != canonical && u.size() > 0 {
		return &problem{http.StatusBadRequest, "DIGEST_INVALID", "an upload in chunks is kept under sha256 only"}
	}
	return h.finish(w, r, at, u, d)
}

// deleteUpload gives an upload up.
func (h *handler) deleteUpload(w http.ResponseWriter, r *http.Request, at route) error {
	u, err := h.uploads.take(r.Context(), at)
	if err != nil {
		return err
	}
	defer h.uploads.give(u)
	u.close()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// finish reads what is left of a blob and keeps it if it hashes to d.
func (h *handler) finish(w http.ResponseWriter, r *http.Request, at route, u *session, d artifact.Digest) error {
	if u.id != "" {
		u.describe(w.Header())
	}
	if err := h.receive(r, u, d); err != nil {
		return err
	}
	defer u.close()
	if got := u.in.Digest(); got != d {
		return &problem{http.StatusBadRequest, "DIGEST_INVALID", "the bytes received hash to " + got.String()}
	}
	if _, err := u.in.Commit(r.Context()); err != nil {
		return err
	}
	if err := u.tx.Sync(); err != nil { // what is answered with 201 is durable
		return err
	}
	w.Header().Del("Range")
	h.created(w, at, d)
	return nil
}

func (h *handler) created(w http.ResponseWriter, at route, d artifact.Digest) {
	w.Header().Set("Location", "/v2/"+at.repository+"/blobs/"+d.String())
	w.Header().Set("Docker-Content-Digest", d.String())
	w.WriteHeader(http.StatusCreated)
}

// receive appends the body of a request to an upload. When the client breaks off
// what came is kept, and it may go on from there.
func (h *handler) receive(r *http.Request, u *session, d artifact.Digest) error {
	length, err := chunk(r, u.size())
	if err != nil {
		return err
	}
	if err := u.open(r.Context(), h.store, d); err != nil {
		return err
	}
	body, size := io.Reader(r.Body), int64(256<<10)
	if length >= 0 {
		body, size = io.LimitReader(body, length), min(size, length+1)
	}
	buf, got := make([]byte, size), int64(0)
	for {
		n, err := body.Read(buf)
		got += int64(n)
		if _, err := u.in.Write(buf[:n]); err != nil {
			u.close() // the store does not go on after a failure
			return err
		}
		if errors.Is(err, io.EOF) && got >= length {
			return nil
		}
		if err != nil {
			return &problem{http.StatusBadRequest, "BLOB_UPLOAD_INVALID", "the body ends too early"}
		}
	}
}

// chunk checks where the body belongs in the blob and returns its length, -1
// when the request does not say. A Content-Range is "first-last", without unit.
func chunk(r *http.Request, have int64) (int64, error) {
	said := r.Header.Get("Content-Range")
	if said == "" {
		return r.ContentLength, nil
	}
	outOfOrder := &problem{http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID", fmt.Sprintf("the next byte is %d", have)}
	first, last, ok := strings.Cut(strings.TrimPrefix(said, "bytes "), "-")
	last, _, _ = strings.Cut(last, "/")
	from, err1 := strconv.ParseUint(first, 10, 62)
	to, err2 := strconv.ParseUint(last, 10, 62)
	switch {
	case !ok, err1 != nil, err2 != nil:
		return 0, &problem{http.StatusBadRequest, "BLOB_UPLOAD_INVALID", "a Content-Range looks like 0-1023"}
	case int64(from) != have:
		return 0, outOfOrder
	case r.ContentLength == 0 && to+1 == from: // nothing, at the end
		return 0, nil
	case to < from, r.ContentLength >= 0 && r.ContentLength != int64(to-from)+1:
		return 0, &problem{http.StatusBadRequest, "SIZE_INVALID", "Content-Range and Content-Length do not agree"}
	}
	return int64(to-from) + 1, nil
}

// open makes the place in the store, when the first byte comes. An upload that
// rests holds nothing until then.
func (u *session) open(ctx context.Context, s *store.Store, d artifact.Digest) error {
	if u.in != nil {
		return nil
	}
	tx, err := s.Begin(ctx)
	if err != nil {
		return err
	}
	want := artifact.Descriptor{}
	if d != "" && d.Algorithm() != canonical {
		want.Digest = d
	}
	in, err := tx.Create(ctx, want)
	if err != nil {
		tx.Close()
		return err
	}
	u.tx, u.in = tx, in
	return nil
}
