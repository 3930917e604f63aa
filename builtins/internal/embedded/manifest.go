package embedded

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// getManifest answers with the bytes that were pushed, under the type they were
// pushed with, whatever the client says it accepts: another form of the same
// manifest would have another digest.
func (h *handler) getManifest(w http.ResponseWriter, r *http.Request, at route) error {
	hold, err := h.store.Hold(r.Context())
	if err != nil {
		return err
	}
	defer hold.Close()
	e, err := h.find(r.Context(), at)
	if err != nil {
		return err
	}
	body, err := h.store.Read(r.Context(), e.Descriptor, h.o.MaxManifest)
	if errors.Is(err, fault.NotFound) {
		return manifestUnknown(at)
	}
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", typeOf(e))
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Docker-Content-Digest", e.Digest.String())
	header.Set("ETag", etag(e.Digest))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		w.Write(body) //nolint:errcheck // the client has gone
	}
	return nil
}

func etag(d artifact.Digest) string { return `"` + d.String() + `"` }

// find returns the entry of a tag or digest in a repository.
func (h *handler) find(ctx context.Context, at route) (store.Entry, error) {
	if !isDigest(at.ref) {
		e, err := h.store.Get(ctx, h.tagged(at.repository, at.ref))
		if errors.Is(err, fault.NotFound) {
			return e, manifestUnknown(at)
		}
		return e, err
	}
	d, err := parseDigest(at.ref)
	if err != nil {
		return store.Entry{}, err
	}
	here, err := h.entriesOf(ctx, at.repository, d)
	if err != nil {
		return store.Entry{}, err
	}
	if len(here) == 0 {
		return store.Entry{}, manifestUnknown(at)
	}
	return here[0], nil
}

// entriesOf are the entries, tags or plain, of one manifest in a repository.
func (h *handler) entriesOf(ctx context.Context, repository string, d artifact.Digest) ([]store.Entry, error) {
	all, err := h.store.FindDigest(ctx, d.String())
	if err != nil {
		return nil, err
	}
	here := all[:0]
	for _, e := range all {
		if name, _, ok := h.split(e.Name); ok && name == repository && e.Digest == d {
			here = append(here, e)
		}
	}
	return here, nil
}

// isDigest tells a digest from a tag, which has no colon.
func isDigest(ref string) bool { return strings.Contains(ref, ":") }

func manifestUnknown(at route) error {
	return &problem{http.StatusNotFound, "MANIFEST_UNKNOWN", "no manifest " + strconv.Quote(at.ref) + " in " + at.repository}
}

// putManifest keeps a manifest whose parts are all here, and tags it.
func (h *handler) putManifest(w http.ResponseWriter, r *http.Request, at route) error {
	body, err := h.readManifest(r)
	if err != nil {
		return err
	}
	m, err := parseManifest(body, r.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	d := artifact.Descriptor{MediaType: m.MediaType, Size: int64(len(body))}
	tag := ""
	if isDigest(at.ref) {
		if d.Digest, err = parseDigest(at.ref); err != nil {
			return err
		}
		if got := d.Digest.Algorithm().FromBytes(body); got != d.Digest {
			return &problem{http.StatusBadRequest, "DIGEST_INVALID", "the bytes received hash to " + got.String()}
		}
	} else if tag = at.ref; !h.validTag(tag) {
		return &problem{http.StatusBadRequest, "MANIFEST_INVALID", "not a tag: letters, digits, _ . - only, at most 128"}
	}
	if d.Digest, err = h.keepManifest(r.Context(), at.repository, tag, d, m, body); err != nil {
		return err
	}
	header := w.Header()
	header.Set("Location", "/v2/"+at.repository+"/manifests/"+d.Digest.String())
	header.Set("Docker-Content-Digest", d.Digest.String())
	if m.Subject != nil {
		header.Set("OCI-Subject", m.Subject.Digest.String())
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}

func (h *handler) validTag(tag string) bool {
	n, err := artifact.ParseName(h.tagged("x", tag), h.o.Prefix)
	return err == nil && n.Tag == tag
}

func (h *handler) readManifest(r *http.Request) ([]byte, error) {
	tooLarge := &problem{http.StatusRequestEntityTooLarge, "MANIFEST_INVALID", "a manifest may have " + strconv.FormatInt(h.o.MaxManifest, 10) + " bytes at most"}
	if r.ContentLength > h.o.MaxManifest {
		return nil, tooLarge
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, h.o.MaxManifest+1))
	switch {
	case err != nil:
		return nil, &problem{http.StatusBadRequest, "MANIFEST_INVALID", "the body ends too early"}
	case int64(len(body)) > h.o.MaxManifest:
		return nil, tooLarge
	}
	return body, nil
}

// keepManifest checks and stores in one transaction, so that what it found is
// still there when the tag points at it.
func (h *handler) keepManifest(ctx context.Context, repository, tag string, d artifact.Descriptor, m *parsed, body []byte) (artifact.Digest, error) {
	tx, err := h.store.Begin(ctx)
	if err != nil {
		return "", err
	}
	defer tx.Close()
	if err := h.checkParts(ctx, tx, repository, m); err != nil {
		return "", err
	}
	if d, err = putBytes(ctx, tx, d, body); err != nil {
		return "", err
	}
	entries := []store.Entry{m.entry(h.plain(repository, d.Digest), d)}
	if tag != "" {
		entries = append(entries, m.entry(h.tagged(repository, tag), d))
	}
	return d.Digest, tx.Tag(ctx, entries...)
}

// putBytes is Put for a digest of any algorithm.
func putBytes(ctx context.Context, tx *store.Tx, d artifact.Descriptor, body []byte) (artifact.Descriptor, error) {
	if d.Digest == "" || d.Digest.Algorithm() == canonical {
		return tx.Put(ctx, d.MediaType, body)
	}
	in, err := tx.Create(ctx, d)
	if err != nil {
		return d, err
	}
	defer in.Close()
	if _, err := in.Write(body); err != nil {
		return d, err
	}
	return in.Commit(ctx)
}

// deleteManifest takes away a tag, and by digest the manifest with all its tags
// in this repository.
func (h *handler) deleteManifest(w http.ResponseWriter, r *http.Request, at route) error {
	if !isDigest(at.ref) {
		if _, err := h.store.Remove(r.Context(), h.tagged(at.repository, at.ref)); err != nil {
			if errors.Is(err, fault.NotFound) {
				return manifestUnknown(at)
			}
			return err
		}
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	d, err := parseDigest(at.ref)
	if err != nil {
		return err
	}
	for {
		here, err := h.entriesOf(r.Context(), at.repository, d)
		if err != nil {
			return err
		}
		if len(here) == 0 {
			return manifestUnknown(at)
		}
		names := make([]string, len(here))
		for i, e := range here {
			names[i] = e.Name
		}
		_, err = h.store.Remove(r.Context(), names...)
		if errors.Is(err, fault.NotFound) {
			continue // somebody else took one of them meanwhile
		}
		if err != nil {
			return err
		}
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
}
